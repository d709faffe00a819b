/** Answers of the Kubernetes API that are expected errors; knows nothing of the client, which is large. */

/** The code of HTTP that the client's error bears. */
export const codeOf = (error: unknown): number | undefined => typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'number' ? error.code : undefined

/** Undefined when the answer has one of these codes. */
export function unless<T>(codes: readonly number[], answer: Promise<T>): Promise<T | undefined> {
  return answer.catch((error: unknown) => {
    if (codes.includes(codeOf(error) ?? 0)) return undefined
    throw error
  })
}

/** Undefined when there is none. */
export const unlessMissing = <T>(answer: Promise<T>): Promise<T | undefined> => unless([404], answer)

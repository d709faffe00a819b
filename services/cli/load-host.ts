import { z } from 'zod'

const loaded = z.looseObject({ load: z.looseObject({ host: z.string() }) })

/** An experiment as written, with another `load.host`; one without load as it is. Pure. */
export function withHost(document: unknown, host: string): unknown {
  const { success, data } = loaded.safeParse(document)
  return success ? { ...data, load: { ...data.load, host } } : document
}

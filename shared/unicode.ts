/**
 * JSON can carry halves of surrogate pairs; canonical JSON (RFC 8785), which hashes, logs and verdicts are made of, cannot. A text that was cut in the
 * middle of an emoji has one. Walked without recursion: what comes from outside may be nested deeper than the stack.
 */
export function isUnicode(value: unknown): boolean {
  const left: unknown[] = [value]
  while (left.length > 0) {
    const next = left.pop()
    if (typeof next === 'string' && !next.isWellFormed()) return false
    if (typeof next !== 'object' || next === null) continue
    for (const [key, inner] of Object.entries(next)) {
      if (!key.isWellFormed()) return false
      left.push(inner)
    }
  }
  return true
}

/** JSON whose texts have U+FFFD in place of each such half, in keys too. */
export function toUnicode<T>(value: T): T {
  if (isUnicode(value)) return value
  const repaired: unknown = JSON.parse(JSON.stringify(value), (_key, inner: unknown) => {
    if (typeof inner === 'string') return inner.toWellFormed()
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).map(([key, kept]) => [key.toWellFormed(), kept as unknown]))
  })
  return repaired as T // the same JSON but for texts
}

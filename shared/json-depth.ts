/**
 * Whether JSON text is nested deeper than `most` levels. Asked before it is parsed: JSON.parse takes any depth, and whatever walks the value
 * afterwards (JSON.stringify too) has only so much stack.
 */
export function isDeeper(text: string, most: number): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case '\\': if (inString) at += 1; break
      case '"': inString = !inString; break
      case '[': case '{':
        if (!inString) depth += 1
        if (depth > most) return true
        break
      case ']': case '}': if (!inString) depth -= 1; break
    }
  }
  return false
}

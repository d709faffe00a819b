/**
 * HTML and SVG in which nothing can be forgotten to be escaped: what stands between the parts of the template is text, unless it came
 * out of this template itself. Experiment names, command lines and what servers answered are anybody's words.
 */
export class Markup {
  readonly #text: string

  constructor(trusted: string) {
    this.#text = trusted
  }

  toString(): string {
    return this.#text
  }
}

export type Content = Markup | string | number | undefined | readonly Content[]

/** Values are safe as text and inside double-quoted attributes; not as names of tags or attributes, nor in style or script. */
export function markup(parts: TemplateStringsArray, ...values: Content[]): Markup {
  return new Markup(parts.map((part, index) => part + print(values[index])).join(''))
}

function print(content: Content): string {
  if (content === undefined) return ''
  if (content instanceof Markup) return content.toString()
  if (typeof content === 'string' || typeof content === 'number') return visible(String(content)).replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
  return content.map(print).join('')
}

/**
 * Makes visible what could turn a line around, hide in it, or be no character of XML 1.0 ("Char"): control characters, bidirectional
 * overrides, lone surrogates. Tabs and newlines stay.
 */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/gu, character =>
    character === '\n' || character === '\t' ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

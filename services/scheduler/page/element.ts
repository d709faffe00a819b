/**
 * What a view is made of: elements as plain data. A view is a pure function from what is known to such a tree; `patch.ts` makes the document look like it.
 * Text is text by construction: there is no way from a string to markup. What a button does is named by `data-do`, so that a tree holds no functions.
 */
export interface Element {
  tag: string
  namespace: 'html' | 'svg'
  /** Among its siblings, whatever their order: its state in the document (focus, what is open) stays with it. */
  key: string | undefined
  attributes: Readonly<Record<string, string>>
  children: readonly Child[]
}

export type Child = Element | string

export type Content = Element | string | number | false | undefined | null | readonly Content[]

/** `true`: there, without a value; `false` and undefined: not there. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

export const html = (tag: string, attributes: Attributes = {}, ...content: Content[]): Element => element('html', tag, attributes, content)
export const svg = (tag: string, attributes: Attributes = {}, ...content: Content[]): Element => element('svg', tag, attributes, content)

function element(namespace: Element['namespace'], tag: string, { key, ...given }: Attributes, content: readonly Content[]): Element {
  const attributes = Object.fromEntries(Object.entries(given).flatMap(([name, value]) => value === undefined || value === false ? [] : [[name, value === true ? '' : String(value)]]))
  return { tag, namespace, key: key === undefined ? undefined : String(key), attributes, children: joined(content.flatMap(flat)) }
}

function flat(content: Content): Child[] {
  if (content === undefined || content === null || content === false || content === '') return []
  if (typeof content === 'string' || typeof content === 'number') return [visible(String(content))]
  return 'tag' in content ? [content] : content.flatMap(flat)
}

/** A document has one text node where two strings follow each other, so that a tree has too. */
function joined(children: readonly Child[]): Child[] {
  const all: Child[] = []
  for (const child of children) {
    const last = all.at(-1)
    if (typeof child === 'string' && typeof last === 'string') all[all.length - 1] = last + child
    else all.push(child)
  }
  return all
}

/** Others' words must not turn the line around or hide in it: control characters, bidirectional overrides, lone surrogates are shown as such. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu, character =>
    character === '\n' || character === '\t' ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/** All text of a tree, as a reader without a screen would come by it. */
export const textOf = (child: Child): string => typeof child === 'string' ? child : child.children.map(textOf).join(child.namespace === 'html' && /^(?:tr|ul|ol|dl|table|tbody|section|header|p|div|li)$/.test(child.tag) ? ' ' : '')

import { styleText } from 'node:util'
import sliceAnsi from 'slice-ansi'
import stringWidth from 'string-width'
import { visible } from '../report/markup.ts'

/** Text measured in a terminal's cells: a wide character takes two, a colour none. Pure. */

export type Style = Parameters<typeof styleText>[0]
export type Paint = (style: Style, text: string) => string

/** Whether the terminal has colours is the caller's to know. */
export const painter = (colour: boolean): Paint => (style, text) => colour && text !== '' ? styleText(style, text, { validateStream: false }) : text

/** Others' words on one line, with nothing in them that a terminal would obey. */
export const oneLine = (words: string): string => visible(words.replace(/\s+/g, ' ').trim())

/** What nearly every line is made of: one cell a character, and our own colours. Measuring the bars one by one would cost a fifth of a core. */
const oneCellEach = /^[\x20-\x7e\u2500-\u259f·–…≤≥✓✗●○]*$/
// oxlint-disable-next-line no-control-regex -- a colour begins with one
const colours = /\u001b\[\d+m/g

export function widthOf(text: string): number {
  const plain = text.replaceAll(colours, '')
  return oneCellEach.test(plain) ? plain.length : stringWidth(plain)
}

/** At most this wide; what is cut off leaves an ellipsis. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  if (columns > 0 && oneCellEach.test(text)) return `${text.slice(0, columns - 1)}…`
  for (let kept = columns - 1; kept > 0; kept--) { // a second turn only where the two libraries measure a character differently
    const shortened = `${sliceAnsi(text, 0, kept)}…`
    if (widthOf(shortened) <= columns) return shortened
  }
  return columns > 0 ? '…' : ''
}

/** Exactly this wide. */
export function pad(text: string, columns: number): string {
  const shortened = cut(text, columns)
  return shortened + ' '.repeat(Math.max(0, columns - widthOf(shortened)))
}

export const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map(text => widthOf(text)))

/** The left text, and the right one at the right edge; where both have no room, the right one goes. */
export function apart(left: string, right: string, columns: number): string {
  const gap = columns - widthOf(left) - widthOf(right)
  return gap > 0 ? left + ' '.repeat(gap) + right : columns > 2 * widthOf(right) + 1 ? `${pad(left, columns - widthOf(right) - 1)} ${right}` : cut(left, columns)
}

/** A length of time at a glance: `43 ms`, `1.9 s`, `12 s`, `1m05s`. */
export function brief(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '–'
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 9_950) return `${Number((ms / 1_000).toFixed(1))} s`
  return seconds(Math.round(ms / 1_000))
}

/** Whole seconds, for what counts up or down before one's eyes. */
export function seconds(count: number): string {
  if (count < 60) return `${count} s`
  return count < 3_600 ? `${Math.floor(count / 60)}m${twoDigits(count % 60)}s` : `${Math.floor(count / 3_600)}h${twoDigits(Math.floor(count / 60) % 60)}m`
}

/** `0:23`, `12:05`, `1:00:00`. */
export function stopwatch(ms: number): string {
  const count = Number.isFinite(ms) ? Math.max(0, Math.floor(ms / 1_000)) : 0
  const minutes = Math.floor(count / 60)
  return minutes < 60 ? `${minutes}:${twoDigits(count % 60)}` : `${Math.floor(minutes / 60)}:${twoDigits(minutes % 60)}:${twoDigits(count % 60)}`
}

const twoDigits = (count: number) => String(count).padStart(2, '0')

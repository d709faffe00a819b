import { html, type Element } from './element.ts'

/** A state in a word, with a mark of its own, so that nobody needs its colour. */
export type Tone = 'good' | 'bad' | 'unsure' | 'active' | 'plain'

const tones: Readonly<Record<string, Tone>> = {
  passed: 'good', holding: 'good', met: 'good', reverted: 'good', done: 'good', up: 'good',
  failed: 'bad', breached: 'bad', missed: 'bad', unreadable: 'bad', refused: 'bad', lapsed: 'bad', down: 'bad', halted: 'bad', aborting: 'bad', 'not confirmed': 'bad', 'revert not confirmed': 'bad',
  inconclusive: 'unsure', breaking: 'unsure', 'no-data': 'unsure', paused: 'unsure',
  active: 'active', inject: 'active', hold: 'active', load: 'active', steady: 'active', revert: 'active', recover: 'active', end: 'active', verify: 'active',
}
const marks: Readonly<Record<Tone, string>> = { good: '✓', bad: '✗', unsure: '?', active: '●', plain: '·' }

export const toneOf = (state: string): Tone => tones[state] ?? 'plain'

export const badge = (state: string): Element => html('span', { class: `badge ${toneOf(state)}` }, html('span', { 'aria-hidden': 'true' }, `${marks[toneOf(state)]} `), state.replaceAll('-', ' '))

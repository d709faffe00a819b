import type { Trial } from './trial.ts'

const words: Record<Trial['is'], string> = { seen: 'seen', unseen: 'not seen', broke: 'no assertion failed', unfit: 'fails with it too' }
const inTable = (is: Trial['is']): string => is === 'seen' ? words[is] : `**${words[is]}**`
const longest = 160

/** Others' words in a cell of a table. */
const cell = (text: string): string => {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll('|', String.raw`\|`)
  return line.length > longest ? `${line.slice(0, longest)}…` : line
}

/** Markdown: one line for each defence that was taken out, and below it the sum. Pure. */
export function printTrials(trials: readonly Trial[]): string {
  return [
    '| row of THREATS.md | without | removal | by | what its test says |', '|---|---|---|---|---|',
    ...trials.map(({ row, defence, is, test: { file }, why, tookMs }) => `| ${row} | ${cell(defence)} | ${inTable(is)} | \`${file}\`, ${(tookMs / 1_000).toFixed(1)} s | ${cell(why)} |`),
    '', summaryOf(trials), '',
  ].join('\n')
}

export function summaryOf(trials: readonly Trial[]): string {
  const rows = new Set(trials.map(({ row }) => row)).size
  const counts = [...Map.groupBy(trials, ({ is }) => is)].map(([is, those]) => `${those.length} ${words[is]}`)
  return `${trials.length} defences of ${rows} rows taken out: ${counts.join(', ') || 'none'}`
}

/** `3 of 70  csrf: the check of Origin: seen, 1.2 s` */
export function printProgress({ row, defence, is, tookMs, why }: Trial, done: number, of: number): string {
  return `${done} of ${of}  ${row}: ${defence}: ${words[is]}, ${(tookMs / 1_000).toFixed(1)} s${is === 'seen' ? '' : `; ${why}`}`
}

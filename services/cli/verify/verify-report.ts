import { visible } from '../report/markup.ts'
import type { Check, Verification } from './verify-record.ts'

const marks: Record<Check['is'], string> = { good: 'ok', unknown: '?', bad: 'BAD' }
const headlines: Record<Verification['result'], string> = {
  verified: 'verified: everything holds, and a trusted key has signed it',
  unvouched: 'NOT VOUCHED FOR: nothing is wrong, but nobody who is trusted has signed it',
  refuted: 'REFUTED: this is not what was recorded and signed',
}

/** One line of result, then one for each thing that was checked. Pure. */
export function printVerification({ result, run, verdict, checks }: Verification): string {
  return [
    headlines[result],
    `  run        ${run}, ${verdict ?? 'never judged'}`,
    ...checks.flatMap(({ check, is, says }) => says.map((line, index) => `  ${(index === 0 ? check : '').padEnd(10)} ${marks[is].padEnd(3)} ${line}`)),
  ].map(line => `${visible(line).replaceAll(/\s*\n\s*/g, ' ')}\n`).join('')
}

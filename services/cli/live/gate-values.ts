import { breaksRule, type GateRule, type Limit } from '#shared/gate.ts'
import { printValue } from '../report/figures.ts'

/** A gate's value and limit in few words: `27.27 % > 1 %`, `0 % ≤ 1 %`, `1 ≤ 3 ≤ 5`. Pure. */
export function valueAgainstLimit({ limit, otherLimit }: Pick<GateRule, 'limit' | 'otherLimit'>, value: number): string {
  const broken = [limit, otherLimit].find((side): side is Limit => side !== undefined && breaksRule({ limit: side }, value))
  const told = broken ?? limit
  const sign = told.breaksWhen === 'above' ? (broken ? '>' : '≤') : (broken ? '<' : '≥')
  const middle = `${printValue(told.unit, value)} ${sign} ${printValue(told.unit, told.value)}`
  return broken || !otherLimit ? middle : `${printValue(otherLimit.unit, otherLimit.value)} ${otherLimit.breaksWhen === 'below' ? '≤' : '≥'} ${middle}`
}

/** The limit alone: `≤ 1 %`. */
export function limitWords({ limit, otherLimit }: Pick<GateRule, 'limit' | 'otherLimit'>): string {
  return [otherLimit, limit].flatMap(side => side ? [`${side.breaksWhen === 'above' ? '≤' : '≥'} ${printValue(side.unit, side.value)}`] : []).join(', ')
}

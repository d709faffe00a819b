import type { Known } from './state.ts'
import type { Caller } from './wire.ts'

const ladder: readonly string[] = ['viewer', 'operator', 'admin']

/** Why the token does not do for something, or undefined: it does, or nobody has said yet whose it is, and the scheduler decides. */
export function whyNot(caller: Known<Caller>, needs: 'operator' | 'admin'): string | undefined {
  if (caller.is !== 'there' || ladder.indexOf(caller.value.role) >= ladder.indexOf(needs)) return undefined
  return `Your token is ${whose(caller.value.role)}; this takes ${whose(needs)}.`
}

const whose = (role: string): string => `${/^[aeiou]/.test(role) ? 'an' : 'a'} ${role}'s`

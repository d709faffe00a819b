/**
 * `faultline doctor`: what this machine has, what it lacks and how to get it, and what its kernel lets this user do.
 * Everything is tried rather than guessed, and asking changes nothing on the host.
 */
import type { Check, Diagnosis } from './doctor/check.ts'
import { checkMachine } from './doctor/machine.ts'
import { checkNetworkFaults } from './doctor/network-faults.ts'
import { checkSoftware } from './doctor/software.ts'

/** `resultsFolder`: where runs would be written; its disk is looked at. */
export async function doctor({ resultsFolder = 'results' } = {}): Promise<Diagnosis> {
  const checks = (await Promise.all([checkSoftware(), checkMachine(resultsFolder), checkNetworkFaults()])).flat()
  checks.push({ name: 'process faults', found: 'ok', detail: 'possible: kill, pause and CPU burn of this user\'s processes', neededFor: ['process faults'] })
  return { ok: checks.every(check => check.found !== 'missing' || !check.neededFor.includes('demo')), checks }
}

const marks = { ok: 'ok', limited: 'limited', missing: 'MISSING' } as const

/** A table for people: one line a check, and under what is not whole, the next step. */
export function renderDoctor(checks: readonly Check[]): string {
  const nameWidth = Math.max(0, ...checks.map(check => check.name.length))
  const markWidth = Math.max(...Object.values(marks).map(mark => mark.length))
  const indent = ' '.repeat(nameWidth + markWidth + 4)
  return checks.map(({ name, found, detail, next, neededFor }) => {
    const needed = found !== 'ok' && neededFor.length > 0 ? ` (needed for ${neededFor.join(', ')})` : ''
    const line = `${name.padEnd(nameWidth)}  ${marks[found].padEnd(markWidth)}  ${detail.replaceAll('\n', ' ')}${needed}\n`
    return next === undefined || found === 'ok' ? line : `${line}${indent}→ ${next}\n`
  }).join('')
}

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../parts/child.ts'
import { tryRow, type Trial } from '../threats/trial.ts'

/** A checkout of one source with two defences, and tests that see more of them, or less. */
function writeCheckout(folder: string): void {
  mkdirSync(join(folder, 'test'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  writeFileSync(join(folder, 'door.ts'), `\
export const opens = (key: string, isNight: boolean): boolean => key === 'right' && !isNight
`)
  writeFileSync(join(folder, 'test/door.test.ts'), `\
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { opens } from '../door.ts'

before(() => { if (opens('before', false)) throw new Error('not even prepared') })
test('a wrong key (one of many) opens nothing', () => assert.equal(opens('wrong', false), false))
test('the right key opens by day', () => assert.equal(opens('right', false), true))
test('by night nothing is opened, as an error says', () => { if (opens('right', true)) throw new TypeError('it is open') })
test('by night the door is tried for ever', async () => { if (opens('right', true)) await new Promise(resolve => setInterval(resolve, 2 ** 30)); })
test('a wrong key is tried with helpers, which are left', () => {
  mkdtempSync(join(tmpdir(), 'left-'))
  spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).unref()
  setInterval(() => undefined, 1_000)
  assert.ok(!opens('wrong', false), 'it is open')
})
test('what never held', () => assert.fail('as ever'))
test('what needs a castle', { skip: 'no castle' }, () => undefined)
`)
}

const noKey = { name: 'the key', changes: [{ file: 'door.ts', find: "key === 'right' && !isNight", put: "key !== 'before' && !isNight" }] }
const noNight = { name: 'the night', changes: [{ file: 'door.ts', find: ' && !isNight', put: '' }] }
const unprepared = { name: 'the key, for all', changes: [{ file: 'door.ts', find: "key === 'right' && ", put: '' }] }
const noSyntax = { name: 'a bracket', changes: [{ file: 'door.ts', find: '(key: string', put: '((key: string' }] }

test('a defence that is taken out is seen if an assertion of its test fails, and by nothing else; nothing is left', { timeout: 120_000 }, async () => {
  using folder = temporaryFolder('threats-checkout')
  writeCheckout(folder.path)
  const before = readdirSync(tmpdir()).filter(name => name.startsWith('threats-'))
  const trials: Trial[] = []
  const interrupted = new AbortController().signal
  const tryOn = (title: string, limitMs: number, ...defences: { name: string; changes: typeof noKey.changes }[]) => tryRow(
    { id: title, test: { file: 'test/door.test.ts', title }, defences: defences.map(defence => ({ row: title, ...defence })) },
    { checkout: folder.path, limitMs, graceMs: 1_000, interrupted, onTrial: trial => void trials.push(trial) },
  )
  await tryOn('a wrong key (one of many) opens nothing', 30_000, noKey, noNight, unprepared, noSyntax)
  await tryOn('by night nothing is opened, as an error says', 30_000, noNight)
  await tryOn('by night the door is tried for ever', 3_000, noNight)
  await tryOn('a wrong key is tried with helpers, which are left', 30_000, noKey)
  for (const title of ['what never held', 'what needs a castle', 'what nobody has written']) await tryOn(title, 30_000, noKey)
  assert.deepEqual(trials.map(({ defence, is }) => [defence, is]), [
    ['the key', 'seen'], ['the night', 'unseen'], ['the key, for all', 'broke'], ['a bracket', 'broke'], ['the night', 'broke'], ['the night', 'broke'], ['the key', 'seen'], ['the key', 'unfit'], ['the key', 'unfit'], ['the key', 'unfit'],
  ])
  const why = trials.map(trial => trial.why)
  assert.match(why[0] ?? '', /^Expected values to be strictly equal/)
  assert.match(why[3] ?? '', /^no test of that title came to its end: .*SyntaxError/)
  assert.deepEqual([why[4], why[5], why[6]], ['it is open', 'it had not ended after 3 s', 'it is open'])
  assert.deepEqual([why[7], why[8]], ['with it, failed: as ever', 'with it, skipped: no castle'])
  assert.deepEqual(readdirSync(tmpdir()).filter(name => name.startsWith('threats-')), before)
})

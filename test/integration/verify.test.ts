import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runFaultline } from '../parts/faultline-command.ts'
import { pauseExperiment, runIn, startPauseRoom, type PauseRoom } from '../parts/pause-room.ts'

/** A real run over a real NATS, signed with a key that the command made, and what `faultline verify` says of its results. */
let room: PauseRoom
let results: string
let keyFile: string

before(async () => {
  room = await startPauseRoom(pauseExperiment({ duration: '6s' }))
  keyFile = join(room.temporary, '..', 'verdicts')
  const made = await faultline('signing-key', keyFile)
  assert.equal(made.code, 0, made.err)
  process.env['FAULTLINE_VERDICTS_SIGNING_SEED_FILE'] = keyFile
  const { code, out, err } = await runIn(room, '--json', '--tests', 'worker=1.0').ended
  delete process.env['FAULTLINE_VERDICTS_SIGNING_SEED_FILE']
  assert.equal(code, 0, err + out)
  results = join(room.results, (JSON.parse(out) as { run: string }).run)
})
after(() => room[Symbol.asyncDispose]())

const faultline = (...args: string[]) => runFaultline(args, room)
const verify = (...args: string[]) => faultline('verify', ...args)

/** The same results with something changed in their log. */
function tampered(name: string, change: (log: string) => string): string {
  const folder = join(room.temporary, '..', name)
  mkdirSync(folder)
  copyFileSync(join(results, 'verdict.json'), join(folder, 'verdict.json'))
  writeFileSync(join(folder, 'events.jsonl'), change(readFileSync(join(results, 'events.jsonl'), 'utf8')))
  return folder
}

test('a key is made for its owner\'s eyes alone, and never overwritten', async () => {
  assert.equal(statSync(keyFile).mode & 0o777, 0o600)
  const seed = readFileSync(keyFile, 'utf8')
  const again = await faultline('verdict-key', keyFile) // its name of before
  assert.deepEqual([again.code, /never overwritten/.test(again.err), readFileSync(keyFile, 'utf8')], [3, true, seed])
})

test('a real run verifies with the key that was to sign it: its folder, and its facts alone, with its looks on record', async () => {
  for (const what of [results, join(results, 'events.jsonl')]) {
    const { code, out, err } = await verify(what, '--public-key', `${keyFile}.pub`)
    assert.equal(code, 0, err + out)
    assert.match(out, /^verified: everything holds/)
  }
  const { checks } = JSON.parse((await verify(results, '--json', '--public-key', readFileSync(`${keyFile}.pub`, 'utf8').trim())).out) as { checks: { check: string; is: string; says: string[] }[] }
  assert.deepEqual(checks.map(({ check, is }) => [check, is]), ['log', 'chain', 'signature', 'key', 'experiment', 'looks', 'verdict'].map(name => [name, 'good']))
  assert.match(checks.find(({ check }) => check === 'looks')?.says.join() ?? '', /^[1-9]\d* looks are on record as the facts show them/)
})

test('without a trusted key it says whose signature it is, and ends with 2; with another it ends with 1', async () => {
  const unvouched = await verify(results)
  assert.deepEqual([unvouched.code, /nobody vouches for this key/.test(unvouched.out), unvouched.out.includes(readFileSync(`${keyFile}.pub`, 'utf8').trim())], [2, true, true], unvouched.out)
  const other = join(room.temporary, '..', 'other')
  await faultline('signing-key', other)
  const refuted = await verify(results, '--public-key', `${other}.pub`)
  assert.deepEqual([refuted.code, /which is not trusted/.test(refuted.out)], [1, true], refuted.out)
  const both = `${other}-both.pub`
  writeFileSync(both, `${readFileSync(`${other}.pub`, 'utf8')}${readFileSync(`${keyFile}.pub`, 'utf8')}`)
  const byEither = await verify(results, '--public-key', both)
  assert.equal(byEither.code, 0, `a file may hold several\n${byEither.out}`)
  for (const wrong of ['UNKEY', join(results, 'gone.pub'), join(results, 'verdict.json')]) assert.equal((await verify(results, '--public-key', wrong)).code, 3, wrong)
  assert.equal((await verify(join(results, 'gone'), '--public-key', `${keyFile}.pub`)).code, 3)
})

test('one byte changed in one fact is found, and the fact is named', async () => {
  const folder = tampered('one-byte', log => log.replace(/"value":(\d)/, (_, digit) => `"value":${Number(digit) % 9 + 1}`))
  const { code, out } = await verify(folder, '--public-key', `${keyFile}.pub`)
  assert.equal(code, 1)
  assert.match(out, /^REFUTED.*\n(?:.*\n)*  chain      BAD fact \d+ \((?:slo\.answer|gate\.status|slo\.tick), \d+ of \/faultline\/slo-evaluator\/[0-9a-f]+; line \d+\) was changed/)
})

test('a release check that trusts a key takes the run as it was signed, and not as it was changed', async () => {
  const check = (folder: string, key: string) => faultline('release-check', '--app', 'worker', '--version', '1.0', '--require', 'pause-worker', '--results', folder, '--public-key', key)
  const passed = await check(room.results, `${keyFile}.pub`)
  assert.equal(passed.code, 0, passed.out + passed.err)
  mkdirSync(join(room.temporary, '..', 'release'))
  tampered('release/run', log => log.replace(/"requestedAtMs":(\d+)/, (_, ms) => `"requestedAtMs":${Number(ms) - 1}`))
  const blocked = await check(join(room.temporary, '..', 'release'), `${keyFile}.pub`)
  assert.deepEqual([blocked.code, /does not verify: fact \d+ \(fault\.injected/.test(blocked.out)], [1, true], blocked.out)
})

test('the reports show where the chain ends, who has signed it, and how to check that', () => {
  const key = readFileSync(`${keyFile}.pub`, 'utf8').trim()
  const { record } = JSON.parse(readFileSync(join(results, 'report.json'), 'utf8')) as { record: { chain: string; key: string } }
  assert.equal(record.key, key)
  for (const name of ['report.html', 'report.md']) for (const words of [record.chain, key, 'faultline verify']) assert.ok(readFileSync(join(results, name), 'utf8').includes(words), `${name}: ${words}`)
})

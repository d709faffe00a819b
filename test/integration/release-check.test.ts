import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import { z } from 'zod'
import { experimentIdentity } from '#shared/release-run.ts'
import { newSigningKey, signerOf } from '#shared/signing-key.ts'
import { runFaultline } from '../parts/faultline-command.ts'
import { recordedExperiment, writeResults } from '../parts/release-results.ts'
import { shop, startReleaseScheduler, type ReleaseScheduler } from '../parts/release-scheduler.ts'
import { serve } from '../parts/sample-recorder.ts'
import { quietExperiment } from '../parts/served-scheduler.ts'
import { until } from '../parts/until.ts'

/** Release checks against a real scheduler over a real nats-server, whose record of runs is written through the bus. */
const owned = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'release-check-'))
let scheduler: ReleaseScheduler

before(async () => {
  owned.defer(() => rmSync(folder, { recursive: true }))
  scheduler = owned.use(await startReleaseScheduler({ requirementsFolder: folder }))
})
after(() => owned.disposeAsync())

const decision = z.looseObject({ passed: z.boolean(), decision: z.enum(['pass', 'block']), reasons: z.array(z.string()).default([]), error: z.string().default('') })
async function ask(path: string, { authorization = `Bearer ${scheduler.releaseToken}`, body }: { authorization?: string; body?: unknown } = {}) {
  const response = await fetch(scheduler.url + path, { method: body === undefined ? 'GET' : 'POST', headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) }, ...(body !== undefined && { body: JSON.stringify(body) }) })
  return { status: response.status, ...decision.parse(await response.json()) }
}
const check = (query: Record<string, string>) => ask(`/api/v1/release-check?${new URLSearchParams({ app: 'shop', version: '1.2.3', ...query }).toString()}`)
const flagger = (metadata: object) => ask('/api/v1/release-check/flagger', { body: { name: 'shop', namespace: 'jewelry', phase: 'Progressing', checksum: '85d557f47b', metadata: { app: 'shop', version: '1.2.3', ...metadata } } })

test('each way to be no evidence blocks, over HTTP and for Flagger, and exactly the right run passes', async () => {
  await scheduler.record('old-1', 'old', { endedAtMs: Date.now() - 25 * 3_600_000 })
  await scheduler.record('other-1', 'other', { begin: [{ ...shop, version: '1.2.2' }] })
  await scheduler.record('mixed-1', 'mixed', { begin: [{ ...shop, version: '1.2.2' }, shop] })
  await scheduler.record('failed-1', 'failed', { verdict: 'failed' })
  await scheduler.record('inconclusive-1', 'inconclusive', { verdict: 'inconclusive' })
  await scheduler.record('twice-1', 'twice')
  await scheduler.record('twice-2', 'twice', { verdict: 'failed' })
  await scheduler.record('right-1', 'right')
  const reasonOf = { never: /no run of it/, old: /too old/, other: /none of its runs was on shop 1\.2\.3/, mixed: /1\.2\.2 and 1\.2\.3/, failed: /failed-1 failed/, inconclusive: /was inconclusive/, twice: /twice-2 failed/ }
  for (const [require, reason] of Object.entries(reasonOf)) {
    for (const [answer, status] of [[await check({ require }), 200], [await flagger({ require }), 409]] as const) {
      assert.deepEqual([answer.status, answer.passed, answer.decision], [status, false, 'block'], require)
      assert.match(answer.reasons.join('\n'), reason)
    }
  }
  for (const answer of [await check({ require: 'right' }), await flagger({ require: 'right', within: '1h' }), await check({ require: 'right', app: 'jewelry/shop' }), await check({ require: `right@${experimentIdentity(quietExperiment('right'))}` })]) {
    assert.deepEqual([answer.status, answer.passed, answer.decision, answer.reasons], [200, true, 'pass', []])
  }
  assert.match((await check({ require: 'right,failed' })).reasons.join(), /^failed: /)
  assert.match((await check({ require: `right@${experimentIdentity(quietExperiment('right', { hold: '61s' }))}` })).reasons.join(), /another experiment under this name/)
})

test('a run whose submitter said what is tested has that on record from its begin to its end, by the scheduler itself', async () => {
  const body = JSON.stringify({ experiment: quietExperiment('declared'), run: 'declared-1', services: [{ namespace: '', app: 'till', version: '7' }] })
  const submitted = await fetch(`${scheduler.url}/api/v1/runs`, { method: 'POST', headers: { authorization: `Bearer ${scheduler.token}`, 'content-type': 'application/json' }, body })
  assert.equal(submitted.status, 202)
  const till = () => check({ app: 'till', version: '7', require: 'declared' })
  assert.match((await till()).reasons.join(), /declared-1 has no verdict: it is under way/)
  await using facts = scheduler.bus.follow({ run: 'declared-1', types: ['run.phase', 'run.services', 'run.sealed'] })
  for await (const next of facts) {
    if (next.is !== 'fact') continue
    const { stored } = next
    if (stored.kind === 'run.services' && stored.fact.data.when === 'begin') await fetch(`${scheduler.url}/api/v1/runs/declared-1/abort`, { method: 'POST', headers: { authorization: `Bearer ${scheduler.token}` } })
    if (stored.kind === 'run.services' && stored.fact.data.when === 'end') break
  }
  await scheduler.evaluator.write('declared-1', 'run.judged', { verdict: 'passed', reasons: [], revertUnconfirmed: false })
  assert.deepEqual(await till().then(({ status, passed, reasons }) => ({ status, passed, reasons })), { status: 200, passed: true, reasons: [] })
})

test('where the question names no experiment, the operator\'s file says what is required, and without one it blocks', async () => {
  assert.match((await check({})).reasons.join('\n'), /no experiment is required.*\n.*shop\.yaml in the folder of requirements/)
  writeFileSync(join(folder, 'shop.yaml'), '- right\n')
  assert.equal((await check({})).passed, true)
  assert.equal((await flagger({})).status, 200)
  writeFileSync(join(folder, 'shop.yaml'), stringify(quietExperiment('right')))
  assert.equal((await check({})).passed, true)
  writeFileSync(join(folder, 'shop.yaml'), stringify(quietExperiment('right', { gates: [{ name: 'one', promql: { query: 'vector(1)', max: 1 } }] })))
  assert.match((await check({})).reasons.join(), /another experiment under this name/)
})

test('a scheduler that trusts a key lets a version out only on verdicts that this key has signed', async () => {
  const [signer, stranger] = [signerOf(newSigningKey().seed), signerOf(newSigningKey().seed)]
  await using strict = await startReleaseScheduler({ requirementsFolder: folder, trustedKeys: [signer.publicKey] })
  await strict.record('bare-1', 'bare')
  await strict.record('strange-1', 'strange', { signer: stranger })
  await strict.record('signed-1', 'signed', { signer })
  const reasons = async (require: string) => {
    const response = await fetch(`${strict.url}/api/v1/release-check?app=shop&version=1.2.3&require=${require}`, { headers: { authorization: `Bearer ${strict.releaseToken}` } })
    return decision.parse(await response.json()).reasons.join()
  }
  assert.match(await reasons('bare'), /^bare: the verdict on bare-1 is not signed/)
  assert.match(await reasons('strange'), /^strange: the verdict on strange-1 is signed by U\w+, which is not trusted: run it again, or /)
  assert.equal(await reasons('signed'), '')
})

test('its token opens the release checks and nothing else, as a bearer\'s or as the password in a URL; the metrics\' does not', async () => {
  const path = '/api/v1/release-check?app=shop&version=1.2.3&require=right'
  const login = (password: string) => `Basic ${Buffer.from(`release:${password}`).toString('base64')}`
  for (const authorization of [`Bearer ${scheduler.releaseToken}`, `Bearer ${scheduler.token}`, login(scheduler.releaseToken)]) assert.equal((await ask(path, { authorization })).status, 200, authorization)
  for (const [authorization, refused] of [['', 401], ['Bearer metrics-token', 403], ['Bearer release-toke', 401], [login(scheduler.token), 401], [login(''), 401]] as const) {
    const { status, passed } = await ask(path, { authorization })
    assert.deepEqual([status, passed], [refused, false], authorization)
  }
  for (const [method, closed] of [['GET', '/api/v1/runs'], ['POST', '/api/v1/runs'], ['POST', '/api/v1/abort'], ['GET', '/metrics']] as const) {
    assert.equal((await fetch(scheduler.url + closed, { method, headers: { authorization: `Bearer ${scheduler.releaseToken}` } })).status, 403, closed)
  }
})

test('what could be misread is 400 and does not pass', async () => {
  for (const query of ['', 'app=shop', 'version=1', 'app=shop&version=1&requires=a', 'app=shop&version=1&within=1d', 'app=shop&version=1&require=A', 'app=a&app=b&version=1&require=a']) {
    const { status, passed, error } = await ask(`/api/v1/release-check?${query}`)
    assert.deepEqual([status, passed, error], [400, false, 'not a release check'], query)
  }
  for (const body of [{}, [], { metadata: null }, { metadata: { app: 'shop' } }, { metadata: { app: 'shop', version: '1', requires: 'a' } }]) assert.equal((await ask('/api/v1/release-check/flagger', { body })).status, 400, JSON.stringify(body))
})

async function faultline(...args: string[]) {
  return await runFaultline(['release-check', '--app', 'shop', '--version', '1.2.3', ...args], { temporary: folder })
}

test('the command asks a scheduler, and ends with 0 only when it passes; what it writes says the same', async () => {
  const [tokenFile, junit, markdown, file] = ['token', 'junit.xml', 'release.md', 'right.yaml'].map(name => join(folder, name)) as [string, string, string, string]
  writeFileSync(tokenFile, `${scheduler.releaseToken}\n`)
  writeFileSync(file, stringify(quietExperiment('right')))
  const asked = ['--url', scheduler.url, '--token-file', tokenFile]
  const passed = await faultline(...asked, '--from', file, '--junit', junit, '--markdown', markdown)
  assert.equal(passed.code, 0, passed.err)
  assert.match(passed.out, /^pass {2}shop 1\.2\.3 may go out: .*\n {2}pass {3}right {2}right-1 passed on shop 1\.2\.3/)
  assert.doesNotMatch(readFileSync(junit, 'utf8'), /<failure|<error/)
  const blocked = await faultline(...asked, '--require', 'right', 'failed', '--junit', junit, '--markdown', markdown, '--json')
  assert.equal(blocked.code, 1, blocked.err)
  assert.deepEqual(decision.parse(JSON.parse(blocked.out)).reasons, ['failed: failed-1 failed: failed'])
  assert.match(readFileSync(junit, 'utf8'), /<failure/)
  assert.match(readFileSync(markdown, 'utf8'), /⛔ shop 1\.2\.3 must not go out/)
  writeFileSync(tokenFile, 'wrong')
  assert.deepEqual(await faultline(...asked, '--require', 'right').then(({ code, err }) => [code, /refused \(401\)/.test(err)]), [3, true])
  assert.deepEqual(await faultline('--url', scheduler.url, '--require', 'right').then(({ code, err }) => [code, /--url needs a token/.test(err)]), [3, true])
  assert.deepEqual(await faultline(...asked, '--require', 'Right').then(({ code, err }) => [code, /--require: expected names of experiments/.test(err)]), [3, true])
})

test('the command reads results folders of this machine, and blocks on one that does not replay', async () => {
  const results = join(folder, 'results')
  const file = join(folder, 'scripted.yaml')
  writeFileSync(file, stringify(recordedExperiment))
  const run = await writeResults(results, { run: 'scripted-1' })
  const local = ['--results', results, '--from', file]
  assert.deepEqual(await faultline(...local).then(({ code, err }) => [code, err]), [0, ''])
  assert.equal((await faultline(...local, '--within', '1s')).code, 1)
  const unwritten = await faultline(...local, '--junit', join(folder, 'nowhere', 'junit.xml')) // it passes, and who reads the report would not know
  assert.equal(unwritten.code, 3)
  assert.match(unwritten.out, /^pass /m)
  assert.match(unwritten.err, /^ReleaseOptionInvalid: --junit .* cannot be written: ENOENT/)
  const { code, out } = await faultline(...local, '--require', 'another')
  assert.equal(code, 1)
  assert.match(out, /block {2}another {3}no run of it is on record/)
  writeFileSync(join(run, 'verdict.json'), '{"verdict":"passed"}')
  assert.match((await faultline(...local)).out, /does not give its verdict\.json/)
  assert.deepEqual(await faultline('--results', results).then(found => [found.code, /nothing is required/.test(found.err)]), [3, true])
  assert.equal((await faultline('--results', join(folder, 'nowhere'), '--require', 'a')).code, 3)
})

test('while NATS says nothing, and nobody has noticed yet, the record cannot be read: 503', async () => {
  scheduler.nats.pause()
  try {
    const { status, passed, error } = await check({ require: 'right' })
    assert.deepEqual([status, passed], [503, false])
    assert.match(error, /the record of runs was not read within 5 s/)
  } finally {
    scheduler.nats.resume()
  }
  await until('the record can be read again', async () => (await check({ require: 'right' })).passed, 20_000)
})

test('a scheduler that is away for a moment is asked again, and its answer then is what counts, whether it passes or blocks', async () => {
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, scheduler.releaseToken)
  let away = 0
  await using door = await serve((request, response) => { // as an Ingress, whose backend is away for two questions of each command
    if (away++ % 3 < 2) return void response.writeHead(503).end('no endpoints')
    void fetch(scheduler.url + (request.url ?? ''), { headers: { authorization: request.headers.authorization ?? '' } }).then(async answer => response.writeHead(answer.status).end(await answer.text()))
  })
  for (const [required, code] of [['right', 0], ['failed', 1]] as const) {
    const told = await faultline('--url', door.url, '--token-file', tokenFile, '--require', required)
    assert.deepEqual([told.code, told.err], [code, `the scheduler at ${door.url} answered 503: no endpoints\nit is asked again for up to 10 s, and blocks after that\n`])
  }
  assert.equal(away, 6)
})

test('without NATS nothing passes: 503, and the command ends with 4 and says so in its reports; with NATS again it passes again', async () => {
  const [tokenFile, junit] = [join(folder, 'token'), join(folder, 'junit.xml')]
  writeFileSync(tokenFile, scheduler.releaseToken)
  const asked = ['--url', scheduler.url, '--token-file', tokenFile, '--require', 'right', '--junit', junit]
  await until('the command passes', async () => (await faultline(...asked)).code === 0, 20_000) // on a busy machine NATS may be lost once more after it was stopped
  await scheduler.nats.kill()
  await until('the scheduler sees that NATS is gone', async () => (await check({ require: 'right' })).status === 503, 10_000)
  const lost = await flagger({ require: 'right' })
  assert.deepEqual([lost.status, lost.passed], [503, false])
  assert.match(lost.error, /not ready, or has lost NATS/)
  const [unasked, nobody] = await Promise.all([faultline(...asked), faultline('--url', 'http://127.0.0.1:1', '--token-file', tokenFile, '--require', 'right')])
  assert.deepEqual([nobody.code, /does not answer/.test(nobody.err)], [4, true])
  assert.equal(unasked.code, 4)
  assert.match(unasked.err, /answered 503.*\nit is asked again for up to 10 s, and blocks after that\n.*answered 503/)
  assert.match(unasked.out, /^block {2}shop 1\.2\.3 must not go out\n {2}block {2}nobody could be asked/)
  assert.match(readFileSync(junit, 'utf8'), /<failure/)
  await scheduler.nats.restart()
  await until('the record can be read again', async () => (await check({ require: 'right' })).passed, 20_000)
})

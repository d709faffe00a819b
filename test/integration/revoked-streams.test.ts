import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { openRotatingFile } from '#shared/rotating-file.ts'
import type { Role } from '../../services/scheduler/roles.ts'
import { parseTokensFile, printToken } from '../../services/scheduler/tokens-file.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startNats } from '../parts/nats.ts'
import { serveScheduler } from '../parts/served-scheduler.ts'

const log = pino({ level: 'silent' })
/** The file is looked at within a second, and streams ask within another; with time to spare for a busy machine. */
const withinMs = 6_000
const experiment = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'waits' },
  faults: [{ kind: 'pause', target: { process: { match: 'worker' } }, at: '60s', duration: '1s' }],
  gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }],
}

type People = Record<string, Role>

/** A scheduler over HTTP with a run under way, whose tokens come from a file. */
async function stage(people: People) {
  await using made = new AsyncDisposableStack()
  const nats = made.use(await startNats())
  const folder = made.use(temporaryFolder('revoked-streams'))
  const file = join(folder.path, 'tokens')
  const tokens = (now: People) => { // as Kubernetes does: another file from one moment to the next
    writeFileSync(`${file}.new`, Object.entries(now).map(([name, role]) => printToken({ name, role, hash: createHash('sha256').update(`token-of-${name}`).digest() })).join('\n'))
    renameSync(`${file}.new`, file)
  }
  tokens(people)
  let apiToken = 'the-shared-token'
  const { scheduler, url } = made.use(await serveScheduler(nats, { token: () => apiToken, moreTokens: openRotatingFile({ path: file, read: parseTokensFile, absent: [], log }) }))
  const run = await scheduler.submit(experiment)
  const owned = made.move()
  return {
    tokens, scheduler, run,
    rotate: (token: string) => { apiToken = token },
    /** Open, with its first event read. */
    async stream(path: string, token: string): Promise<Stream> {
      const response = await fetch(url + path.replace(':run', run), { headers: { authorization: `Bearer ${token}` } })
      assert.equal(response.status, 200, path)
      const reader = response.body?.getReader()
      assert.ok(reader)
      owned.defer(() => reader.cancel().catch(() => undefined)) // one that was cut has nothing left to cancel
      assert.equal((await reader.read()).done, false)
      return { path, reader }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

interface Stream { path: string; reader: ReadableStreamDefaultReader<Uint8Array> }

const streams = ['/api/v1/events', '/api/v1/runs/:run/events', '/api/v1/runs/:run/live']

/** Reads until it is over, however it ends; fails when it is not in time. */
async function ends({ path, reader }: Stream): Promise<number> {
  const beganMs = performance.now()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new assert.AssertionError({ message: `${path} is still open after ${withinMs} ms` })), withinMs)
  const reading = (async () => {
    for (;;) if ((await reader.read()).done) return
  })().catch(() => undefined)
  await Promise.race([reading, late.promise]).finally(() => clearTimeout(timer))
  return performance.now() - beganMs
}

/** It hears of what happens next, and so is open. */
async function hears({ reader }: Stream, what: string): Promise<void> {
  const decoder = new TextDecoder()
  let heard = ''
  while (!heard.includes(what)) {
    const { value, done } = await reader.read()
    assert.equal(done, false, `the stream ended before it told of ${what}`)
    heard += decoder.decode(value, { stream: true })
  }
}

test('when a token is taken out of the tokens file, every stream that it has opened ends within seconds; those of others go on', async t => {
  await using here = await stage({ vera: 'viewer', otto: 'viewer' })
  const [revoked, kept] = [[] as Stream[], [] as Stream[]]
  for (const path of streams) {
    revoked.push(await here.stream(path, 'token-of-vera'))
    kept.push(await here.stream(path, 'token-of-otto'))
  }
  here.tokens({ otto: 'viewer' })
  const tookMs = await Promise.all(revoked.map(ends))
  t.diagnostic(`they ended after ${tookMs.map(Math.round).join(', ')} ms`)
  assert.equal(await here.scheduler.abort(here.run, 'otto'), true)
  for (const stream of kept) await hears(stream, 'aborted by otto')
})

test('when api.token is another, a stream that the one before has opened ends; one by the new one does not', async () => {
  await using here = await stage({})
  const old = await here.stream('/api/v1/runs/:run/events', 'the-shared-token')
  here.rotate('the-next-token')
  const next = await here.stream('/api/v1/runs/:run/events', 'the-next-token')
  await ends(old)
  assert.equal(await here.scheduler.abort(here.run, 'otto'), true)
  await hears(next, 'aborted by otto')
})

test('when a token is of a lesser role, what its role opens no more ends', async () => {
  await using here = await stage({ vera: 'viewer', otto: 'operator' })
  const [demoted, enough] = [await here.stream('/api/v1/events', 'token-of-vera'), await here.stream('/api/v1/events', 'token-of-otto')]
  here.tokens({ vera: 'metrics', otto: 'viewer' })
  await ends(demoted)
  assert.equal(await here.scheduler.abort(here.run, 'otto'), true)
  await hears(enough, 'aborted by otto')
})

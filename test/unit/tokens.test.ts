import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { SettingInvalid } from '#shared/config.ts'
import { openRotatingFile } from '#shared/rotating-file.ts'
import { makeToken } from '../../services/cli/token.ts'
import { RequestRate } from '../../services/scheduler/request-rate.ts'
import { opens, roles } from '../../services/scheduler/roles.ts'
import { parseTokensFile, type HashedToken } from '../../services/scheduler/tokens-file.ts'
import { knownTokens } from '../../services/scheduler/tokens.ts'

const hashOf = (token: string) => createHash('sha256').update(token).digest('hex')
const login = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

/** A file that is looked at by a clock of the test's own. */
function rotating(use: (file: { path: string; write(text: string): void; nextSecond(): void; options: Pick<Parameters<typeof openRotatingFile>[0], 'path' | 'log' | 'nowMs'>; errors: string[] }) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'tokens-'))
  const path = join(folder, 'tokens')
  const errors: string[] = []
  let nowMs = 0
  try {
    use({
      path, errors,
      write(text) { // as Kubernetes does: what the link leads to is another file from one moment to the next
        const version = join(folder, `version-${Math.random()}`)
        writeFileSync(version, text)
        symlinkSync(version, `${path}.new`)
        renameSync(`${path}.new`, path)
      },
      nextSecond: () => { nowMs += 1_000 },
      options: { path, nowMs: () => nowMs, log: { info: () => undefined, error: (fields: unknown) => void errors.push(JSON.stringify(fields)) } },
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('a viewer reads, an operator may that too, an admin all; metrics and release open themselves alone', () => {
  const opened = Object.fromEntries(roles.map(role => [role, roles.filter(needed => opens(role, needed))]))
  assert.deepEqual(opened, {
    metrics: ['metrics'], release: ['release'],
    viewer: ['metrics', 'release', 'viewer'], operator: ['metrics', 'release', 'viewer', 'operator'], admin: ['metrics', 'release', 'viewer', 'operator', 'admin'],
  })
})

test('a token is known by its hash, as what its line says, and another opens nothing', () => {
  const read = parseTokensFile(`# people\nalice:operator:${hashOf('a-token')}  # on call\n\n bob : viewer : ${hashOf('b-token').toUpperCase()}\n`)
  assert.ok('content' in read)
  const tokens = knownTokens({ api: 'api', metrics: 'm', release: 'r', more: () => read.content })
  const found = ['a-token', 'b-token', 'api', 'm', 'r'].map(token => tokens.callerOf(`Bearer ${token}`))
  assert.deepEqual(found, [['alice', 'operator'], ['bob', 'viewer'], ['api.token', 'admin'], ['metrics.token', 'metrics'], ['release.token', 'release']].map(([name, role]) => ({ name, role })))
  for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Bearer a-toke', 'Bearer a-token2', 'bearer a-token', 'a-token', `Bearer ${hashOf('a-token')}`, 'Bearer undefined', 'Bearer  api']) assert.equal(tokens.callerOf(header), undefined, header)
})

test('as the password of a login, a token opens release checks and nothing else', () => {
  const tokens = knownTokens({ api: 'api', release: 't0ken', more: () => [{ name: 'ci', role: 'release', hash: Buffer.from(hashOf('b:c'), 'hex') }] })
  assert.deepEqual([login('release:t0ken'), login(':t0ken'), login('a:b:c')].map(header => tokens.callerOf(header)?.name), ['release.token', 'release.token', 'ci'])
  for (const header of ['Basic', login('t0ken'), login('t0ken:'), login('x:t0ke'), login('x:t0ken2'), login('x:api'), 'Basic !!!', login('x:'), login('x:undefined')]) assert.equal(tokens.callerOf(header), undefined, header)
  assert.equal(knownTokens({ api: '', release: undefined }).callerOf(login('x:')), undefined)
  assert.equal(knownTokens({ api: '' }).callerOf('Bearer '), undefined)
})

test('a line that is wrong has the whole file refused, with its place, and without what may be a token by mistake', () => {
  const good = `alice:viewer:${hashOf('a')}`
  const wrong: [line: string, says: RegExp][] = [
    ['alice', /expected NAME:ROLE:SHA-256/], ['alice:viewer', /NAME:ROLE/], ['alice:viewer:my-plain-token', /the SHA-256 of alice's token/], [`alice:root:${hashOf('a')}`, /one of metrics, release, viewer, operator, admin/],
    [`:viewer:${hashOf('a')}`, /a name/], [`api.token:admin:${hashOf('a')}`, /none of a setting/], [`a b:viewer:${hashOf('a')}`, /a name/], [`${good}:x`, /NAME:ROLE/], [`alice:viewer:${hashOf('a').slice(1)}`, /64 hexadecimal/],
    [`alice:constructor:${hashOf('a')}`, /one of metrics/], [`alice:viewer:${hashOf('b')}`, /a second token of the name alice/],
  ]
  for (const [line, says] of wrong) {
    const read = parseTokensFile(`${good}\n${line}\n`)
    assert.ok('problems' in read, line)
    assert.equal(read.problems.length, 1, line)
    assert.match(read.problems[0] ?? '', says)
    assert.match(read.problems[0] ?? '', /^line 2: /)
    assert.doesNotMatch(read.problems.join(), /my-plain-token|[0-9a-f]{60}/)
  }
  assert.ok('problems' in parseTokensFile(Array.from({ length: 1_001 }, (_, index) => `n${index}:viewer:${hashOf(String(index))}`).join('\n')))
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), text => { parseTokensFile(text) }))
})

test('a token that is made is let in by its line, and its line does not tell it', () => {
  const [, token = '', line = ''] = /^token: (\S{43})\nline: {2}(\S+)\n$/.exec(makeToken('alice', 'operator')) ?? []
  const read = parseTokensFile(line)
  assert.ok('content' in read)
  assert.deepEqual(knownTokens({ api: undefined, more: () => read.content }).callerOf(`Bearer ${token}`), { name: 'alice', role: 'operator' })
  assert.equal(line, `alice:operator:${hashOf(token)}`)
  assert.notEqual(makeToken('alice', 'operator'), makeToken('alice', 'operator'))
  for (const [name, role] of [['alice', 'root'], ['a b', 'viewer'], ['#a', 'viewer'], ['a\nb', 'viewer'], ['api.token', 'admin']] as const) assert.throws(() => makeToken(name, role), /expected|begins a comment/, name)
})

test('a tokens file that is replaced counts within a second: who was taken out is nobody, who was put in is let in', () => rotating(({ write, nextSecond, options }) => {
  write(`alice:operator:${hashOf('old')}\n`)
  const tokens = knownTokens({ api: 'api', more: openRotatingFile<readonly HashedToken[]>({ ...options, read: parseTokensFile, absent: [] }) })
  const names = () => ['old', 'new', 'api'].map(token => tokens.callerOf(`Bearer ${token}`)?.name)
  assert.deepEqual(names(), ['alice', undefined, 'api.token'])
  write(`alice:operator:${hashOf('new')}\n`)
  assert.deepEqual(names(), ['alice', undefined, 'api.token'], 'it is not looked at for each request')
  nextSecond()
  assert.deepEqual(names(), [undefined, 'alice', 'api.token'])
  rmSync(options.path)
  nextSecond()
  assert.deepEqual(names(), [undefined, undefined, 'api.token'], 'without the file there are none')
}))

test('a file that has become wrong is told once, and what it held before counts; one that is wrong at the start is refused', () => rotating(({ write, nextSecond, options, errors }) => {
  const open = () => openRotatingFile<readonly HashedToken[]>({ ...options, read: parseTokensFile, absent: [] })
  write(`alice:operator:${hashOf('a')}\n`)
  const current = open()
  write('alice:operator:a-plain-token\n')
  for (let second = 0; second < 3; second += 1) {
    nextSecond()
    assert.deepEqual(current().map(({ name }) => name), ['alice'])
  }
  assert.equal(errors.length, 1)
  assert.doesNotMatch(errors.join(), /a-plain-token/)
  assert.throws(open, (error: unknown) => error instanceof SettingInvalid && /line 1/.test(error.message) && !error.message.includes('a-plain-token'))
  rmSync(options.path)
  assert.deepEqual(open()(), [])
  assert.throws(() => openRotatingFile({ ...options, read: content => ({ content }) }), SettingInvalid)
}))

test('a setting that rotates is asked for each time, and none opens anything while it is empty', () => {
  let value: string | undefined = 'old'
  const tokens = knownTokens({ api: () => value })
  assert.equal(tokens.callerOf('Bearer old')?.role, 'admin')
  value = 'new'
  assert.deepEqual([tokens.callerOf('Bearer old'), tokens.callerOf('Bearer new')?.role], [undefined, 'admin'])
  for (value of ['', undefined]) assert.deepEqual([tokens.callerOf('Bearer '), tokens.callerOf('Bearer new'), tokens.callerOf('Bearer undefined')], [undefined, undefined, undefined])
})

test('whoever asks without end waits, others do not, and memory is bounded', () => {
  const rate = new RequestRate({ burst: 3, everyMs: 100 })
  assert.deepEqual([1, 2, 3, 4, 5].map(() => rate.take('wild', 0)), [0, 0, 0, 100, 100])
  assert.equal(rate.take('calm', 0), 0)
  assert.deepEqual([rate.take('wild', 50), rate.take('wild', 100), rate.take('wild', 100)], [50, 0, 100])
  assert.deepEqual([1, 2, 3, 4].map(() => rate.take('wild', 10_000)), [0, 0, 0, 100], 'what was not asked is not saved up')
  for (let index = 0; index < 5_000; index += 1) rate.take(`n${index}`, 10_001)
  assert.ok(rate.callers <= 1_003, String(rate.callers))
})

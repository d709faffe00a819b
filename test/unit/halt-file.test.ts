import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from '#shared/config.ts'
import { haltFiles, haltPaths, printFoundHalt, removeHaltFile, writeHaltFile } from '#shared/halt-file.ts'
import { ownHaltFile } from '../../services/cli/local/halt-files.ts'
import { missingKeys } from '../../services/cli/install/nats-certificate.ts'
import { temporaryFolder } from '../parts/child.ts'

function inFolder(use: (folder: string) => void): void {
  using folder = temporaryFolder('halt-file')
  use(folder.path)
}

test('a halt is there as soon as one of the files is, and gone with the last; the first word stays', () => inFolder(folder => {
  const [one, other] = [join(folder, 'state', 'halt'), join(folder, 'halt')]
  const find = haltFiles([one, other])
  assert.equal(find(), undefined)
  writeHaltFile(one, 'the release is today')
  writeHaltFile(one, 'something else')
  utimesSync(one, 1_772_359_200, 1_772_359_200)
  const found = find()
  assert.deepEqual(found, { where: `the file ${one}`, why: 'the release is today', sinceMs: 1_772_359_200_000 })
  assert.equal(found && printFoundHalt(found), `halted by the file ${one} since 2026-03-01T10:00:00Z: the release is today`)
  writeFileSync(other, '')
  assert.equal(removeHaltFile(one), true)
  assert.deepEqual([find()?.where, find()?.why], [`the file ${other}`, ''])
  assert.equal(removeHaltFile(other), true)
  assert.equal(removeHaltFile(other), false)
  assert.equal(find(), undefined)
}))

test('whatever is there halts, and only its first line is told: a folder, a pipe, a link to nowhere, binary, a flood', () => inFolder(folder => {
  const at = (name: string) => join(folder, name)
  mkdirSync(at('folder'))
  execFileSync('mkfifo', [at('pipe')])
  symlinkSync(at('nowhere'), at('link'))
  writeFileSync(at('binary'), Buffer.from([0xff, 0x1b, 0x5b, 0x41, 0x0a, 0x42]))
  writeFileSync(at('flood'), 'x'.repeat(1_000_000))
  writeFileSync(at('long'), 'y'.repeat(10_000))
  const whyOf = (name: string) => haltFiles([at(name)])()?.why
  assert.deepEqual(['folder', 'pipe', 'link', 'flood'].map(whyOf), ['', '', '', ''])
  assert.equal(whyOf('binary'), '\ufffd [A')
  assert.equal(whyOf('long')?.length, 500)
  assert.equal(haltFiles([join(at('binary'), 'below-a-file')])(), undefined)
}))

test('the files are the settings\' and, for local sessions, one below the user\'s state folder', () => {
  assert.deepEqual(haltPaths(readConfig({})), ['/var/lib/faultline/halt'])
  assert.deepEqual(haltPaths(readConfig({ FAULTLINE_HALT_FILES: '/a/halt, /b/halt,' })), ['/a/halt', '/b/halt'])
  assert.equal(ownHaltFile({ XDG_STATE_HOME: '/state' }), '/state/faultline/halt')
  assert.match(ownHaltFile({}), /\/\.local\/state\/faultline\/halt$/)
})

test('every pod that acts has the halt of the cluster mounted, where its settings look for it', () => {
  const manifest = (path: string) => readFileSync(new URL(`../../k8s/base/${path}`, import.meta.url), 'utf8')
  const [, files = ''] = /^FAULTLINE_HALT_FILES=(.*)$/m.exec(manifest('settings.env')) ?? []
  assert.ok(files.split(',').includes('/etc/faultline/halt/halt'))
  for (const pod of ['injector', 'cluster-agent', 'locust-bridge', 'scheduler']) {
    assert.match(manifest(`${pod}.yaml`), /- \{ name: halt, mountPath: \/etc\/faultline\/halt, readOnly: true \}/, pod)
    assert.match(manifest(`${pod}.yaml`), /- \{ name: halt, configMap: \{ name: faultline-halt, optional: true \} \}/, pod)
  }
})

test('an installation with TLS wants all three parts of its certificate', () => {
  assert.deepEqual(missingKeys(''), ['tls.crt', 'tls.key', 'ca.crt'])
  assert.deepEqual(missingKeys(JSON.stringify({ data: { 'tls.crt': 'x', 'tls.key': '' } })), ['tls.key', 'ca.crt'])
  assert.deepEqual(missingKeys(JSON.stringify({ data: { 'tls.crt': 'x', 'tls.key': 'x', 'ca.crt': 'x' } })), [])
})

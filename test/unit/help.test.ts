import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const main = fileURLToPath(new URL('../../services/cli/main.ts', import.meta.url))
/** On one line, however wide the help was made. */
const help = async (command: string): Promise<string> => (await promisify(execFile)(process.execPath, [main, command, '--help'])).stdout.replaceAll(/\s+/g, ' ')

test('the help of a command that judges names its exit codes', async () => {
  for (const command of ['run', 'gate']) assert.match(await help(command), /Exit codes: 0 passed, 1 failed, 2 inconclusive, 3 invalid input, 4 infrastructure/, command)
  assert.match(await help('replay'), /Exit codes: 0 passed, 1 failed, 2 inconclusive, 3 invalid input, 4 not what verdict\.json says/)
})

test('--within is still taken for --allow, with a note, and is in no help', async () => {
  const experiment = fileURLToPath(new URL('../../k8s/experiments/local/database-pause.yaml', import.meta.url))
  for (const command of ['plan', 'run']) {
    const { stderr } = await promisify(execFile)(process.execPath, [main, command, experiment, '--within', 'database=none']).then(() => assert.fail('it began'), (error: { stderr: string }) => error)
    assert.match(stderr, /^note: --within is called --allow by now\nBadParent: --allow database=none: expected the PID/, command)
    assert.match(await help(command), /--allow <pid\.\.\.> opt in/)
    assert.doesNotMatch(await help(command), /--within/)
  }
})

test('the help of the whole has every command once, under a heading, what one begins with first', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [main, '--help'])
  const files = readdirSync(join(main, '../command-line')).map(name => readFileSync(join(main, '../command-line', name), 'utf8'))
  const defined = files.flatMap(text => [...text.matchAll(/program\.command\('([^']+)'\)/g)].map(([, name = '']) => name))
  const shown = [...stdout.matchAll(/^ {2}([a-z-]+)(?: |\||$)/gm)].map(([, name]) => name)
  assert.deepEqual(new Set(shown), new Set([...defined, 'faults', 'gates', 'probes', 'steps']))
  assert.equal(new Set(shown).size, shown.length)
  assert.deepEqual([...stdout.matchAll(/^[A-Z].*:$/gm)].map(([heading]) => heading), [
    'Options:', 'To begin:', 'Experiments:', 'Continuous chaos:', 'What runs have shown:', 'How much evidence it takes:', 'Catalogues:', 'Operation:',
  ])
})

test('a file that an option has taken, which may have several values, is told as that', async () => {
  const told = (...args: string[]) => promisify(execFile)(process.execPath, [main, ...args]).then(() => assert.fail('it began'), (error: { stderr: string }) => error.stderr)
  assert.match(await told('plan', '--allow', 'web=1', 'experiment.yaml'), /missing required argument 'file'[^]*\n\(--allow takes every word after it: name the file before it\)\n$/)
  for (const args of [['plan'], ['plan', '--allow', 'web=1'], ['plan', '--allow', 'web=1', '--json']]) assert.doesNotMatch(await told(...args), /takes every word/, args.join(' '))
})

test('a mistake in a command line leads to the help of that command', async () => {
  const mistake = async (...args: string[]) => promisify(execFile)(process.execPath, [main, ...args]).then(() => assert.fail('it was taken'), (error: unknown) => String(error))
  assert.match(await mistake('run', 'x.yaml', '--foo'), /unknown option '--foo'\n\(faultline run --help shows how it is used\)/)
  assert.match(await mistake('policy', 'preview'), /missing required argument 'file'\n\(faultline policy preview --help shows how it is used\)/)
  assert.match(await mistake('runn'), /unknown command 'runn'\n\(Did you mean run\?\)\n\(faultline --help shows what there is\)/)
})

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
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
    assert.match(stderr, /^note: --within is called --allow by now\nBadParent: --allow database=none: no such process/, command)
    assert.match(await help(command), /--allow <pid\.\.\.> opt in/)
    assert.doesNotMatch(await help(command), /--within/)
  }
})

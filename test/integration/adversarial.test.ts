import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { maxFileBytes } from '#shared/experiment-file.ts'
import { adversarialFiles, soundText } from '../corpus/experiments/mutations.ts'
import { startValidatingWorker } from '../parts/validating-worker.ts'

const withinMs = 2_000
/** Until one is taken for endless: a command has to start before, and this machine may be busy. */
const givenUpAfterMs = 30_000
const files = adversarialFiles(maxFileBytes)

test('there are at least 200 adversarial files, each under a name of its own', () => {
  assert.ok(files.length >= 200, `${files.length}`)
  assert.equal(new Set(files.map(({ name }) => name)).size, files.length)
})

test('each adversarial file alone is refused within two seconds, with a place and what was expected', async () => {
  await using folder = await folderOf(files)
  await using worker = await startValidatingWorker()
  let slowest = { name: '', tookMs: 0 }
  for (const { name } of files) {
    const { exitCode, output, tookMs } = await worker.validate(join(folder.path, name), givenUpAfterMs).catch((error: unknown) => assert.fail(`${name} has no answer: ${String(error)}`))
    assert.equal(exitCode, 3, `${name}: ${output}`)
    assert.ok(tookMs < withinMs, `${name} took ${Math.round(tookMs)} ms`)
    assert.match(output, /:\d+:\d+.*: expected /, name)
    assert.doesNotMatch(output, /[^\P{Cc}\n]/u, `${name}: control characters reach the terminal`)
    if (tookMs > slowest.tookMs) slowest = { name, tookMs }
  }
  console.log(`${files.length} files; slowest ${slowest.name} with ${Math.round(slowest.tookMs)} ms`)
})

test('the command line refuses adversarial files with exit code 3 and leaves nothing behind', async () => {
  await using folder = await folderOf(files)
  const paths = files.map(({ name }) => join(folder.path, name))
  const all = await faultlineValidate(paths, folder.home, 60_000)
  assert.equal(all.exitCode, 3, all.stderr)
  for (const { name } of files) assert.ok(all.stdout.includes(`${name}:`), `${name} is not in the output`)

  const sample = paths.filter((_, index) => index % 40 === 0)
  for (const path of sample) {
    const { exitCode, stderr } = await faultlineValidate([path], folder.home, givenUpAfterMs)
    assert.equal(exitCode, 3, `${path}: ${stderr}`)
  }
  assert.deepEqual(await readdir(folder.home), [])
})

test('the command line accepts the sound experiment that the mutations come from, and one bad file beside it makes it 3', async () => {
  await using folder = await folderOf([{ name: 'sound.yaml', bytes: Buffer.from(soundText) }, { name: 'bad.yaml', bytes: Buffer.from('a: b') }])
  const sound = join(folder.path, 'sound.yaml')
  const accepted = await faultlineValidate([sound], folder.home, givenUpAfterMs)
  assert.equal(accepted.exitCode, 0, accepted.stdout + accepted.stderr)
  assert.equal((await faultlineValidate([sound, join(folder.path, 'bad.yaml')], folder.home, givenUpAfterMs)).exitCode, 3)
})

async function folderOf(content: readonly { name: string; bytes: Uint8Array }[]) {
  const root = await mkdtemp(join(tmpdir(), 'faultline-adversarial-'))
  const path = join(root, 'files')
  const home = join(root, 'home')
  await mkdir(path)
  await mkdir(home)
  for (const { name, bytes } of content) await writeFile(join(path, name), bytes)
  return { path, home, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}

/** `home` is the command's home, temporary folder and working directory at once: what it starts would show there. */
function faultlineValidate(paths: string[], home: string, timeoutMs: number): Promise<{ exitCode: number | undefined; stdout: string; stderr: string }> {
  const env = { PATH: process.env['PATH'], HOME: home, TMPDIR: home }
  return new Promise(resolve => {
    const options = { cwd: home, env, timeout: timeoutMs, killSignal: 'SIGKILL' as const, maxBuffer: 64 * 1024 * 1024 }
    const child = execFile(process.execPath, [...command, ...paths], options, (_error, stdout, stderr) => {
      resolve({ exitCode: child.exitCode ?? undefined, stdout, stderr })
    })
  })
}

const fileIn = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const command = existsSync(fileIn('services/cli/main.ts')) ? [fileIn('services/cli/faultline.mjs'), 'validate'] : ['--input-type=module', '-e', `
  const { validate } = await import(${JSON.stringify(fileIn('services/cli/validate.ts'))})
  const { exitCode, output } = await validate(process.argv.slice(1), { json: false })
  console.log(output)
  process.exitCode = exitCode`]

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, watch, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { diagnosisSchema } from '../../services/cli/doctor/check.ts'
import { doctor, renderDoctor } from '../../services/cli/doctor.ts'
import { toolPath } from '#shared/tools.mjs'

const checkout = join(import.meta.dirname, '../..')
const setupScript = 'services/cli/setup/setup.mjs'

interface Ended { code: number | null; signal: NodeJS.Signals | null; out: string; err: string }

/** A script in a process and a process group of its own, and how it ended with everything it printed. */
function start(args: readonly string[], { cwd = checkout, env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  const child = spawn(process.execPath, args, { cwd, env: { ...process.env, ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const printed = Promise.all([text(child.stdout), text(child.stderr)])
  const ended = once(child, 'close').then(async (): Promise<Ended> => {
    const [out, err] = await printed
    return { code: child.exitCode, signal: child.signalCode, out, err }
  })
  return { child, ended }
}

const run = (...args: Parameters<typeof start>) => start(...args).ended

/** Names, kinds, sizes and times of everything set-up has made, as far down as it makes things itself. */
function contentsOf(folder: string, depth = 3): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isSymbolicLink()) return [`${path} -> ${readlinkSync(path)}`]
    const { mtimeMs, size } = statSync(path)
    return [`${path} ${size} ${mtimeMs}`, ...(entry.isDirectory() && depth > 0 ? contentsOf(path, depth - 1) : [])]
  }).sort()
}

test('set-up with nothing missing changes nothing and takes less than half a second', async () => {
  const before = contentsOf(join(checkout, '.faultline'))
  const tookMs: number[] = []
  for (let time = 0; time < 3 || (time < 10 && Math.min(...tookMs) >= 500); time++) { // this machine may be busy
    const startedMs = performance.now()
    const { code, out, err } = await run([setupScript])
    tookMs.push(performance.now() - startedMs)
    assert.deepEqual({ code, err }, { code: 0, err: '' })
    assert.doesNotMatch(out, /…/, 'a step had something to do')
  }
  assert.deepEqual(contentsOf(join(checkout, '.faultline')), before)
  assert.ok(Math.min(...tookMs) < 500, `took ${tookMs.map(Math.round).join(', ')} ms`)
})

/**
 * A checkout of set-up alone, whose only missing part is a Python environment with nothing in it: cheap, and long enough to
 * be killed in the middle.
 */
async function smallCheckout() {
  const folder = await mkdtempDisposable(join(tmpdir(), 'faultline-checkout-'))
  const write = (path: string, content: string) => {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true })
    writeFileSync(join(folder.path, path), content)
  }
  cpSync(join(checkout, 'services/cli/setup'), join(folder.path, 'services/cli/setup'), { recursive: true })
  for (const file of ['services/cli/faultline.mjs', 'shared/checkout.mjs', 'shared/tools.mjs']) cpSync(join(checkout, file), join(folder.path, file))
  write('package.json', '{"name":"small","type":"module","imports":{"#shared/*":"./shared/*"}}')
  write('package-lock.json', '{"packages":{}}')
  write('node_modules/.package-lock.json', '{"packages":{}}')
  mkdirSync(join(folder.path, 'node_modules/.bin'))
  for (const part of ['k8s/shop', 'k8s/locust', 'services/cli/setup']) write(`${part}/requirements.txt`, '')
  const tools = ['nats-server', 'locust', 'prometheus', 'promtool', 'postgres', 'initdb', 'pg_ctl', 'redis-server', 'redis-cli', 'nft', 'chromium']
  const env = Object.fromEntries(tools.map(tool => [`FAULTLINE_${tool.toUpperCase().replaceAll('-', '_')}_BIN`, toolPath(tool)]))
  return { path: folder.path, env, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
}

/** The first name with a prefix that appears in a folder, while set-up runs. */
async function appearance(folder: string, prefix: string, ended: Promise<Ended>): Promise<string> {
  const watcher = watch(folder)
  try {
    for (;;) {
      const name = readdirSync(folder).find(name => name.startsWith(prefix))
      if (name) return name
      const end = await Promise.race([once(watcher, 'change').then(() => undefined), ended])
      if (end) assert.fail(`set-up ended before ${prefix} was there: ${end.out}${end.err}`)
    }
  } finally {
    watcher.close()
  }
}

/** A Python environment that has its interpreter and does not have its packages: `python -m venv` is at work in it. */
async function halfMade(path: string, ended: Promise<Ended>): Promise<string> {
  const folder = join(path, '.faultline')
  mkdirSync(folder, { recursive: true })
  const environment = join(folder, await appearance(folder, 'venv-', ended))
  await appearance(environment, 'pyvenv.cfg', ended)
  return environment
}

function assertWorkingEnvironment(path: string) {
  assert.ok(existsSync(join(path, '.faultline/venv/bin/pip')))
  assert.ok(existsSync(join(path, '.faultline/venv/.made-from')))
}

test('set-up that was killed in the middle does the rest when it is repeated', async () => {
  await using small = await smallCheckout()
  const killed = start([setupScript], { cwd: small.path, env: small.env })
  const half = await halfMade(small.path, killed.ended)
  killed.child.kill('SIGKILL')
  assert.equal((await killed.ended).signal, 'SIGKILL')
  assert.ok(!existsSync(join(half, '.made-from')), 'it was killed too late to be in the middle')

  const { code, out } = await run([setupScript], { cwd: small.path, env: small.env })
  assert.equal(code, 0, out)
  assert.match(out, /^setup: waiting/, 'what the killed one had started was still at work')
  assertWorkingEnvironment(small.path)
})

test('set-up that is interrupted ends at once, with everything it had started', async () => {
  await using small = await smallCheckout()
  const interrupted = start([setupScript], { cwd: small.path, env: small.env })
  await halfMade(small.path, interrupted.ended)
  interrupted.child.kill('SIGINT')
  assert.equal((await interrupted.ended).signal, 'SIGINT')

  const { code, out } = await run([setupScript], { cwd: small.path, env: small.env })
  assert.equal(code, 0, out)
  assert.doesNotMatch(out, /^setup: waiting/, 'something of the interrupted one was still at work')
  assertWorkingEnvironment(small.path)
})

test('of two set-ups at once, one does the work and the other finds it done', async () => {
  await using small = await smallCheckout()
  const both = await Promise.all([run([setupScript], { cwd: small.path, env: small.env }), run([setupScript], { cwd: small.path, env: small.env })])
  assert.deepEqual(both.map(({ code }) => code), [0, 0], both.map(({ out }) => out).join('\n\n'))
  assert.equal(both.filter(({ out }) => /^Python environment\s+…/m.test(out)).length, 1)
  assertWorkingEnvironment(small.path)
})

test('a checkout that is set up', async t => {
  await using small = await smallCheckout()
  const setUp = (env: NodeJS.ProcessEnv = {}) => run([setupScript], { cwd: small.path, env: { ...small.env, ...env } })
  const fresh = await setUp()
  assert.equal(fresh.code, 0, fresh.out)
  const link = join(small.path, '.faultline/venv')
  const first = readlinkSync(link)
  const shopRequirements = join(small.path, 'k8s/shop/requirements.txt')

  await t.test('may lack a part that only tests need', async () => {
    const { code, out, err } = await setUp({ FAULTLINE_NFT_BIN: '/nonexistent/nft' })
    assert.equal(code, 0, out)
    assert.match(out, /^nftables\s+not available/m)
    assert.match(err, /FAULTLINE_NFT_BIN is \/nonexistent\/nft/)
  })

  await t.test('keeps its Python environment when a requirement cannot be had, shows the whole error, tries the rest, and ends with 4', async () => {
    writeFileSync(shopRequirements, 'this is no requirement\n')
    const { code, out, err } = await setUp()
    assert.equal(code, 4)
    assert.match(out, /^Python environment\s+… FAILED/m)
    assert.match(out, /^nftables\s/m)
    assert.match(err, /this is no requirement/)
    assert.equal(readlinkSync(link), first)
  })

  await t.test('gets a new Python environment when a requirement changes', async () => {
    writeFileSync(shopRequirements, '# one more\n')
    const { code, out } = await setUp()
    assert.equal(code, 0, out)
    assert.notEqual(readlinkSync(link), first)
    assertWorkingEnvironment(small.path)
  })
})

test('the command without set-up names the next step in one line and ends with 4', async () => {
  await using small = await smallCheckout()
  await run(['-e', 'require("node:fs").rmSync("node_modules", { recursive: true })'], { cwd: small.path })
  const { code, out, err } = await run(['services/cli/faultline.mjs', '--version'], { cwd: small.path })
  assert.deepEqual({ code, out, err }, { code: 4, out: '', err: 'faultline: not set up yet; run `npm run setup` in the checkout first.\n' })
})

/** A first process that runs `script` in a second one, as the command does on an older node. */
async function twoProcesses(script: string) {
  const folder = await mkdtempDisposable(join(tmpdir(), 'faultline-wrapper-'))
  const [first, second] = [join(folder.path, 'first.mjs'), join(folder.path, 'second.mjs')]
  writeFileSync(second, script)
  writeFileSync(first, `
    import { runInNode } from ${JSON.stringify(join(checkout, 'services/cli/setup/later-node.mjs'))}
    process.exitCode = await runInNode(process.execPath, ${JSON.stringify(second)}, process.argv.slice(2))`)
  return { first, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
}

/** Until the process has printed its next piece of output. */
const nextOutput = async (child: ChildProcess) => String((await once(child.stdout ?? assert.fail(), 'data'))[0])

test('a second node gets the arguments, and its output and exit code are those of the first', async () => {
  await using processes = await twoProcesses('console.log(process.argv.slice(2).join("|")); console.error("oh"); process.exit(3)')
  assert.deepEqual(await run([processes.first, 'run', 'a b.yaml']), { code: 3, signal: null, out: 'run|a b.yaml\n', err: 'oh\n' })
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} to the process group reaches a second node exactly once`, async () => {
    await using processes = await twoProcesses(`
      let times = 0
      process.on('${signal}', () => { times++; console.log('got it') })
      process.on('SIGUSR2', () => process.exit(40 + times))
      setInterval(() => {}, 1000)
      console.log('ready')`)
    const { child, ended } = start([processes.first])
    assert.equal(await nextOutput(child), 'ready\n')
    process.kill(-(child.pid ?? assert.fail()), signal) // as a terminal does: to the whole group
    assert.equal(await nextOutput(child), 'got it\n')
    child.kill('SIGUSR2') // is passed on after whatever was before it
    assert.equal((await ended).code, 41)
  })
}

test('the signal that ended a second node ends the first', async () => {
  await using processes = await twoProcesses('process.kill(process.pid, "SIGKILL")')
  assert.equal((await run([processes.first])).signal, 'SIGKILL')
})

test('a second node sees by its lifeline that the first was killed', async () => {
  await using processes = await twoProcesses(`
    import { Socket } from 'node:net'
    const lifeline = new Socket({ fd: Number(process.env.FAULTLINE_LIFELINE_FD) })
    lifeline.resume().on('close', () => { console.log('alone'); process.exit() })
    console.log('ready')`)
  const { child, ended } = start([processes.first])
  assert.equal(await nextOutput(child), 'ready\n')
  child.kill('SIGKILL')
  assert.equal((await ended).out, 'ready\nalone\n') // ends when the second has closed the output too
})

test('the doctor finds the parts that set-up installed, in the versions it asked for', async () => {
  const { ok, checks } = diagnosisSchema.parse(JSON.parse(JSON.stringify(await doctor())))
  assert.equal(ok, true, renderDoctor(checks))
  const pinned = /nats-server-bin==(\S+)/.exec(readFileSync(join(checkout, 'services/cli/setup/requirements.txt'), 'utf8'))?.[1] ?? assert.fail()
  assert.equal(checks.find(check => check.name === 'nats-server')?.detail, `${pinned}, ${toolPath('nats-server')}`)
  assert.match(checks.find(check => check.name === 'node')?.detail ?? '', new RegExp(`^${process.versions.node}, `))
})

test('the doctor tells of a part that is missing, what needs it, and the next step', async t => {
  process.env['FAULTLINE_NATS_SERVER_BIN'] = '/nonexistent/nats-server'
  t.after(() => { delete process.env['FAULTLINE_NATS_SERVER_BIN'] })
  const { ok, checks } = await doctor()
  assert.equal(ok, false)
  const check = checks.find(({ name }) => name === 'nats-server')
  assert.equal(check?.found, 'missing')
  assert.match(check.detail, /FAULTLINE_NATS_SERVER_BIN/)
  assert.match(check.next ?? '', /npm run setup/)
})

test('every part that is not whole has a next step, and no two checks have one name', async () => {
  const { checks } = await doctor()
  assert.deepEqual(checks.filter(({ found, next }) => found !== 'ok' && !next), [])
  assert.equal(new Set(checks.map(({ name }) => name)).size, checks.length)
})

test('network faults are possible exactly where nft and a network namespace are', async () => {
  const { checks } = await doctor()
  const found = (name: string) => checks.find(check => check.name === name)?.found
  const parts = ['nft', 'network namespaces', 'nft set timeouts'].every(name => found(name) === 'ok')
  assert.equal(found('network faults') !== 'missing', parts)
})

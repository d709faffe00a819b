/** The traps of docs/false-passes.md that take a real Prometheus, a real command or a real kernel to fall into. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { toolPath } from '#shared/tools.mjs'
import { runFaultline } from '../parts/faultline-command.ts'
import { addresses, stage } from '../parts/network-stage.ts'

const needsRoot = { skip: process.getuid?.() !== 0 && 'needs root' }

const judgedSchema = z.looseObject({ verdict: z.string(), gates: z.array(z.looseObject({ name: z.string(), verdict: z.string(), evidence: z.string() })) })
const experiment = (...gates: string[]) => `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: trap}
faults: []
hold: 8s
gates: [${gates.map(query => `{name: gate-${gates.indexOf(query)}, promql: {query: '${query}', max: 1}}`).join(', ')}]
`
const several = 'label_replace(vector(2), "of", "bad", "", "") or label_replace(vector(0), "of", "good", "", "")'

test('what a real Prometheus has no one number for passes no run and no release: nothing, not a number, or several series with the good one last', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'traps-'))
  const [temporary, file] = [join(folder, 'temporary'), join(folder, 'experiment.yaml')]
  mkdirSync(temporary)
  const faultline = async (...args: string[]) => {
    return await runFaultline(args, { temporary })
  }
  const outcome = async (results: string, ...queries: string[]) => {
    writeFileSync(file, experiment(...queries))
    const { code, out, err } = await faultline('run', file, '--tests', 'shop=1.2.3', '--results', join(folder, results), '--json')
    const { verdict, gates } = judgedSchema.parse(JSON.parse(out || '{}'), { error: () => err })
    const released = await faultline('release-check', '--app', 'shop', '--version', '1.2.3', '--require', 'trap', '--results', join(folder, results))
    return { code, verdict, gates, released: released.code, err }
  }
  try {
    const good = await outcome('good', 'vector(0)')
    assert.deepEqual([good.code, good.verdict, good.released], [0, 'passed', 0], good.err)
    const bad = await outcome('bad', 'vector(0)', 'nobody_has_this_metric', 'vector(0) / 0', several)
    assert.deepEqual([bad.code, bad.verdict, bad.released], [2, 'inconclusive', 1], bad.err)
    assert.deepEqual(bad.gates.slice(1).map(({ verdict }) => verdict), ['inconclusive', 'inconclusive', 'inconclusive'])
    for (const [index, reason] of [[1, /empty: no series/], [2, /NaN/], [3, /2 series, not one/]] as const) assert.match(bad.gates[index]?.evidence ?? '', reason)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Whether somebody answers at the target's address. */
const answers = (address: string) => `fetch("http://${address}:8080/", { signal: AbortSignal.timeout(2_000) }).then(() => "yes", () => "no").then(said => { console.log(said); process.exit() })`

test('rules go although the process that they were made for is gone: whoever else is in its network is free again', needsRoot, async () => {
  await using here = await stage()
  const work = await here.inject('network-drop', {})
  // what a crash loop leaves of a pod: its sandbox, and a container that is not there just now
  const sandbox = spawn('nsenter', ['--target', String(here.target), '--net', process.execPath, '--eval', 'require("node:http").createServer((_, answer) => answer.end("here")).listen(8081, () => console.log("listening"))'], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(sandbox.stdout, 'data')
    const inSandbox = (...argv: string[]) => execFileSync('nsenter', ['--target', String(sandbox.pid), '--net', ...argv], { encoding: 'utf8' })
    assert.match(inSandbox(toolPath('nft'), 'list', 'ruleset'), /faultline_/)
    process.kill(here.target, 'SIGKILL')
    while (isAlive(here.target)) await delay(20)
    const asked = answers(addresses.target).replace(':8080', ':8081')
    assert.equal(await here.said(here.peer, asked), 'no', 'the fault outlives its target')
    const seen = await work.undo('command')
    assert.ok(seen.verified, seen.readBack.join('; '))
    assert.equal(inSandbox(toolPath('nft'), 'list', 'ruleset'), '')
    assert.equal(await here.said(here.peer, asked), 'yes')
  } finally {
    sandbox.kill('SIGKILL')
  }
})

test('an undo takes away what is its own: rules and queues of others stay as they were, wherever they were put meanwhile', needsRoot, async () => {
  await using here = await stage()
  const nft = toolPath('nft')
  await here.ofTarget('tc', 'qdisc', 'add', 'dev', 'toPeer', 'root', 'handle', '7:', 'tbf', 'rate', '1gbit', 'burst', '1mb', 'latency', '1s')
  await here.ofTarget(nft, 'add table inet others; add chain inet others in { type filter hook input priority 0; }; add rule inet others in tcp dport 1 drop; add rule inet others in tcp dport 2 drop')
  const work = await here.inject('network-loss', { percent: 50 })
  await here.ofTarget(nft, 'insert rule inet others in tcp dport 3 drop; add table netdev later; add chain netdev later in { type filter hook ingress device toPeer priority 0; }; add rule netdev later in udp dport 4 drop')
  const others = async () => (await here.ofTarget(nft, 'list', 'ruleset')).replaceAll(/table \w+ faultline_[^]*?\n\}\n/g, '')
  const [rules, queues] = [await others(), await here.ofTarget('tc', 'qdisc', 'show')]
  assert.match(rules, /dport 3 drop[^]*dport 1 drop[^]*dport 2 drop[^]*dport 4 drop/)
  assert.ok((await work.undo('command')).verified)
  assert.equal(await here.ofTarget(nft, 'list', 'ruleset'), rules)
  assert.equal(await here.ofTarget('tc', 'qdisc', 'show'), queues)
  assert.match(queues, /qdisc tbf 7: /)
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

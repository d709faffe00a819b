import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { z } from 'zod'
import { runFaultline } from '../parts/faultline-command.ts'
import { startReleaseScheduler, type ReleaseScheduler } from '../parts/release-scheduler.ts'
import { quietExperiment } from '../parts/served-scheduler.ts'

/** The examples in docs/release-gate are asked and run as they stand there; only addresses are those of the test. */
const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (name: string) => readFileSync(join(root, 'docs/release-gate', name), 'utf8')
const inCluster = 'http://scheduler.faultline-system.svc:9646'
const folder = mkdtempSync(join(tmpdir(), 'release-examples-'))
const owned = new AsyncDisposableStack()
let scheduler: ReleaseScheduler

before(async () => {
  owned.defer(() => rmSync(folder, { recursive: true }))
  scheduler = owned.use(await startReleaseScheduler({ requirementsFolder: folder }))
  mkdirSync(join(folder, 'chaos'))
  writeFileSync(join(folder, 'chaos/release.yaml'), ['pod-loss', 'database-failover'].map(name => stringify(quietExperiment(name))).join('---\n'))
  symlinkSync(root, join(folder, 'faultline'))
  await scheduler.record('pod-loss-1', 'pod-loss')
  await scheduler.record('database-failover-1', 'database-failover')
})
after(() => owned.disposeAsync())

const decision = z.looseObject({ passed: z.boolean(), reasons: z.array(z.string()) })

const webMetric = z.object({ spec: z.object({
  args: z.array(z.object({ name: z.string(), value: z.string().optional() })),
  metrics: z.array(z.object({ successCondition: z.literal('result.passed == true'), provider: z.object({ web: z.object({ url: z.string(), headers: z.array(z.object({ key: z.string(), value: z.string() })) }) }) })).length(1),
}) })
const rollout = z.object({ spec: z.object({ template: z.object({ metadata: z.object({ labels: z.record(z.string(), z.string()) }) }), strategy: z.object({ canary: z.object({ steps: z.array(z.looseObject({ analysis: z.object({ args: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })) }).optional() })) }) }) }) })

test('the web metric of Argo Rollouts asks a question that is understood, and its condition holds only when it passes', async () => {
  const [template, using] = parseAllDocuments(read('argo-rollouts-analysis-template.yaml')).map(document => document.toJS() as unknown)
  const { args, metrics: [metric] } = webMetric.parse(template).spec
  const { spec } = rollout.parse(using)
  const given = spec.strategy.canary.steps.flatMap(({ analysis }) => analysis?.args ?? [])
  const version = spec.template.metadata.labels['app.kubernetes.io/version'] ?? ''
  const values: Record<string, string> = {
    ...Object.fromEntries([...args, ...given].flatMap(({ name, value }) => value === undefined ? [] : [[name, value]])), version, 'release-token': scheduler.releaseToken,
  }
  assert.deepEqual(args.map(({ name }) => name).filter(name => !(name in values)), [], 'every argument has a value')
  const ask = async (changed: Record<string, string> = {}) => {
    const fill = (text: string) => text.replaceAll(/\{\{ args\.([a-z-]+) \}\}/g, (_all, name: string) => ({ ...values, ...changed })[name] ?? '')
    const web = metric?.provider.web
    return fetch(fill(web?.url ?? '').replace(inCluster, scheduler.url), { headers: Object.fromEntries((web?.headers ?? []).map(({ key, value }) => [key, fill(value)])) })
  }
  assert.deepEqual(await ask().then(async answer => [answer.status, decision.parse(await answer.json()).passed]), [200, true])
  assert.deepEqual(await ask({ version: '1.2.4' }).then(async answer => [answer.status, decision.parse(await answer.json()).passed]), [200, false])
  assert.equal((await ask({ 'release-token': 'another' })).status, 401)
})

test('Flagger\'s webhook, with the token as a password in its URL, gets 200 or 409', async () => {
  const { metadata: { name, namespace }, spec: { analysis: { webhooks: [webhook] } } } = z.object({
    metadata: z.object({ name: z.string(), namespace: z.string() }),
    spec: z.object({ analysis: z.object({ webhooks: z.array(z.object({ type: z.literal('confirm-rollout'), url: z.string(), metadata: z.record(z.string(), z.string()) })).length(1) }) }),
  }).parse(parse(read('flagger-canary.yaml')))
  const url = new URL((webhook?.url ?? '').replace('${FAULTLINE_RELEASE_TOKEN}', scheduler.releaseToken))
  const authorization = `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}` // as net/http of Go does, which Flagger asks by
  const ask = (metadata: object) => fetch(scheduler.url + url.pathname, {
    method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify({ name, namespace, phase: 'Progressing', checksum: '85d557f47b', metadata: { ...webhook?.metadata, ...metadata } }),
  })
  assert.equal((await ask({})).status, 200)
  const blocked = await ask({ version: '1.2.4' })
  assert.equal(blocked.status, 409)
  assert.match(decision.parse(await blocked.json()).reasons.join(), /none of its runs was on shop 1\.2\.4/)
})

test('the Job runs the command as it is in the image, and ends with its exit code', async () => {
  const { spec: { backoffLimit, template: { spec: { restartPolicy, containers: [container] } } } } = z.object({ spec: z.object({ backoffLimit: z.number(), template: z.object({ spec: z.object({
    restartPolicy: z.string(), containers: z.array(z.object({ args: z.array(z.string()), env: z.array(z.object({ name: z.string() })) })).length(1),
  }) }) }) }).parse(parse(read('kubernetes-job.yaml')))
  assert.deepEqual([backoffLimit, restartPolicy], [0, 'Never'])
  const run = (change: (arg: string) => string) => new Promise<number>(resolve => {
    const args = (container?.args ?? []).map(arg => change(arg.replace(inCluster, scheduler.url)))
    const environment = Object.fromEntries((container?.env ?? []).map(({ name }) => [name, scheduler.releaseToken]))
    execFile(process.execPath, args, { cwd: root, env: { PATH: process.env['PATH'], HOME: folder, ...environment } }, error => resolve(Number(error?.code ?? 0)))
  })
  assert.equal(await run(arg => arg), 0)
  assert.equal(await run(arg => arg === '--version=1.2.3' ? '--version=1.2.4' : arg), 1)
})

/** The shell's own words, in a folder where the code of both repositories is. */
const shell = (script: string, version: string) => new Promise<{ code: number; out: string }>(resolve => {
  const environment = { PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter), HOME: folder, FAULTLINE_URL: scheduler.url, FAULTLINE_RELEASE_TOKEN: scheduler.releaseToken, VERSION: version, CI_COMMIT_TAG: version }
  execFile('bash', ['-e', '-c', script], { cwd: folder, env: environment }, (error, out) => resolve({ code: Number(error?.code ?? 0), out }))
})

test('the steps of GitHub Actions and GitLab end with 0 only when it passes, and leave JUnit and Markdown either way', async () => {
  const { jobs } = z.object({ jobs: z.object({ 'release-check': z.object({ steps: z.array(z.object({ run: z.string().optional() })) }), deploy: z.object({ needs: z.literal('release-check') }) }) }).parse(parse(read('github-actions.yaml')))
  const gitlab = z.object({ 'stages': z.tuple([z.literal('release-check'), z.literal('deploy')]), 'release-check': z.object({ stage: z.literal('release-check'), script: z.array(z.string()).length(1) }), 'deploy': z.object({ stage: z.literal('deploy') }) }).parse(parse(read('gitlab-ci.yaml')))
  const github = jobs['release-check'].steps.flatMap(({ run }) => run?.includes('release-check --url') ? [run] : [])
  for (const script of [...github, ...gitlab['release-check'].script]) {
    const passed = await shell(script, '1.2.3')
    assert.equal(passed.code, 0, passed.out)
    const blocked = await shell(script, '1.2.4')
    assert.equal(blocked.code, 1, blocked.out)
    assert.match(readFileSync(join(folder, 'release-check.xml'), 'utf8'), /<error message="none of its runs was on shop 1\.2\.4/)
    assert.match(readFileSync(join(folder, 'release-check.md'), 'utf8'), /⛔ shop 1\\?\.2\\?\.4 must not go out/)
  }
  assert.equal(github.length, 1)
})

test('every option that the texts name is one of the command', async () => {
  const helps = await Promise.all(['release-check', 'gate'].map(command => runFaultline([command, '--help'], { temporary: folder })))
  const known = new Set(helps.flatMap(({ out }) => out.match(/--[a-z-]+/g) ?? []))
  const commands = [...read('README.md').matchAll(/faultline (?:release-check|gate) [^`\n]*/g)].map(([line]) => line)
  assert.ok(commands.length >= 5)
  for (const option of commands.flatMap(line => line.match(/--[a-z-]+/g) ?? [])) assert.ok(known.has(option), option)
})

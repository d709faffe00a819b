/** What made other tools pass what nobody had seen to be good, or leave behind what they had done: docs/false-passes.md has the whole list, and where each is tested. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { connectPrometheus } from '#shared/prometheus.ts'
import { faultKinds } from '#shared/registry.ts'
import { checkRelease } from '#shared/release-check.ts'
import { releaseRunsOf } from '#shared/release-run.ts'
import { judge, type Judgement } from '#shared/verdict.ts'
import { recordedFacts } from '../parts/release-results.ts'
import { serve } from '../parts/sample-recorder.ts'
import { duringFault, errorsGate, injectedMs, logOf, promGate, type Story } from '../parts/verdict-log-builder.ts'

const judged = (story: Story): Judgement => judge(logOf(story))
const gatesOfEachSource = [errorsGate, { ...errorsGate, limit: 'rate' }, { ...errorsGate, limit: 'budget', requests: 500 }]

/** The same run with nothing taken away: what is not passed below would have been. */
test('what these tests take something away from passes', () => {
  for (const gate of gatesOfEachSource) assert.equal(judged({ gates: [gate] }).verdict, 'passed')
  assert.equal(judged({ gates: [promGate], answerAt: () => ({ is: 'value', value: 0.5 }) }).verdict, 'passed')
})

function isInconclusive(story: Story, reason: RegExp): void {
  const { verdict, exitCode, reasons } = judged(story)
  assert.deepEqual([verdict, exitCode], ['inconclusive', 2], reasons.join('\n'))
  assert.match(reasons.join('\n'), reason)
}

test('no samples are no pass', () => {
  for (const gate of gatesOfEachSource) {
    isInconclusive({ gates: [gate], sampleAt: duringFault(null) }, /no load sample came|could not be read/)
    isInconclusive({ gates: [gate], sampleAt: duringFault({ ok: {} }) }, /no request ended/)
  }
})

test('no data is not assumed to be good', () => {
  for (const why of ['empty: no series has a value then', 'NaN', '2 series, not one', 'stale', 'Prometheus at http://127.0.0.1:9 did not answer the query']) {
    isInconclusive({ gates: [promGate], answerAt: () => ({ is: 'no-data', why }) }, /could not be read|not readable/)
  }
  isInconclusive({ gates: [promGate] }, /never answered/)
})

test('one gate without data is not outvoted by others that hold', () => {
  isInconclusive({ gates: [errorsGate, promGate], answerAt: () => ({ is: 'no-data', why: 'empty' }) }, /asked/)
})

test('what was ended before it was measured has not succeeded', () => {
  for (const gate of gatesOfEachSource) {
    for (const cause of ['user', 'infrastructure', 'load'] as const) isInconclusive({ gates: [gate], abort: { cause, detail: 'terminated', atMs: injectedMs + 100 } }, /terminated/)
  }
})

test('inconclusive is promoted by nobody: neither by the exit code nor by a release check', () => {
  const question = { app: 'shop', version: '1.2.3', withinMs: 3_600_000, required: [{ experiment: 'scripted' }], nowMs: Date.now() }
  const decide = (verdict: 'passed' | 'inconclusive') => checkRelease({ ...question, runs: releaseRunsOf(recordedFacts({ run: 'r1', verdict })) })
  assert.equal(decide('passed').passed, true)
  const { passed, decision, reasons } = decide('inconclusive')
  assert.deepEqual([passed, decision], [false, 'block'])
  assert.match(reasons.join('\n'), /r1 was inconclusive/)
  assert.equal(judged({ abort: { cause: 'user', detail: 'by me', atMs: injectedMs + 100 } }).exitCode, 2)
})

test('a fault that hit nothing is no success', () => {
  isInconclusive({ also: log => log.add('fault.refused', { fault: '1-pause', kind: 'pause', node: 'n1', why: 'no process matches "postgres"' }) }, /no process matches/)
  isInconclusive({ injected: null, reverted: null }, /never confirmed as injected/)
})

test('what is no number becomes no data: neither 0, nor the number that it begins with', async () => {
  let body = ''
  await using server = await serve((request, response) => void request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end(body)))
  const prometheus = connectPrometheus({ url: server.url })
  const ask = (resultType: 'vector' | 'scalar', value: string) => {
    body = JSON.stringify({ status: 'success', data: { resultType, result: resultType === 'scalar' ? [1, value] : [{ metric: {}, value: [1, value] }] } })
    return prometheus.ask('vector(1)', 1_000, { freshForMs: 1e9 })
  }
  try {
    for (const type of ['vector', 'scalar'] as const) {
      for (const text of ['', ' ', 'null', 'many', '5 apples', '0x10', '1,5', 'NaN', '+Inf', '-Inf', '1e999']) assert.equal((await ask(type, text)).is, 'no-data', `${type} ${JSON.stringify(text)}`)
      for (const [text, value] of [['0', 0], ['-1.5', -1.5], ['+2', 2], ['1e-07', 1e-7], ['1.5e+03', 1_500]] as const) assert.deepEqual(await ask(type, text), { is: 'value', value }, `${type} ${text}`)
    }
  } finally {
    prometheus.close()
  }
})

test('no program is started by a text that a shell reads: each is a list of words, and a script for a shell stands in the code as it is', () => {
  const sources = globSync('{services,shared}/**/*.{ts,mjs}').map(file => ({ file, text: readFileSync(file, 'utf8') }))
  assert.ok(sources.length > 200, 'the sources are where they are looked for')
  for (const { file, text } of sources) {
    assert.doesNotMatch(text, /\bshell: *(?!false\b)\S/, `${file} starts a program through a shell`)
    assert.doesNotMatch(text, /\bimport \{[^}]*\bexec(?:Sync)?\b[^}]*\} from 'node:child_process'/, `${file} starts a program through a shell`)
    for (const [, script = ''] of text.matchAll(/'sh', '-c', ([^,\]]+)/g)) {
      const [, , written = '${'] = new RegExp(`const ${script} = (['\`])([^]*?)\\1`).exec(text) ?? []
      assert.ok(!written.includes('${'), `${file} makes a script on the spot: ${script}`)
    }
  }
})

test('no text of an experiment becomes a part of the commands that a fault consists of: what could end one is refused', () => {
  for (const { kind, parameters } of faultKinds.values()) {
    for (const key of Object.keys(parameters.shape)) {
      for (const text of ['a; flush ruleset', 'a\nflush ruleset', 'a" drop', '$(reboot)', '`reboot`', 'a } table x {', '1.2.3.4, 0.0.0.0/0', '../../etc', '-f /etc/passwd']) {
        const { error } = parameters.safeParse({ [key]: text })
        assert.ok(error?.issues.some(({ path }) => path[0] === key), `${kind} takes ${JSON.stringify(text)} as its ${key}`)
      }
    }
  }
})

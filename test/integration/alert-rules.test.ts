import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { toolPath } from '#shared/tools.mjs'

const folder = fileURLToPath(new URL('../../grafana/alerts/', import.meta.url))
const rulesFile = 'faultline.rules.yaml'
const triedFiles = ['faultline.rules.test.yaml', 'faultline.rules.days.test.yaml']
const rules = z.object({ groups: z.array(z.looseObject({ rules: z.array(z.looseObject({ alert: z.string(), expr: z.string() })) })) }).parse(parse(readFileSync(folder + rulesFile, 'utf8')))
const names = rules.groups.flatMap(group => group.rules.map(({ alert }) => alert))
const triedSchema = z.object({ tests: z.array(z.looseObject({ alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })) })) })
/** Which alerts each file tries, and whether they are to fire. */
const tried = triedFiles.map(file => ({ file, cases: triedSchema.parse(parse(readFileSync(folder + file, 'utf8'))).tests.flatMap(({ alert_rule_test: list }) => list) }))

function promtool(...args: string[]): { ok: boolean; said: string } {
  const { status, stdout, stderr } = spawnSync(toolPath('promtool'), args, { encoding: 'utf8' })
  return { ok: status === 0, said: stdout + stderr }
}

test('promtool finds nothing wrong with the alert rules', () => {
  const { ok, said } = promtool('check', 'rules', folder + rulesFile)
  assert.ok(ok, said)
})

test('every alert fires when it must, and not otherwise', () => {
  for (const file of triedFiles) {
    const { ok, said } = promtool('test', 'rules', folder + file)
    assert.ok(ok, said)
  }
  for (const name of names) {
    const outcomes = new Set(tried.flatMap(({ cases }) => cases).filter(({ alertname }) => alertname === name).map(({ exp_alerts: alerts }) => alerts.length > 0))
    assert.deepEqual(outcomes, new Set([true, false]), `${name} is not tried both ways`)
  }
})

test('an alert that never fires, or always does, is noticed', () => {
  const copy = `${mkdtempSync(join(tmpdir(), 'alert-rules-'))}/`
  try {
    for (const file of triedFiles) writeFileSync(copy + file, readFileSync(folder + file))
    const isNoticed = (alert: string, change: object) => {
      const changed = { groups: rules.groups.map(group => ({ ...group, rules: group.rules.map(rule => rule.alert === alert ? { ...rule, ...change } : rule) })) }
      writeFileSync(copy + rulesFile, JSON.stringify(changed)) // JSON is YAML
      return tried.some(({ file, cases }) => cases.some(({ alertname }) => alertname === alert) && !promtool('test', 'rules', copy + file).ok)
    }
    for (const name of names) {
      assert.ok(!isNoticed(name, {}), `${name} as it is`)
      for (const expr of ['vector(1) > 2', 'vector(1)']) assert.ok(isNoticed(name, { expr, for: '0s' }), `${name} as ${expr}`)
    }
  } finally {
    rmSync(copy, { recursive: true })
  }
})

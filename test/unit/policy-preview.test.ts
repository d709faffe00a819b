import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { stringify } from 'yaml'
import { renderPolicies } from '../../services/cli/policy/policy-command.ts'
import { previewCommand } from '../../services/cli/policy/preview-command.ts'
import type { PolicyPreview } from '../../services/cli/policy/preview.ts'
import { policyDocument } from '../parts/policy-builder.ts'

const folder = mkdtempSync(join(tmpdir(), 'policy-'))
after(() => rmSync(folder, { recursive: true }))
function file(more: object = {}): string {
  const path = join(folder, 'policy.yaml')
  writeFileSync(path, stringify(policyDocument(more)))
  return path
}
const usual = {
  timeZone: 'Europe/Berlin', windows: [{ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '09:00', to: '17:00' }], freezes: [{ from: '2026-12-03', to: '2026-12-03' }], cooldown: '5m', prefer: 'coverage',
  budgets: [{ slo: 'errors', remaining: 'vector(1)', share: '10%' }],
}
const nowMs = Date.UTC(2026, 10, 30, 6)
const asJson = async (more: object, days: string, from?: string) => {
  const { output } = await previewCommand(file(more), { days, json: true, ...(from !== undefined && { from }) }, nowMs)
  return (JSON.parse(output) as { policies: PolicyPreview[] }).policies[0] ?? assert.fail(output)
}

test('a day is a line, then each of its runs; the same file and date give the same text', async () => {
  const { exitCode, output } = await previewCommand(file(usual), { days: '7', from: '2026-11-30' }, nowMs)
  assert.equal(exitCode, 0)
  assert.match(output, /^low-rate, 2026-11-30 00:00 to 2026-12-07 00:00, Europe\/Berlin\n {2}\d+ runs of \d+ planned \(\d+\.\d expected by the mean rate\)/)
  assert.match(output, /web {4}weight 3, \d+ runs, up to 1m10s each: pod-kill on pods of shop with app=web, one \[shop\/web\]/)
  const line = (date: string) => output.split('\n').find(text => text.startsWith(`  ${date}`)) ?? ''
  assert.match(line('Mon 2026-11-30'), /^ {2}Mon 2026-11-30 {2} {18}[.1-9+]{16} {14} {2}\d+$/)
  for (const closed of ['Thu 2026-12-03', 'Sat 2026-12-05']) assert.match(line(closed), /^ {2}\w+ [\d-]+ +0$/)
  assert.match(output, /\nMon 2026-11-30\n {2}\d\d:\d\d:\d\d {2}(?:web|redis)/)
  assert.match(output, /waits since \d\d:\d\d:\d\d/)
  assert.match(output, /As budgets burn, fewer of these run, at the same times: errors\.\nCoverage is not known here/)
  assert.equal((await previewCommand(file(usual), { days: '7', from: '2026-11-30' }, nowMs + 99)).output, output)
})

test('the counts of the JSON agree with each other', async () => {
  const preview = await asJson({ ...usual, wait: '1m' }, '14', '2026-11-30')
  const entries = preview.days.flatMap(day => day.entries)
  assert.deepEqual([preview.days.length, entries.length, entries.filter(({ run }) => run !== null).length], [14, preview.planned, preview.run])
  assert.equal(Object.values(preview.skipped).reduce((sum, count) => sum + count, 0), preview.planned - preview.run)
  assert.ok((preview.skipped['cooldown'] ?? 0) > 0 && entries.some(({ skipped }) => skipped?.startsWith('cooldown: ')))
  assert.equal(preview.days.flatMap(day => day.hours).reduce((sum, { runs }) => sum + runs, 0), preview.run)
  assert.equal(preview.templates.reduce((sum, { run }) => sum + run, 0), preview.run)
  assert.ok(Math.abs((preview.expected ?? 0) / 270 - 1) < 0.01, `${preview.expected}: nine open days`)
})

test('from now on when nothing is said; a cron pattern expects nothing; a day of 25 hours has all its runs', async () => {
  assert.equal((await asJson({}, '1')).from, '2026-11-30T06:00:00.000Z')
  const cron = await asJson({ rate: undefined, cron: '30 2 * * *', timeZone: 'Europe/Berlin' }, '2', '2026-10-24')
  assert.deepEqual([cron.expected, cron.days.map(({ entries }) => entries.map(({ begins }) => begins))], [undefined, [['02:30:00'], ['02:30:00']]])
  const long = await asJson({ rate: { mean: 4, per: 'hour' }, timeZone: 'Europe/Berlin' }, '1', '2026-10-25')
  assert.ok(Math.abs((long.expected ?? 0) - 100) < 0.1, `${long.expected}`)
  assert.equal(long.days[0]?.hours.reduce((sum, { runs }) => sum + runs, 0), long.run)
})

test('what cannot be shown is refused: days, a date, too many runs, an invalid file', async () => {
  for (const days of ['0', '1.5', 'many', '367']) await assert.rejects(previewCommand(file(), { days }, nowMs), /--days: expected a whole number from 1 to 366/)
  await assert.rejects(previewCommand(file(), { days: '1', from: 'tomorrow' }, nowMs), /--from: expected a date such as/)
  await assert.rejects(previewCommand(file({ rate: { mean: 10_000, per: 'hour' } }), { days: '1' }, nowMs), /may have 240,000 runs in 1 days/)
  const { exitCode, output } = await previewCommand(file({ wait: 'long' }), { days: '1' }, nowMs)
  assert.equal(exitCode, 3)
  assert.match(output, /policy\.yaml:\d+:\d+ wait: expected a duration/)
})

test('a list of policies says why one does not run', () => {
  const summary = {
    name: 'p', state: 'paused', reason: 'r was failed', nextAtMs: null, upcoming: [{ atMs: nowMs, experiment: 'p-web' }],
    recent: [{ atMs: nowMs, experiment: 'p-web', run: 'r', outcome: 'failed' }], budgets: [{ slo: 'a', remainingRatio: 0.98765, why: null }, { slo: 'b', remainingRatio: null, why: 'no answer' }],
  }
  assert.equal(renderPolicies([summary]), `p: paused, r was failed
  budget  a: 98.77 % left
  budget  b: cannot be read, so nothing runs: no answer
  last    2026-11-30 06:00:00  p-web  failed  r
`)
  assert.match(renderPolicies([{ ...summary, state: 'active', reason: null, nextAtMs: nowMs }]), /^p: active\n.*\n.*\n {2}next {4}2026-11-30 06:00:00 {2}p-web/)
  assert.equal(renderPolicies([]), 'no policies\n')
})

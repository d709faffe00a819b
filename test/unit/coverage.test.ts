import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coverageFacts, coverageLimits, foldCoverage, noCoverage, type CoverageState, type Look } from '#shared/coverage-fold.ts'
import { countCells, coverageOf, coverageSchema, preferenceOf, stateOf, usualStaleAfterMs, type Coverage } from '#shared/coverage.ts'
import { facts, type StoredFact } from '#shared/events.ts'
import { factsOnce } from '#shared/verdict-log.ts'
import { factsOf, service, type RunStory } from '../parts/run-facts.ts'

const t0 = 1_700_000_000_000
const dayMs = 24 * 3_600_000
const fold = (...logs: readonly StoredFact[][]): CoverageState => logs.flat().reduce(foldCoverage, noCoverage)
const foldRuns = (...stories: readonly RunStory[]) => fold(...stories.map(factsOf))
const matrix = (state: CoverageState, { look, nowMs = t0 + 60_000, ...more }: { look?: Look; nowMs?: number; staleAfterMs?: number; unknown?: string } = {}): Coverage => coverageOf(state, { nowMs, ...(look && { look }), ...more })
const cellsOf = (coverage: Coverage, app: string) => coverage.services.find(one => one.app === app)?.cells ?? []
const killed = (more: Partial<RunStory> = {}): RunStory => ({ run: 'r1', atMs: t0, hits: [{ kind: 'pod-kill', on: [service('web')] }], ...more })
const looked = (...services: Look['services'][number][]): Look => ({ atMs: t0 + 30_000, services })

test('a fault that was injected gives its services the run\'s verdict, dated by the seal, with the version that was hit', () => {
  const coverage = matrix(foldRuns(killed()), { look: looked(service('web'), service('db')) })
  assert.deepEqual(cellsOf(coverage, 'web'), [{ kind: 'pod-kill', verdict: 'passed', run: 'r1', experiment: 'pod-loss', atMs: t0 + 10_000, version: '1', stale: false }])
  assert.deepEqual(coverage.services.map(({ app, versions, present, cells }) => [app, versions, present, cells.length]), [['db', ['1'], true, 0], ['web', ['1'], true, 1]])
  assert.equal(coverage.discoveredAtMs, t0 + 30_000)
  assert.deepEqual(coverageSchema.parse(coverage), coverage)
})

test('what was not seen to be there, what came after the seal, and a run without a verdict say nothing', () => {
  const on = [service('web')]
  for (const story of [
    killed({ hits: [{ kind: 'pod-kill', on, verified: false }] }),
    killed({ hits: [{ kind: 'pod-kill', on, afterSeal: true }] }),
    killed({ verdict: null }), killed({ hits: [] }),
  ]) assert.deepEqual(matrix(foldRuns(story)).services, [])
})

test('a later run replaces an earlier one, inconclusive as it may be, and whatever was read first', () => {
  const stories = [killed(), killed({ run: 'r2', atMs: t0 + 1_000, verdict: 'failed' }), killed({ run: 'r3', atMs: t0 + 2_000, verdict: 'inconclusive', hits: [{ kind: 'pod-kill', on: [service('db')] }] })]
  for (const order of [stories, stories.toReversed()]) {
    const coverage = matrix(foldRuns(...order))
    assert.deepEqual(['web', 'db'].map(app => cellsOf(coverage, app).map(({ run, verdict }) => [run, verdict])), [[['r2', 'failed']], [['r3', 'inconclusive']]])
  }
})

test('every fault of a run counts for what it hit, under its kind', () => {
  const coverage = matrix(foldRuns(killed({ hits: [{ kind: 'pod-kill', on: [service('web')] }, { kind: 'pod-pause', on: [service('db'), service('web')] }] })))
  assert.deepEqual(coverage.services.map(({ app, cells }) => [app, cells.map(({ kind }) => kind)]), [['db', ['pod-pause']], ['web', ['pod-kill', 'pod-pause']]])
})

test('a mixture has no version: in the targets, or as the run began, or as it ended, which is told when the verdict is there', () => {
  const [one, two] = [service('web'), service('web', '2')]
  for (const story of [
    killed({ hits: [{ kind: 'pod-kill', on: [one, two] }] }),
    killed({ hits: [{ kind: 'pod-kill', on: [one] }, { kind: 'pod-kill', on: [two] }] }),
    killed({ begin: [one, two] }), killed({ begin: [one], end: [two] }), killed({ end: [one, two] }),
  ]) assert.equal(cellsOf(matrix(foldRuns(story)), 'web')[0]?.version, null)
  assert.equal(cellsOf(matrix(foldRuns(killed({ begin: [one, service('db', '2')], end: [one] }))), 'web')[0]?.version, '1', 'another service is another matter')
  const later = killed({ run: 'r2', atMs: t0 + 20_000, hits: [{ kind: 'pod-kill', on: [two] }], end: [two] })
  assert.equal(cellsOf(matrix(foldRuns(killed({ end: [one] }), later)), 'web')[0]?.version, '2', 'another run as well')
})

test('a verdict is stale when it is too old, or when anything else than what it is about is there now', () => {
  const state = foldRuns(killed())
  const isStale = (circumstances: Parameters<typeof matrix>[1]) => cellsOf(matrix(state, circumstances), 'web')[0]?.stale
  const sealedMs = t0 + 10_000
  assert.equal(isStale({ nowMs: sealedMs + usualStaleAfterMs }), false)
  assert.equal(isStale({ nowMs: sealedMs + usualStaleAfterMs + 1 }), true)
  assert.equal(isStale({ nowMs: sealedMs + 3 * dayMs, staleAfterMs: 2 * dayMs }), true)
  assert.equal(isStale({ look: looked(service('web')) }), false)
  assert.equal(isStale({ look: looked(service('web', '2')) }), true)
  assert.equal(isStale({ look: looked(service('web'), service('web', '2')) }), true, 'in an update')
  assert.equal(isStale({ look: looked(service('db')) }), false, 'what is gone has no other version')
  const mixed = foldRuns(killed({ end: [service('web', '2')] }))
  assert.equal(cellsOf(matrix(mixed, { look: { atMs: t0 + 40_000, services: [service('web')] } }), 'web')[0]?.stale, true, 'which of two passed is not known')
})

test('a service that was looked for and not found is not present; while nobody has looked, it is', () => {
  const state = foldRuns(killed())
  const seen = (coverage: Coverage) => coverage.services.map(({ app, present, versions }) => [app, present, versions])
  assert.deepEqual(seen(matrix(state, { look: looked(service('db')) })), [['db', true, ['1']], ['web', false, []]])
  const unseen = matrix(state, { unknown: 'no agent' })
  assert.deepEqual([seen(unseen), unseen.discoveredAtMs, unseen.unknown], [[['web', true, []]], null, 'no agent'])
})

test('the newest look counts, be it the scheduler\'s or a run\'s', () => {
  const state = foldRuns(killed({ begin: [service('web')], end: [service('web'), service('cache')] }))
  const apps = (coverage: Coverage) => coverage.services.flatMap(({ app, present }) => present ? [app] : [])
  assert.deepEqual(apps(matrix(state)), ['cache', 'web'])
  assert.deepEqual(apps(matrix(state, { look: looked(service('db')) })), ['db'])
  assert.deepEqual(apps(matrix(state, { look: { atMs: t0 - 1, services: [service('db')] } })), ['cache', 'web'])
})

test('a run that is submitted again, under its own name, goes on', () => {
  const [submitted, hit, ...rest] = factsOf(killed())
  assert.ok(submitted && hit)
  assert.equal(cellsOf(matrix(fold([submitted, hit, submitted, ...rest])), 'web').length, 1)
})

test('a verdict without a seal is dated by itself, and an experiment that cannot be read has no name; a verdict of nobody knows what says nothing', () => {
  const unsealed = factsOf(killed()).filter(({ kind }) => kind !== 'run.sealed').map(stored => stored.kind === 'run.submitted' ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, experiment: 'spoilt' } } } : stored)
  assert.deepEqual(cellsOf(matrix(fold(unsealed)), 'web').map(({ experiment, atMs }) => [experiment, atMs]), [['', t0 + 10_100]])
  assert.equal(fold(unsealed.slice(1)), noCoverage)
})

test('a look that failed is none', () => {
  const [submitted] = factsOf(killed())
  assert.ok(submitted)
  const failed = { ...submitted, kind: 'run.services', fact: { ...submitted.fact, data: { when: 'begin', services: [], unknown: 'no answer', atMs: t0 } } } as StoredFact
  assert.equal(matrix(fold([submitted, failed])).discoveredAtMs, null)
})

test('on one machine a fault on processes is on what the submitter has declared, which no look at a cluster can miss', () => {
  const local = killed({ hits: [{ kind: 'pause', on: 'process' }], declared: [service('shop', '1.4', '')] })
  const [shop] = matrix(foldRuns(local), { look: looked(service('web')) }).services
  assert.deepEqual([shop?.app, shop?.present, shop?.versions, shop?.cells.map(({ kind, version, stale }) => [kind, version, stale])], ['shop', true, ['1.4'], [['pause', '1.4', false]]])
  const next = { ...local, run: 'r2', atMs: t0 + 1_000, hits: [{ kind: 'kill', on: 'process' as const }], declared: [service('shop', '1.5', '')] }
  const [moved] = matrix(foldRuns(next, local)).services
  assert.deepEqual([moved?.versions, moved?.cells.map(({ kind, stale }) => [kind, stale])], [['1.5'], [['kill', false], ['pause', true]]], 'the newest declaration is what is there now')
  assert.deepEqual(matrix(foldRuns(killed({ hits: [{ kind: 'pause', on: 'process' }] }))).services, [], 'nobody has said what the processes are')
})

test('the columns are the kinds that can be done to what is there, and unknown are only those', () => {
  assert.deepEqual(matrix(noCoverage).kinds, [])
  const kinds = (...services: Look['services'][number][]) => matrix(noCoverage, { look: looked(...services) }).kinds
  assert.ok(kinds(service('web')).includes('node-drain') && !kinds(service('web')).includes('pause'))
  assert.ok(kinds(service('shop', '1', '')).includes('pause') && !kinds(service('shop', '1', '')).includes('pod-kill'))
  const both = matrix(noCoverage, { look: looked(service('web'), service('shop', '1', '')) })
  assert.equal(countCells(both).unknown, kinds(service('web')).length + kinds(service('shop', '1', '')).length)
  const former = matrix(foldRuns(killed({ hits: [{ kind: 'of-an-earlier-version', on: [service('web')] }] })))
  assert.equal(former.kinds.at(-1), 'of-an-earlier-version')
  assert.equal(countCells(former).passed, 1)
})

test('each cell is counted once, a stale one as stale alone, and none of a service that is gone', () => {
  const hits = ['pod-kill', 'pod-pause'].map(kind => ({ kind, on: [service('web'), service('db', '1'), service('gone')] }))
  const coverage = matrix(foldRuns(killed({ hits, verdict: 'failed' })), { look: looked(service('web'), service('db', '2')) })
  const counts = countCells(coverage)
  assert.deepEqual([counts.passed, counts.failed, counts.inconclusive, counts.stale], [0, 2, 0, 2])
  assert.equal(Object.values(counts).reduce((sum, count) => sum + count), 2 * coverage.kinds.length)
  assert.deepEqual(coverage.services.map(one => [one.app, stateOf(one, 'pod-kill'), stateOf(one, 'scale')]), [['db', 'stale', 'unknown'], ['gone', 'failed', 'unknown'], ['web', 'failed', 'unknown']])
})

test('what was never tried is preferred to what is stale or inconclusive, and that to what is known; nothing is ever left out', () => {
  const coverage = matrix(foldRuns(
    killed({ hits: [{ kind: 'pod-kill', on: [service('web'), service('db'), service('gone')] }] }),
    killed({ run: 'r2', verdict: 'inconclusive', hits: [{ kind: 'pod-pause', on: [service('web')] }] }),
  ), { look: looked(service('web'), service('db', '2')) })
  const prefer = (app: string, kind: string) => preferenceOf(coverage, service(app), kind)
  assert.deepEqual([prefer('web', 'scale'), prefer('nobody', 'pod-kill'), prefer('db', 'pod-kill'), prefer('web', 'pod-pause'), prefer('web', 'pod-kill'), prefer('gone', 'scale')], [4, 4, 2, 2, 1, 1])
})

test('what it keeps does not grow with what was', () => {
  let state = noCoverage
  for (let index = 0; index < coverageLimits.services + 10; index++) state = factsOf(killed({ run: `r${index}`, atMs: t0 + index, hits: [{ kind: 'pod-kill', on: [service(`pr-${index}`)] }] })).reduce(foldCoverage, state)
  assert.deepEqual([state.runs.size, state.services.size], [0, coverageLimits.services])
  assert.ok(state.services.has(JSON.stringify(['shop', `pr-${coverageLimits.services + 9}`])) && !state.services.has(JSON.stringify(['shop', 'pr-9'])))
  state = factsOf(killed({ run: 'declaring', atMs: t0 + dayMs, hits: [], declared: [service('said', '1', '')] })).reduce(foldCoverage, state)
  state = factsOf(killed({ run: 'next', atMs: t0 + dayMs, hits: [{ kind: 'pod-kill', on: [service('next')] }] })).reduce(foldCoverage, state)
  assert.ok(state.services.has(JSON.stringify(['', 'said'])) && state.services.size === coverageLimits.services)
  for (let index = 0; index < coverageLimits.runs + 10; index++) state = factsOf(killed({ run: `u${index}`, verdict: null })).reduce(foldCoverage, state)
  assert.equal(state.runs.size, coverageLimits.runs)
})

test('only facts that are named as those it reads change it', () => {
  const read = new Set<string>(coverageFacts)
  for (const kind of Object.keys(facts).filter(kind => !read.has(kind))) assert.equal(foldCoverage(noCoverage, { kind, stream: 1, fact: { subject: 'r1' } } as StoredFact), noCoverage, kind)
})

const versions = fc.constantFrom('1', '2')
const services = fc.array(fc.record({ namespace: fc.constantFrom('shop', ''), app: fc.constantFrom('web', 'db'), version: versions }), { minLength: 1, maxLength: 3 })
const story = fc.record({
  atMs: fc.integer({ min: t0, max: t0 + 5 }),
  hits: fc.array(fc.record({ kind: fc.constantFrom('pod-kill', 'pause'), on: fc.oneof(services, fc.constant('process' as const)), verified: fc.boolean() }), { maxLength: 3 }),
  verdict: fc.constantFrom('passed' as const, 'failed' as const, 'inconclusive' as const, null),
}).chain(whole => fc.record({ declared: services, begin: services, end: services }, { requiredKeys: [] }).map(looks => ({ ...whole, ...looks })))
const stories = fc.array(story, { maxLength: 5 }).map(all => all.map((one, index): RunStory => ({ run: `r${index}`, ...one })))

test('property: whatever the order and however often the facts of a run come, and whatever the order of the runs, the matrix is the same', () => {
  fc.assert(fc.property(stories, fc.infiniteStream(fc.nat()), (runs, numbers) => {
    const number = (below: number) => (numbers.next().value ?? 0) % below
    const logs = runs.map(factsOf)
    const spoilt = logs.map(log => [...log, ...log.filter(() => number(2) === 0)].map(stored => ({ stored, at: number(1_000) })).sort((a, b) => a.at - b.at).map(({ stored }) => stored))
    const shuffled = spoilt.map(log => ({ log, at: number(1_000) })).sort((a, b) => a.at - b.at).map(({ log }) => factsOnce(log))
    assert.deepEqual(matrix(fold(...shuffled)), matrix(fold(...logs)))
  }))
})

test('property: a stream that is read twice says nothing new', () => {
  fc.assert(fc.property(stories, runs => {
    const logs = runs.map(factsOf)
    assert.deepEqual(matrix(fold(...logs, ...logs)), matrix(fold(...logs)))
  }))
})

test('property: runs that interleave in one stream come to the same as one after another', () => {
  fc.assert(fc.property(stories, fc.infiniteStream(fc.nat()), (runs, numbers) => {
    const rest = runs.map(factsOf)
    const mixed: StoredFact[] = []
    while (rest.some(log => log.length > 0)) mixed.push(...rest[(numbers.next().value ?? 0) % rest.length]?.splice(0, 1) ?? [])
    assert.deepEqual(matrix(fold(mixed)), matrix(foldRuns(...runs)))
  }))
})

test('property: every cell is of a judged run that hit that service by that kind, and every count adds up', () => {
  fc.assert(fc.property(stories, runs => {
    const coverage = matrix(foldRuns(...runs))
    for (const { namespace, app, cells } of coverage.services) {
      for (const { kind, run, verdict } of cells) {
        const told = runs.find(one => one.run === run)
        assert.equal(told?.verdict, verdict)
        assert.ok(told?.hits?.some(hit => hit.kind === kind && hit.verified !== false && (hit.on === 'process' ? told.declared ?? [] : hit.on).some(on => on.app === app && on.namespace === namespace)))
      }
    }
    assert.equal(coverageSchema.safeParse(coverage).success, true)
  }))
})

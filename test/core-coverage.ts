/**
 * Holds each pure core against its share of branches taken: `node test/core-coverage.ts LCOV-FILE`. What decides whether a release may go
 * out must not hold a line that no test has walked.
 */
import { globSync, readFileSync } from 'node:fs'

const leastShare = 0.95

/** What is decided without I/O and without a clock: the four services' cores, the gates, the verdict, the experiment's format, the kinds. */
const coreFiles = [
  'services/*/core.ts',
  'services/scheduler/{lease,campaign-object,experiment-object,kubernetes-events,live-news}.ts',
  'services/scheduler/page/run-fold.ts',
  'shared/{gate,gate-blocks,gate-control,gate-core,gate-counters,gate-sequential,gate-share,gate-watch}.ts',
  'shared/{counter-growth,counter-log,counter-series,reconciliation}.ts',
  'shared/{e-process,excess-evidence,pass-evidence}.ts', // what they are made of is held to SciPy's figures
  'shared/{verdict,verdict-breach,verdict-breach-counters,verdict-breach-sequential,verdict-log,verdict-parts}.ts',
  'shared/{decision-record,look-record}.ts',
  'services/cli/verify/{follow-chain,verify-record}.ts',
  'shared/{command-stamp,epoch,release-check,release-run,release-query}.ts',
  'services/cli/{gate-only,plan/evidence-warnings,plan/look-before}.ts',
  'services/cli/calibrate/{bursts,calibration,cells,clumping,false-aborts,gate-advice,ratio-estimate,recording,recording-run,render-calibration}.ts',
  'shared/{experiment,experiment-probes,experiment-reconcile,experiment-sequential,experiment-slos,experiment-problem,experiment-yaml}.ts',
  'shared/{budget-share,openslo,openslo-levels,promql-labels,promql-range,gate-slo}.ts',
  'shared/{probe,probe-core,probe-watched,gate-probe,verdict-probes}.ts',
  'shared/{blast-radius,campaign-core,campaign-object,coverage,coverage-fold,fault,load-figures,target,units}.ts',
  'shared/{policy,policy-budget,policy-calendar,policy-core,policy-plan,policy-preference,policy-services}.ts',
  'services/scheduler/policy-object.ts',
  'services/injector/cluster/restorer-core.ts',
  'services/cli/campaign/{evidence,hpa-transitions,manual-steps,outcome,sla,statistics}.ts',
  'shared/{faults,gates,probes}/*.ts',
]

/** `missedLines`: where a branch begins that was never taken. None found: no test has loaded the file. */
export interface CoreCoverage { file: string; taken: number; found: number; missedLines: number[] }

/**
 * Pure: what an lcov report says of these files' branches. V8 sees no branch in a function that was never called, so that the worst hole
 * would look whole: such a function counts as a branch not taken.
 */
export function coverageOf(files: readonly string[], lcov: string): CoreCoverage[] {
  const recordOf = new Map(lcov.split('end_of_record').map(record => [/^SF:(.*)$/m.exec(record)?.[1], record]))
  return files.map(file => {
    const record = recordOf.get(file) ?? ''
    const branches = [...record.matchAll(/^BRDA:(\d+),\d+,\d+,(\d+)$/gm)].map(([, line, count]) => ({ line: Number(line), count: Number(count) }))
    const lines = [...record.matchAll(/^FN:(\d+),/gm)].map(([, line]) => Number(line))
    const uncalled = [...record.matchAll(/^FNDA:(\d+),/gm)].flatMap(([, count], index) => count === '0' ? lines.slice(index, index + 1) : []) // in the order of the FN lines
    const missed = [...branches.filter(({ count }) => count === 0).map(({ line }) => line), ...uncalled]
    const found = branches.length + uncalled.length
    return { file, taken: found - missed.length, found, missedLines: [...new Set(missed)].sort((a, b) => a - b) }
  })
}

export const isEnough = ({ taken, found }: CoreCoverage): boolean => found > 0 && taken / found >= leastShare

/** One line a file; a file that has not enough names its lines. */
export function printCoverage(cores: readonly CoreCoverage[]): string {
  const width = Math.max(...cores.map(({ file }) => file.length))
  return [`Branches of the pure cores, at least ${leastShare * 100} % of each`, ...cores.map(core => {
    const { file, taken, found, missedLines } = core
    const share = found === 0 ? 'never loaded' : `${`${taken}/${found}`.padStart(7)} ${(100 * taken / found).toFixed(1).padStart(5)} %`
    return `  ${file.padEnd(width)} ${share}${isEnough(core) ? '' : `  NOT ENOUGH${missedLines.length > 0 ? `: not taken in line ${missedLines.join(', ')}` : ''}`}`
  })].join('\n')
}

if (import.meta.main) {
  const [lcovFile = 'coverage/lcov.info'] = process.argv.slice(2)
  const cores = coverageOf(coreFiles.flatMap(pattern => globSync(pattern)).sort(), readFileSync(lcovFile, 'utf8'))
  console.log(printCoverage(cores))
  process.exitCode = cores.every(isEnough) ? 0 : 1
}

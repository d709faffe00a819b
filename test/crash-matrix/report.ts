/** The table of what was run, as Markdown. Pure. */
import type { CellResult } from './demands.ts'
import { allCells, disturbances, expectationOf, keysOf, nameOf, parts, phases, processNames, senseless, type Cell, type Disturbance, type Part } from './table.ts'

export interface MatrixRun {
  results: readonly CellResult[]
  /** Of the machine: processors, kernel, versions. One line. */
  machine: string
  /** ISO date. */
  date: string
}

export function summaryOf(results: readonly CellResult[]): string {
  const count = (holds: (result: CellResult) => boolean) => results.filter(holds).length
  const violated = count(({ violations }) => violations.length > 0)
  const falsePasses = count(({ violations }) => violations.some(text => text.startsWith('a false pass')))
  const sum = (of: (result: CellResult) => number) => results.reduce((total, result) => total + of(result), 0)
  const verdicts = ['passed', 'failed', 'inconclusive', 'none'].map(verdict => [verdict, count(result => result.verdict === verdict)] as const).filter(([, times]) => times > 0)
  return `${results.length} of ${allCells().length} cells: ${verdicts.map(([verdict, times]) => `${times} ${verdict}`).join(', ') || 'nothing'}; `
    + `${sum(({ leftovers }) => leftovers.length)} leftovers, ${falsePasses} false passes, ${sum(({ lost }) => lost)} of ${sum(({ acknowledged }) => acknowledged)} acknowledged facts lost, ${violated} cells with a violation`
}

/** One line for whoever waits. */
export function printProgress({ cell, verdict, lateMs, leftovers, lost, acknowledged, fired, violations, tookMs }: CellResult, index: number, of: number): string {
  const fault = lateMs === null ? 'no fault was done' : `faults over ${printLate(lateMs)}`
  return [
    `${String(index).padStart(3)} of ${of}  ${violations.length === 0 ? 'ok  ' : 'BAD '} ${cell.padEnd(42)} ${verdict.padEnd(13)} ${fault}; ${leftovers.length} left; ${lost} of ${acknowledged} facts lost; ${fired ?? 'not seen'} (${Math.round(tookMs / 1_000)} s)`,
    ...violations.map(text => `      ${text}`),
  ].join('\n')
}

const printLate = (lateMs: number): string => !Number.isFinite(lateMs) ? 'never' : lateMs > 0 ? `${lateMs} ms late` : `${-lateMs} ms early`

export function printTable({ results, machine, date }: MatrixRun): string {
  const tookMs = results.reduce((sum, result) => sum + result.tookMs, 0)
  const byName = new Map(results.map(result => [result.cell, result]))
  const bad = results.filter(({ violations }) => violations.length > 0)
  return `# The crash matrix

    npm run crash-matrix                                       # all of it, some ${Math.round(allCells().length * 17 / 3_600)} hours; as root
    npm run crash-matrix -- --minutes 25 --results matrix.json --out docs/crash-matrix.md      # a part; again with the same file: what is left of it
    npm run crash-matrix -- --shard 1/2 --results half.json    # every second cell, beside another command with 2/2; both files together: --results half.json --results other.json
    npm run crash-matrix -- --cells 'nats-.*/stop/held'        # by name: part/disturbance/phase
    npm run crash-matrix -- --sample 5 --seed 20420            # as the tests do, with the date as the seed

Each cell is a run on real parts, each a process of its own: two schedulers, the agent, the bridge, the evaluator, three NATS servers, Prometheus, Locust's master and worker. The
experiment pauses one process and cuts another one's network off, under load, with a gate on the load and one on Prometheus. In the moment that the phase names, the part is
disturbed. The machine is namespaces of the matrix's own, so that whatever is left behind shows.

Where a clock jumps, the servers whose clock it is run in a guest (QEMU, with a kernel and so a clock of its own), the rest on the host with the host's: all three NATS servers, one of them, or
Prometheus. It jumps by an hour in the moment that the phase names and stays there until the verdict; what each server says of its own time shows that it did. Then it is put right, another jump, on
which the next cell of the same NATS begins. Prometheus begins anew with an empty disk, since it refuses samples that are older than those it has. \`--sample\` takes cells with clocks only where
\`--cells\` asks for them. A cell is violated unless

- the disturbance was seen to happen;
- each fault, seen from outside, was there once at most, and over within a second of its duration, or of its lease where nobody can renew that;
- a verdict came, the one that the facts say; none passed without evidence (the faults really there for half their time at least, read back twice, gates readable, no sample missing,
  no request failed; in a cell of the column *breach*, never), and none failed though the system answered every request; if Prometheus's clock has jumped and the run is inconclusive, an
  answer on record says that the clock is another;
- every fact that a NATS server had acknowledged, as heard on the wire, is in the same stream;
- processes, nft, tc, addresses, mounts and files are as before, and Locust is idle.

Where all that is wrong is that something came late, or that a run that had to pass did not, and this machine itself paused in that cell, it is played again, twice at most.

Run on ${date}, on ${machine}, in ${Math.round(tookMs / 60_000)} minutes: **${summaryOf(results)}.**

A cell holds the verdict, and how much later than its lease or its duration the later fault was over (ms; negative: before). Leftovers and lost facts are none unless it says so. **Bold**:
violated. "." was not run. "(p)": had to pass; "(n)": must not pass.

${keysOf(parts).map(part => tableOf(part, byName)).join('\n\n')}

## Phases

| | when | begins on |
|---|---|---|
${keysOf(phases).map(phase => `| ${phase} | ${phases[phase].when} | \`${phases[phase].fact}\` |`).join('\n')}

## Not in the matrix

${senselessLines().join('\n')}
- **the Kubernetes API**: needs a cluster: test/cluster/faultline/agent-loss.test.ts, crash.test.ts and partition.test.ts.
- **a NATS server cut off from the other two** (a partition here is between servers and services): test/cluster/faultline-ha.

## Violations

${bad.length === 0 ? 'None.' : bad.map(({ cell, verdict, violations }) => `- \`${cell}\` (${verdict}): ${violations.join('; ')}`).join('\n')}
`
}

function tableOf(part: Part, byName: ReadonlyMap<string, CellResult>): string {
  const columns = keysOf(phases)
  const rows = keysOf(disturbances).filter(disturbance => senseless(part, disturbance) === undefined)
  return [
    `### ${part}: ${parts[part]}`, '',
    `| | ${columns.join(' | ')} |`, `|---|${columns.map(() => '---').join('|')}|`,
    ...rows.map(disturbance => `| ${disturbance} | ${columns.map(phase => printCell({ part, disturbance, phase }, byName)).join(' | ')} |`),
  ].join('\n')
}

function printCell(cell: Cell, byName: ReadonlyMap<string, CellResult>): string {
  const result = byName.get(nameOf(cell))
  if (!result) return '.'
  const mark = { 'passes': ' (p)', 'never passes': ' (n)', 'decides': '' }[expectationOf(cell)]
  const extras = [result.leftovers.length > 0 ? `${result.leftovers.length} left` : [], result.lost > 0 ? `${result.lost} lost` : []].flat()
  const text = [`${result.verdict}${mark}`, result.lateMs === null ? 'no fault' : Number.isFinite(result.lateMs) ? String(result.lateMs) : 'never over', ...extras].join(', ')
  return result.violations.length > 0 ? `**${text}**` : text
}

/** Parts with the same reason share a line. */
function senselessLines(): string[] {
  const reasons = new Map<string, { disturbance: Disturbance; parts: Part[] }>()
  for (const part of keysOf(parts)) {
    for (const disturbance of keysOf(disturbances)) {
      const why = senseless(part, disturbance)
      if (why === undefined) continue
      const key = `${disturbance} ${why}`
      reasons.set(key, { disturbance, parts: [...reasons.get(key)?.parts ?? [], part] })
    }
  }
  return [...reasons].map(([key, { disturbance, parts: of }]) => `- **${disturbance}** of ${of.join(', ')}: ${key.slice(disturbance.length + 1)}.`)
}

/** What `--list` prints. */
export const printList = (cells: readonly Cell[]): string => [...cells.map(cell => `${nameOf(cell).padEnd(42)} ${expectationOf(cell)}`), `${cells.length} cells, on ${processNames.length} processes`].join('\n')

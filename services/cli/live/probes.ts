import { counts, viewsOf } from '#shared/probe-core.ts'
import { brief, cut, oneLine, pad, widest, type Paint } from './cells.ts'
import type { LiveState } from './fold.ts'

/** One line a probe: from how many nodes it is seen well now, what has failed, and for how long it has been down. */
export function probeLines({ gates: { experiment, probes } }: LiveState, columns: number, paint: Paint): string[] {
  const specs = experiment?.probes ?? []
  const nameWidth = Math.min(24, widest(specs.map(({ name }) => name)))
  return specs.map(({ name }) => {
    const views = viewsOf(probes, name).filter(view => counts(probes, view) && view.attempts > 0)
    if (views.length === 0) return cut(`${pad(name, nameWidth)}  ${paint('dim', '· not attempted yet')}`, columns)
    const down = views.flatMap(({ failed, lastMs, node }) => {
      const last = failed.at(-1)
      return last && last.okMs === undefined ? [{ node, forMs: lastMs - last.firstMs }] : []
    })
    const attempts = views.reduce((sum, view) => sum + view.attempts, 0)
    const failures = views.reduce((sum, view) => sum + view.failures, 0)
    const state = down.length === 0 ? paint('green', `✓ up${views.length > 1 ? ` from ${views.length} nodes` : ''}`)
      : paint(['bold', 'red'], `✗ down for ${brief(Math.max(...down.map(({ forMs }) => forMs)))}${views.length > 1 ? `, from ${oneLine(down.map(({ node }) => node).join(', '))}` : ''}`)
    return cut(`${pad(name, nameWidth)}  ${state}  ${paint('dim', `${failures.toLocaleString('en-US')} failed of ${attempts.toLocaleString('en-US')} attempts`)}`, columns)
  })
}

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { BenchChildren } from '../children.ts'
import type { Lane } from '../lane.ts'
import type { Way } from './way.ts'

/** How long the method waits between two looks at whether its hypothesis has failed; and for how long in all. */
const stepS = 0.05
const methodS = 20
/** Longer than the gateway waits: the hypothesis gets its 504. */
const probeTimeoutS = 1

const journalSchema = z.object({
  status: z.string(),
  steady_states: z.object({ during: z.array(z.object({ steady_state_met: z.boolean() })) }),
  rollbacks: z.array(z.object({ status: z.string() })),
})

/**
 * Chaos Toolkit with what it has to be quick: the hypothesis continuously during the method without a pause in between (`--hypothesis-frequency 0`; its
 * default is 1 s), `--fail-fast`, rollbacks always. A failed hypothesis ends the method only between two of its activities (chaoslib/run.py,
 * apply_activities), so that one long pause would be waited for to its end; here it is cut into many short ones. `program`: its `chaos`.
 */
export const chaosToolkit = ({ folder, children }: BenchChildren, program: string): Way => ({
  name: 'chaos-toolkit', title: 'Chaos Toolkit, continuous hypothesis', looks: `one request after another, the first bad one; method in steps of ${stepS * 1_000} ms`,
  needsLoad: true, lanes: 1, quietMs: 1_000,
  async act(lane) {
    const [experiment, journal] = [join(lane.folder, 'chaos.json'), join(lane.folder, 'journal.json')]
    rmSync(journal, { force: true }) // that of the time before is not read for this one's
    writeFileSync(experiment, JSON.stringify(experimentOf(lane)))
    const chaos = [
      program, '--no-version-check', '--no-log-file', 'run', '--hypothesis-strategy', 'during-method-only', '--hypothesis-frequency', '0', '--fail-fast',
      '--rollback-strategy', 'always', '--journal-path', journal, experiment,
    ]
    const argv: [string, ...string[]] = ['sh', '-c', '"$0" "$@" || true', ...chaos] // an experiment that has deviated ends with 1: its journal says more
    await children.run({ name: 'chaos-toolkit', argv, env: { HOME: folder, PYTHONDONTWRITEBYTECODE: '1' }, cwd: lane.folder })
    const { status, steady_states: { during }, rollbacks } = journalSchema.parse(JSON.parse(readFileSync(journal, 'utf8')))
    const isEnded = status !== 'completed' && during.at(-1)?.steady_state_met === false && rollbacks.length === 1 && rollbacks[0]?.status === 'succeeded'
    if (!isEnded) throw new Error(`the hypothesis did not end the experiment, which is ${status}`)
  },
})

/** The same pause as faultline's: SIGSTOP to the backend, which is one process, and SIGCONT. */
function experimentOf({ url, backend: { pid } }: Lane): object {
  const signal = (name: string, which: string) => ({ type: 'action', name, provider: { type: 'process', path: 'sh', arguments: ['-c', `kill -${which} ${pid}`] } })
  const step = { type: 'action', name: 'wait', provider: { type: 'python', module: 'os', func: 'getpid' }, pauses: { after: stepS } }
  return {
    version: '1.0.0', title: 'The service answers though its backend is paused', description: 'It does not.',
    'steady-state-hypothesis': { title: 'It answers', probes: [{ type: 'probe', name: 'it-answers', tolerance: 200, provider: { type: 'http', url, timeout: probeTimeoutS } }] },
    method: [signal('pause', 'STOP'), ...Array.from({ length: methodS / stepS }, () => step)],
    rollbacks: [signal('continue', 'CONT')],
  }
}

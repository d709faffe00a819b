import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isStopped, readProcess } from '#shared/process/process-table.ts'
import { before, startFaultline, type Ended, type FaultlineCommand } from './faultline-command.ts'
import { until } from './until.ts'
import { startWorker } from './worker.ts'

/** A pause of the worker, gated by how much work is done; the default lease, 3 s. */
export const pauseExperiment = ({ minimum = 0, duration = '60s', hold = '4s' } = {}) => `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: pause-worker}
faults:
  - {kind: pause, target: {process: {match: faultline-test-worker}}, at: 1s, duration: ${duration}}
gates:
  - {name: works, promql: {query: 'sum(rate(work_done_total[3s]))', min: ${minimum}}}
  - {name: works-again, phase: recovery, promql: {query: 'sum(rate(work_done_total[3s]))', min: 1}}
hold: ${hold}
recovery: {within: 20s, stable: 1s}
`

export interface PauseRoom extends AsyncDisposable {
  /** Where commands put their temporary files; empty when nothing is under way. */
  temporary: string
  results: string
  file: string
  worker: { pid: number; address: string; workerPid: () => number }
  isPaused(): boolean
}

/** A worker to pause, an experiment that does, and folders for a command. */
export async function startPauseRoom(text: string): Promise<PauseRoom> {
  const folder = mkdtempSync(join(tmpdir(), 'room-'))
  const [temporary, results, file] = [join(folder, 'temporary'), join(folder, 'results'), join(folder, 'experiment.yaml')]
  mkdirSync(temporary)
  writeFileSync(file, text)
  const worker = await startWorker()
  return {
    temporary, results, file, worker,
    isPaused() {
      const entry = readProcess(worker.workerPid())
      return entry !== undefined && isStopped(entry)
    },
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** `faultline run` of the room's experiment, on its worker. */
export function runIn({ file, worker, results, temporary }: PauseRoom, ...more: string[]): FaultlineCommand {
  return startFaultline(['run', file, '--allow', `worker=${worker.pid}`, '--scrape', worker.address, '--results', results, ...more], { temporary })
}

/** Resolves when the fault is there. */
export function untilPaused(room: PauseRoom, ended: Promise<Ended>): Promise<number> {
  return before(ended, until('the worker is paused', room.isPaused, 60_000), 'the fault')
}

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { newCommandKeys } from '#shared/bus-nats.ts'
import { readProcess } from '#shared/process/process-table.ts'
import type { Bench } from './bench.ts'
import { head, row } from './figures.ts'
import { startStage } from './stage.ts'

const mostMiB = 80
const mostShare = 0.005
/** Node.js grows for some seconds after its start. */
const settleMs = 15_000
const lookMs = 2_000
/** Linux says times in hundredths of a second, whatever the kernel's own clock (proc_pid_stat(5), sysconf(3) _SC_CLK_TCK). */
const ticksPerSecond = 100

/** The agent of a node as Kubernetes starts it, with nothing to do but to be there: it looks for a halt at each tick, tells that it is there, and hears NATS. */
export const idle: Bench = {
  name: 'idle',
  summary: "the idle agent's memory and CPU",
  async run({ runs, print, tell, signal }) {
    await using stage = await startStage()
    const logs = join(stage.folder, 'pod-logs')
    mkdirSync(logs)
    const start = () => stage.start('injector', {
      'injector.driver': 'node', 'injector.node': 'bench', 'injector.stateFolder': stage.journal, 'injector.podLogsFolder': logs, 'injector.containerLogsFolder': logs,
      'vouchers.publicKey': newCommandKeys().commandKey,
    })
    await (await start()).stop() // fills the compile cache, as the build of an image does
    const { pid } = await start()
    tell(`the agent settles for ${settleMs / 1_000} s, then is watched for ${runs * lookMs / 1_000} s`)
    await delay(settleMs, undefined, { signal })
    const beganMs = performance.now()
    const beganTicks = cpuTicksOf(pid)
    const looks: Memory[] = []
    for (let look = 0; look < runs; look += 1) {
      await delay(lookMs, undefined, { signal })
      looks.push(memoryOf(pid))
    }
    const share = (cpuTicksOf(pid) - beganTicks) / ticksPerSecond / ((performance.now() - beganMs) / 1_000)
    const most = looks.reduce((a, b) => a.residentMiB > b.residentMiB ? a : b)
    const printShare = (of: number) => `${(of * 100).toFixed(2)} % of a core`
    const printMiB = (of: number) => `${of.toFixed(1)} MiB`
    print(head('the idle agent of a node', 'measured', 'bar'))
    print(row('memory, the most of all looks (resident: its own and what it has mapped)', printMiB(most.residentMiB), `less than ${mostMiB} MiB`))
    print(row('of that its own (anonymous)', printMiB(most.ownMiB), '–'))
    print(row(`CPU, over ${Math.round((performance.now() - beganMs) / 1_000)} s`, printShare(share), `less than ${printShare(mostShare)}`))
    return [
      ...most.residentMiB < mostMiB ? [] : [`the idle agent has ${printMiB(most.residentMiB)}, not less than ${mostMiB} MiB`],
      ...share < mostShare ? [] : [`the idle agent takes ${printShare(share)}, not less than ${printShare(mostShare)}`],
    ]
  },
}

interface Memory { residentMiB: number; ownMiB: number }

/** proc_pid_status(5): VmRSS is all that is in memory of it, RssAnon what is backed by no file. */
function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mebibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN) / 1_024
  return { residentMiB: mebibytes('VmRSS'), ownMiB: mebibytes('RssAnon') }
}

function cpuTicksOf(pid: number): number {
  const entry = readProcess(pid)
  if (!entry) throw new Error('the agent has ended while it was watched')
  return entry.cpuTicks
}

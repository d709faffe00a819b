import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { inNamespace } from './commands.ts'
import { clusterEnvironment } from './kubectl.ts'
import { checkUser } from './machine.ts'
import { controlPlaneNamespace } from './paths.ts'
import { settingsOfRunningCluster } from './settings.ts'

/** Runs a command in the control plane's network with the administrator's KUBECONFIG. Returns its exit code. */
export async function runCommand(command: readonly string[]): Promise<number> {
  checkUser()
  settingsOfRunningCluster()
  const [program = '', ...args] = inNamespace(controlPlaneNamespace, ...command)
  const child = spawn(program, args, { stdio: 'inherit', env: clusterEnvironment() })
  process.on('SIGINT', () => {}) // a terminal sends it to the command too, which says how it ends
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  await once(child, 'exit')
  return child.exitCode ?? 128 + (child.signalCode ? constants.signals[child.signalCode] : 0)
}

/**
 * The matrix runs in namespaces of its own: of processes, so that whatever it has started ends with it, however it ends; of the network, so that
 * every port is free and nothing leaves the machine; of mounts, so that the small disks it fills are nobody else's.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { toolPath } from '#shared/tools.mjs'

const variable = 'FAULTLINE_CRASH_MATRIX_FOLDER'

/** The folder of the matrix, when this process is in its namespaces already. */
export const folderInside = (): string | undefined => process.env[variable]

/** Runs the program again in new namespaces; resolves with its exit code when nothing of it is left. As root. */
export async function runInside(program: string, args: readonly string[]): Promise<number> {
  if (process.getuid?.() !== 0) {
    console.error('crash-matrix: needs root, for namespaces of processes, network and mounts of its own')
    return 4
  }
  const folder = mkdtempSync(join(tmpdir(), 'crash-matrix-'))
  try {
    // the first process of a namespace takes up orphans and must wait for them: a shell does. At its end the kernel kills all others.
    const first = '"$IP" link set lo up && { "$0" "$@" & wait $!; }'
    const child = spawn(toolPath('setpriv'), [
      '--pdeathsig', 'KILL', toolPath('unshare'), '--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', first, process.execPath, program, ...args,
    ], { stdio: 'inherit', env: { ...process.env, [variable]: folder, IP: toolPath('ip') } })
    let told: NodeJS.Signals | undefined
    const end = (signal: NodeJS.Signals) => {
      told = signal
      child.kill('SIGKILL') // it would ignore what is milder while it waits
    }
    process.on('SIGINT', end).on('SIGTERM', end)
    const [code] = await once(child, 'exit') as [number | null]
    return code ?? 128 + constants.signals[told ?? 'SIGKILL']
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

import { toolPath } from '#shared/tools.mjs'
import type { ChildPlan } from '#shared/process/child-plan.ts'

/** Redis in memory only: carts and cache are not worth a disk here. Its port has no password and is on loopback. */
export function redisPlan({ folder, port }: { folder: string; port: number }): ChildPlan & { url: string } {
  return {
    name: 'redis',
    argv: [toolPath('redis-server'), '--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '', '--appendonly', 'no'],
    env: {}, cwd: folder,
    ready: { kind: 'tcp', port },
    url: `redis://127.0.0.1:${port}/0`,
  }
}

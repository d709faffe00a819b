import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toolPath } from '#shared/tools.mjs'
import type { ChildPlan } from '#shared/process/child-plan.ts'

/** nats-server with JetStream on file storage; every write is on disk before it is acknowledged (the default is two minutes later). */
export function natsServerPlan({ folder, port, token }: { folder: string; port: number; token: string }): ChildPlan {
  const config = join(folder, 'nats.conf')
  writeFileSync(config, `
listen: "127.0.0.1:${port}"
authorization { token: ${JSON.stringify(token)} }
jetstream { store_dir: ${JSON.stringify(join(folder, 'jetstream'))}, sync_interval: always }
max_payload: 8MB
`, { mode: 0o600 })
  return { name: 'nats-server', argv: [toolPath('nats-server'), '-c', config], env: {}, cwd: folder, ready: { kind: 'tcp', port } }
}

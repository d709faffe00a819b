import { connect } from 'node:net'
import type { ChildPlan } from '#shared/process/child-plan.ts'

/** One look at whether a child is there, by what its plan says of that. `log`: what it has printed so far. */
export async function isReady({ ready }: Pick<ChildPlan, 'ready'>, log: string, { answerWithinMs = 1_000 } = {}): Promise<boolean> {
  switch (ready.kind) {
    case 'log': return log.includes(ready.pattern)
    case 'http': return fetch(ready.url, { signal: AbortSignal.timeout(answerWithinMs) }).then(response => response.ok, () => false)
    case 'tcp': return new Promise(resolve => {
      const socket = connect(ready.port, '127.0.0.1')
      socket.once('connect', () => { socket.destroy(); resolve(true) }).once('error', () => resolve(false))
    })
  }
}

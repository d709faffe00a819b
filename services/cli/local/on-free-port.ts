import { ChildFailed } from '#shared/process/children.ts'
import { freePort } from '#shared/process/free-port.ts'

/** A port that was free may be taken a moment later by somebody else: then another is tried. */
export async function onFreePort(start: (port: number) => Promise<unknown>): Promise<number> {
  for (let triesLeft = 3; ; triesLeft--) {
    const port = await freePort()
    try {
      await start(port)
      return port
    } catch (error) {
      if (!(error instanceof ChildFailed) || triesLeft === 1) throw error
    }
  }
}

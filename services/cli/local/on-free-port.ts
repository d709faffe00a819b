import { ChildFailed } from '#shared/process/children.ts'
import { freePort } from '#shared/process/free-port.ts'

/** A port that was free may be taken a moment later by somebody else: then another is tried. Gives what `start` gives. */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let triesLeft = 3; ; triesLeft--) {
    try {
      return await start(await freePort())
    } catch (error) {
      if (!(error instanceof ChildFailed) || triesLeft === 1) throw error
    }
  }
}

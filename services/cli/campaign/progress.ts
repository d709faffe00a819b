/** Where a campaign stands, for people who wait: one line at a time, with the step and how long it all takes already. */
import { Writable } from 'node:stream'

export interface Progress { say(step: string | undefined, doing: string): void }

/** `places`: of each step, from 1. */
export function progressTo(output: NodeJS.WritableStream, places: ReadonlyMap<string, number>): Progress {
  const startedMs = performance.now()
  return {
    say(step, doing) {
      const place = step === undefined ? '' : `[${places.get(step) ?? '?'}/${places.size} ${step}] `
      output.write(`${elapsed(performance.now() - startedMs)} ${place}${doing}\n`)
    },
  }
}

/** ` 12:03`, minutes and seconds. */
function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  return `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')}`
}

/** What is written to it, a line at a time. */
export function linesTo(say: (line: string) => void): Writable {
  let rest = ''
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) say(line)
      done()
    },
  })
}

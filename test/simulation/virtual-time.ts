import { syncBuiltinESMExports } from 'node:module'
import promises from 'node:timers/promises'
import { Died, drained, type Event, type World } from './world.ts'

/**
 * The services know timers of their platform only: setTimeout, setInterval and timers/promises. Here they are replaced, once for the whole
 * Node process, by such that count the time of the world that runs. Outside of a world's events they are what they were.
 */
const real = { setTimeout: globalThis.setTimeout, setInterval: globalThis.setInterval, clear: globalThis.clearTimeout, delay: promises.setTimeout }
let running: World | undefined

/** Has the timers of this Node process belong to that world for as long as `work` takes. One world at a time. */
export async function inVirtualTime<T>(world: World, work: () => Promise<T>): Promise<T> {
  if (running) throw new Error('a world is running already, and there is one clock')
  running = world
  const onStray = (error: unknown) => { if (!(error instanceof Died)) world.strays.push(error) }
  process.on('unhandledRejection', onStray)
  try {
    return await work()
  } finally {
    await drained()
    process.off('unhandledRejection', onStray)
    running = undefined
  }
}

class VirtualTimer {
  event: Event | undefined
  isOff = false

  again(delayMs: number, happens: () => void): void {
    if (running && !this.isOff) this.event = running.after(delayMs, running.current, happens)
  }

  stop(): void {
    this.isOff = true
    if (this.event) this.event.isOff = true
  }

  ref(): this { return this }
  unref(): this { return this }
  hasRef(): boolean { return true }
}

type Callback = (...args: unknown[]) => void

/** A timer's least time is a millisecond, as in Node. */
const least = (delayMs: unknown) => Math.max(1, Number(delayMs) || 0)

function setTimeoutVirtually(callback: Callback, delayMs?: number, ...args: unknown[]): unknown {
  if (!running?.current) return real.setTimeout(callback, delayMs, ...args)
  const timer = new VirtualTimer()
  timer.again(least(delayMs), () => callback(...args))
  return timer
}

/** The next turn counts from when this one came, however late: turns that were missed are not made up for. */
function setIntervalVirtually(callback: Callback, delayMs?: number, ...args: unknown[]): unknown {
  if (!running?.current) return real.setInterval(callback, delayMs, ...args)
  const timer = new VirtualTimer()
  const turn = () => {
    timer.again(least(delayMs), turn)
    callback(...args)
  }
  timer.again(least(delayMs), turn)
  return timer
}

function clearVirtually(timer: unknown): void {
  if (timer instanceof VirtualTimer) timer.stop()
  else real.clear(timer as NodeJS.Timeout)
}

function delayVirtually(delayMs?: number, value?: unknown, options?: { signal?: AbortSignal }): Promise<unknown> {
  if (!running?.current) return real.delay(delayMs, value, options)
  return new Promise((resolve, reject) => {
    const timer = new VirtualTimer()
    timer.again(least(delayMs), () => resolve(value))
    options?.signal?.addEventListener('abort', () => {
      timer.stop()
      reject(new DOMException('The operation was aborted', 'AbortError'))
    }, { once: true })
  })
}

Object.assign(globalThis, { setTimeout: setTimeoutVirtually, setInterval: setIntervalVirtually, clearTimeout: clearVirtually, clearInterval: clearVirtually })
Object.assign(promises, { setTimeout: delayVirtually })
syncBuiltinESMExports() // `import { setTimeout } from 'node:timers/promises'` is bound to what the module has now

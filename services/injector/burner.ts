/** Keeps one processor busy for a share of the time. Synchronous: it has nothing else to do. Its life is told in worker-life.ts. */
import { awaitWord, beginLife } from './worker-life.ts'

const sliceMs = 100
const { settings, isWanted } = beginLife()
const busyMs = sliceMs * Number(settings) / 100
const clock = new Int32Array(new SharedArrayBuffer(4))

awaitWord()
while (isWanted()) {
  const began = performance.now()
  while (performance.now() < began + busyMs) { /* this is the burning */ }
  Atomics.wait(clock, 0, 0, Math.max(0, began + sliceMs - performance.now()))
}

/**
 * Holds memory: so many bytes, each page written, until it is not wanted any more. Synchronous: it has nothing else to do. Its life is told in
 * worker-life.ts. Of all in its cgroup the kernel is to kill it first, not the target, when the limit is reached.
 */
import { writeFileSync } from 'node:fs'
import { awaitWord, beginLife, lookMs } from './worker-life.ts'

const chunkBytes = 16 * 2 ** 20
const { settings, isWanted } = beginLife()
const clock = new Int32Array(new SharedArrayBuffer(4))
const held: Buffer[] = []

awaitWord()
writeFileSync('/proc/self/oom_score_adj', '1000')
for (let left = Number(settings); left > 0 && isWanted(); left -= chunkBytes) {
  held.push(Buffer.allocUnsafeSlow(Math.min(chunkBytes, left)).fill(held.length % 255 + 1))
}
while (isWanted()) Atomics.wait(clock, 0, 0, lookMs)

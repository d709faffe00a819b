/**
 * For what runs the tests (run.mjs, cluster/run.mjs): nothing that it has started outlives it, however it ends. A process beside it (run-keeper.ts) sees its end by a
 * pipe, as the kernel closes that after SIGKILL, too, and ends whoever is left. At SIGINT, SIGTERM and SIGHUP that is waited for, and the exit code is 128 and the signal's number.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

/** Each process that is started from here on has this in its environment, with the mark of every run within which this one is. */
const variable = 'FAULTLINE_TEST_RUN'
const mark = randomUUID()

/** @typedef {{ status: number | null, signal: string | null }} Ended */

/**
 * Begins to watch over this process.
 * @param {string} node a Node.js that runs TypeScript
 */
export function watchRun(node) {
  const keeper = spawn(node, [fileURLToPath(new URL('run-keeper.ts', import.meta.url)), `${variable}=`, mark], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] })
  const gone = once(keeper, 'exit').catch(error => console.error(`what the tests start is watched by nobody: ${error.message}`))
  keeper.stdin.on('error', () => undefined) // a keeper that was killed: nothing more can be said to it
  process.env[variable] = [process.env[variable], mark].filter(Boolean).join(' ')
  /** @type {keyof typeof constants.signals | undefined} */
  let signalled
  /** @param {number} code @returns {Promise<never>} */
  const exit = async code => {
    keeper.stdin.end()
    await gone
    return process.exit(signalled === undefined ? code : 128 + constants.signals[signalled])
  }
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.once(signal, () => { // a second one ends this process at once; the keeper goes on
      signalled ??= signal
      void exit(0)
    })
  }
  return {
    /**
     * Resolves when the child has ended and what it printed is read; never once a signal has come, so that nothing more is begun.
     * @param {import('node:child_process').ChildProcess} child @returns {Promise<Ended>}
     */
    async ended(child) {
      const [status, signal] = await once(child, 'close')
      return signalled === undefined ? { status, signal } : new Promise(() => {})
    },
    /** A command that is run when all else has ended, in place of the one that was named before; none when nothing is named. @param {readonly string[]} argv */
    atEnd: (...argv) => void keeper.stdin.write(`${JSON.stringify(argv)}\n`),
    /** Ends this process when nothing is left that it has started. */
    exit,
  }
}

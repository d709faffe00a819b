import { spawn } from 'node:child_process'
import { heldLock } from './lock.mjs'

/** A command of set-up could not be started, or ended with an error; the message holds everything it printed. */
export class CommandFailed extends Error {
  /** @param {string} command @param {readonly string[]} args @param {string} how @param {string} output */
  constructor(command, args, how, output) {
    super(`${[command, ...args].join(' ')}: ${how}${output ? `\n${output}` : ''}`)
    this.name = 'CommandFailed'
    this.code = 'command_failed'
  }
}

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

/**
 * Runs a command to its end, quietly.
 *
 * It gets a process group of its own, so that an interrupted set-up can end all of it, and holds set-up's lock too: when
 * set-up itself is killed, the next one waits until what the first had started is over.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<string>} what it printed on standard output
 * @throws {CommandFailed}
 */
export function runCommand(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe', heldLock() ?? 'ignore'] })
    running.add(child)
    let printed = ''
    let everything = ''
    child.stdout?.on('data', data => { printed += data; everything += data })
    child.stderr?.on('data', data => { everything += data })
    child.once('error', error => {
      running.delete(child)
      reject(new CommandFailed(command, args, error.message, ''))
    })
    child.once('close', (code, signal) => {
      running.delete(child)
      if (code === 0) resolve(printed)
      else reject(new CommandFailed(command, args, signal ? `ended by ${signal}` : `exit code ${code}`, everything.trim()))
    })
  })
}

/** Ends every command that is still running, with its descendants. Half-made folders are the next set-up's to remove. */
export function endRunningCommands() {
  for (const { pid } of running) {
    if (pid === undefined) continue
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // it ended in this moment
    }
  }
}

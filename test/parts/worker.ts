import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** A worker that reports each piece of work to its parent, which counts them where Prometheus can see it: a stopped worker is counted no more. */
export async function startWorker(): Promise<AsyncDisposable & { pid: number; address: string; workerPid(): number }> {
  const work = 'setInterval(() => process.send(1), 10)'
  const program = `
    let done = 0
    const { spawn } = require('node:child_process')
    const worker = spawn(process.execPath, ['-e', ${JSON.stringify(work)}, 'faultline-test-worker'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }).on('message', () => done++)
    const server = require('node:http').createServer((_, response) => response.end('work_done_total ' + done + '\\n'))
    worker.once('message', () => server.listen(0, '127.0.0.1', () => console.log(server.address().port))) // by then it is what its command line says`
  // not in its arguments: the parent's own command line must not match what the worker is called
  const parent = spawn(process.execPath, ['-e', 'eval(process.env.PROGRAM)'], { stdio: ['ignore', 'pipe', 'inherit'], detached: true, env: { ...process.env, PROGRAM: program } })
  const [port] = await once(parent.stdout, 'data') as [Buffer]
  const { pid = 0 } = parent
  return {
    pid, workerPid: () => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]), address: `127.0.0.1:${port.toString().trim()}`,
    async [Symbol.asyncDispose]() {
      const ended = once(parent, 'exit')
      process.kill(-pid, 'SIGKILL')
      await ended
    },
  }
}

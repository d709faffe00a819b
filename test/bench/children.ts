import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChildPlan } from '#shared/process/child-plan.ts'
import { Children } from '#shared/process/children.ts'
import { freePort } from '#shared/process/free-port.ts'

export interface BenchChildren extends AsyncDisposable {
  /** Theirs; gone with them. */
  folder: string
  /** Where an agent among them keeps its journal: what it holds at the end is undone. */
  journal: string
  children: Children
}

const revertAll = fileURLToPath(new URL('../../services/injector/revert-all.ts', import.meta.url))

/** Processes of a bench, with a folder; a keeper ends them and removes it, however this process ends. */
export function benchChildren(): BenchChildren {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-bench-'))
  const journal = join(folder, 'journal')
  const children = new Children(folder, { atEnd: [process.execPath, revertAll, journal] })
  return { folder, journal, children, [Symbol.asyncDispose]: () => children.close() }
}

/** A program of test/bench/target that listens on a port which it takes as its first argument, as one of these children. */
export async function targetPlan(folder: string, name: string, program: 'backend' | 'gateway', more: readonly string[] = []): Promise<ChildPlan & { url: string; port: number }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  return {
    name, argv: [process.execPath, fileURLToPath(new URL(`target/${program}.ts`, import.meta.url)), String(port), ...more], env: {}, cwd: folder,
    ready: { kind: 'http', url: `${url}/metrics` }, url, port,
  }
}

import type { CorruptFile, Journal, JournalEntry, Lease, Memory, Reverted } from '../../services/injector/journal.ts'
import type { Process } from './world.ts'

/**
 * What journal.ts keeps in a folder: whole files, replaced at once. One that was synced outlives the machine's power, one that was not only the
 * process. `lies`: it says that it has synced and has not, as disks with a cache of their own do.
 */
export class Disk {
  isFull = false
  lies = false
  /** Called when it has refused a write, and when the power took something that was said to be safe. */
  onFault: ((is: 'disk-full' | 'fsync-lies') => void) | undefined
  readonly #now = new Map<string, unknown>()
  #safe = new Map<string, unknown>()
  /** Names whose last change was said to be safe and is not. */
  readonly #doubtful = new Set<string>()

  write(file: string, value: unknown, { sync }: { sync: boolean }): void {
    if (this.isFull) {
      this.onFault?.('disk-full')
      throw new Error(`ENOSPC: no space left on device, write '${file}'`)
    }
    this.#now.set(file, structuredClone(value))
    if (sync) this.#sync(file)
  }

  read(file: string): unknown {
    return structuredClone(this.#now.get(file))
  }

  has(file: string): boolean {
    return this.#now.has(file)
  }

  remove(file: string): void {
    if (this.#now.delete(file)) this.#sync(file)
  }

  names(): string[] {
    return [...this.#now.keys()]
  }

  /** Everything that was not synced is as it was before. */
  losePower(): void {
    if (this.#doubtful.size > 0) this.onFault?.('fsync-lies')
    this.#doubtful.clear()
    this.#now.clear()
    for (const [file, value] of this.#safe) this.#now.set(file, value)
  }

  #sync(file: string): void {
    if (this.lies) {
      this.#doubtful.add(file)
      return
    }
    const value = this.#now.get(file)
    if (value === undefined) this.#safe.delete(file)
    else this.#safe.set(file, value)
  }
}

/** The journal of journal.ts on that disk, as one process sees it: every change is a step of the process. Nothing on this disk is ever spoilt. */
export function journalOn(disk: Disk, process: Process): Journal {
  const write = (file: string, value: unknown, sync: boolean) => {
    process.step(`write ${file}`)
    disk.write(file, value, { sync })
  }
  return {
    folder: 'journal',
    write: (entry: JournalEntry) => write(`${entry.id}.entry`, entry, true),
    read: id => disk.read(`${id}.entry`) as JournalEntry | undefined,
    writeLease: (id: string, lease: Lease) => write(`${id}.lease`, lease, false),
    readLease: id => disk.read(`${id}.lease`) as Lease | undefined,
    markReverted(id: string, reverted: Reverted) {
      if (!disk.has(`${id}.reverted`)) write(`${id}.reverted`, reverted, true)
    },
    readReverted: id => disk.read(`${id}.reverted`) as Reverted | undefined,
    isHeld: id => disk.has(`${id}.entry`) && !disk.has(`${id}.reverted`),
    isThere: () => true,
    remove(id: string) {
      for (const part of ['entry', 'lease', 'reverted']) {
        process.step(`remove ${id}.${part}`)
        disk.remove(`${id}.${part}`)
      }
    },
    remember: (memory: Memory) => write('memory', memory, true),
    load() {
      const files = disk.names()
      for (const file of files) if (/\.(lease|reverted)$/.test(file) && !files.includes(file.replace(/\.\w+$/, '.entry'))) disk.remove(file)
      return {
        memory: disk.read('memory') as Memory | undefined ?? { highestEpoch: null, tombstones: [] },
        entries: files.filter(file => file.endsWith('.entry')).map(file => disk.read(file) as JournalEntry),
        corrupt: [] as CorruptFile[], halfWritten: [],
      }
    },
  }
}

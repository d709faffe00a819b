import { createHash } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '#shared/errors.ts'
import type { Epoch } from '#shared/epoch.ts'
import type { BoundTarget } from '#shared/target.ts'
import type { FaultName, Observation, RevertCause } from './core.ts'
import type { ProcessId } from '#shared/process/process-table.ts'

/**
 * What has to be undone, on disk before it is done. For each fault, by the hash of its name: `<id>.entry` (what to undo),
 * `<id>.lease` (until when), `<id>.reverted` (who undid it). Each file is written whole beside its place and renamed, and carries its own
 * checksum: what does not match it is reported, and stays for a person to look at. Imported by the reverter, so it imports little.
 */
export interface JournalEntry extends FaultName {
  id: string
  kind: string
  /** After a reboot PIDs and tables mean nothing, and everything faultline does is gone. */
  bootId: string
  targets: BoundTarget[]
  /** Undone last to first. */
  undos: Undo[]
}

export type Undo =
  | { undo: 'nothing' }
  /** SIGCONT to these and to what is found below them, but not to `leave`: they were stopped before the fault. */
  | { undo: 'continue'; processes: ProcessId[]; leave: ProcessId[] }
  | { undo: 'end'; processes: ProcessId[] }
  | ApiUndo
  | DeleteTable
  | { undo: 'delete-queues'; table: DeleteTable; tc: string; devices: string[] }
  | { undo: 'end-diversion'; table: DeleteTable; processes: ProcessId[] }

/** A table of the family netdev, unless it says inet. */
interface DeleteTable { undo: 'delete-table'; family?: 'netdev' | 'inet'; nft: string; nsenter: string; table: string; namespace: string; process: ProcessId }

/** Undone through the Kubernetes API, or by the power service: these outlive the machine. `mark`: what the fault wrote on the node. */
export type ApiUndo =
  | { undo: 'uncordon'; node: string; uid: string; mark: string }
  | { undo: 'scale-back'; kind: 'Deployment' | 'StatefulSet'; namespace: string; name: string; uid: string; from: number; to: number }
  | { undo: 'power-on'; node: string; holder: string }
const apiUndos: readonly Undo['undo'][] = ['uncordon', 'scale-back', 'power-on'] satisfies ApiUndo['undo'][]
export const isApiUndo = (undo: Undo): undo is ApiUndo => apiUndos.includes(undo.undo)

/** Milliseconds of the monotonic clock, which all processes of one boot share. `endsMs` null: instant. */
export interface Lease { leaseEndsMs: number; endsMs: number | null }
export interface Reverted { cause: RevertCause; observation: Observation }
/** What outlives a restart beside the faults. */
export interface Memory { highestEpoch: Epoch | null; tombstones: readonly string[] }
export interface CorruptFile { file: string; why: string }

/** Short, and safe in a path, an argument and a table's name. */
export const entryId = ({ run, fault }: FaultName): string => createHash('sha256').update(`${run}\n${fault}`).digest('hex').slice(0, 20)

export type Journal = ReturnType<typeof openJournal>

/** Makes the folder if need be. Everything here is synchronous: it is over, on disk, when it returns. */
export function openJournal(folder: string) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = (file: string) => join(folder, file)
  return {
    folder,
    write: (entry: JournalEntry) => writeDurably(folder, `${entry.id}.entry`, entry),
    /** Undefined when there is none. Throws when it is corrupt. */
    read: (id: string) => readWhole<JournalEntry>(path(`${id}.entry`)),
    writeLease: (id: string, lease: Lease) => writeWhole(folder, `${id}.lease`, lease),
    readLease: (id: string) => readWhole<Lease>(path(`${id}.lease`)),
    /** The first to say so is believed; later ones change nothing. */
    markReverted(id: string, reverted: Reverted): void {
      if (!existsSync(path(`${id}.reverted`))) writeDurably(folder, `${id}.reverted`, reverted)
    },
    readReverted: (id: string) => readWhole<Reverted>(path(`${id}.reverted`)),
    isHeld: (id: string) => existsSync(path(`${id}.entry`)) && !existsSync(path(`${id}.reverted`)),
    isThere: () => existsSync(folder),
    remove(id: string): void {
      for (const part of ['entry', 'lease', 'reverted']) rmSync(path(`${id}.${part}`), { force: true })
      syncFolder(folder)
    },
    remember: (memory: Memory) => writeDurably(folder, 'memory', memory),
    /** What is on disk, and what of it cannot be read. Half-written files were never in force: they are reported and removed. */
    load(): { memory: Memory; entries: JournalEntry[]; corrupt: CorruptFile[]; halfWritten: string[] } {
      const files = readdirSync(folder)
      const corrupt: CorruptFile[] = []
      const attempt = <T>(file: string): T | undefined => {
        try {
          return readWhole<T>(path(file))
        } catch (error) {
          corrupt.push({ file: path(file), why: messageOf(error) })
          return undefined
        }
      }
      const halfWritten = files.filter(file => file.includes('.half-'))
      for (const file of halfWritten) rmSync(path(file), { force: true })
      // whoever dies while it removes an entry, or before it writes one, leaves these: a new fault must not find them
      const isOrphan = (file: string) => /\.(lease|reverted)$/.test(file) && !files.includes(file.replace(/\.\w+$/, '.entry'))
      for (const file of files.filter(isOrphan)) rmSync(path(file), { force: true })
      const entries = files.filter(file => file.endsWith('.entry')).flatMap(file => attempt<JournalEntry>(file) ?? [])
      return { memory: attempt<Memory>('memory') ?? { highestEpoch: null, tombstones: [] }, entries, corrupt, halfWritten }
    },
  }
}

function writeDurably(folder: string, file: string, value: unknown): void {
  writeWhole(folder, file, value, fsyncSync)
  syncFolder(folder)
}

/** Renaming is atomic: a reader sees the old file or the new one. On a disk that has no room for it, the old one stays, and nothing else. */
function writeWhole(folder: string, file: string, value: unknown, sync: (descriptor: number) => void = () => undefined): void {
  const body = JSON.stringify(value)
  const half = join(folder, `${file}.half-${process.pid}`)
  try {
    const descriptor = openSync(half, 'w', 0o600)
    try {
      writeFileSync(descriptor, `${checksum(body)}\n${body}\n`) // all of it: writeSync may stop where the disk is full, and say so only by a number
      sync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(half, join(folder, file))
  } catch (error) {
    rmSync(half, { force: true })
    throw error
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** A file that carries its own checksum was written by `writeWhole`, so its shape is the one that was written. */
function readWhole<T>(path: string): T | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const [sum = '', body = ''] = text.split('\n')
  if (checksum(body) !== sum) throw new Error('the checksum does not match: half-written, or changed by somebody')
  return JSON.parse(body) as T
}

const checksum = (text: string): string => createHash('sha256').update(text).digest('hex')

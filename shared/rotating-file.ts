import { readFileSync, statSync } from 'node:fs'
import type { Logger } from 'pino'
import { SettingInvalid } from '#shared/config.ts'
import { messageOf } from '#shared/errors.ts'

export interface RotatingFileOptions<T> {
  path: string
  /** Gives the content, or problems in words, which tell nothing that may be secret. */
  read(text: string): { content: T } | { problems: readonly string[] }
  /** What counts while there is no file; without it there must be one. */
  absent?: T
  log: Pick<Logger, 'error' | 'info'>
  /** Monotonic. */
  nowMs?(): number
}

/** How soon a change counts. */
const lookEveryMs = 1_000

/**
 * The content of a file that may be replaced while the service runs, such as one of a mounted Secret: it is looked at when it is asked for, once a second at
 * most, and read again when it is another. Throws SettingInvalid for a file that is wrong at the start. One that is wrong later, or gone where it may not be
 * absent, is told once, and what it held before goes on to count: whoever has to stop a run is not locked out by a slip of the pen.
 */
export function openRotatingFile<T>({ path, read, absent, log, nowMs = () => performance.now() }: RotatingFileOptions<T>): () => T {
  let { stamp, content } = look()
  let lookedAtMs = nowMs()

  function look(): { stamp: string; content: T } {
    const now = stampOf(path)
    if (now === gone && absent !== undefined) return { stamp: now, content: absent }
    try {
      const found = read(readFileSync(path, 'utf8'))
      if ('content' in found) return { stamp: now, content: found.content }
      throw new SettingInvalid(`${path}: ${found.problems.join('; ')}`)
    } catch (cause) {
      if (cause instanceof SettingInvalid) throw cause
      throw new SettingInvalid(`${path} cannot be read: ${messageOf(cause)}`, { cause })
    }
  }

  return () => {
    if (nowMs() - lookedAtMs < lookEveryMs) return content
    lookedAtMs = nowMs()
    const now = stampOf(path)
    if (now === stamp) return content
    stamp = now
    try {
      ({ stamp, content } = look())
      log.info({ file: path }, 'the file has changed, and was read again')
    } catch (error) {
      log.error({ why: messageOf(error) }, 'a file that has changed cannot be used; what it held before still counts')
    }
    return content
  }
}

const gone = 'gone'

/** What is replaced by renaming has another inode; what is written in place, another time or size. */
function stampOf(path: string): string {
  try {
    const { dev, ino, mtimeNs, size } = statSync(path, { bigint: true })
    return `${dev}:${ino}:${mtimeNs}:${size}`
  } catch {
    return gone
  }
}

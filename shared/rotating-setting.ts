import type { Logger } from 'pino'
import type { Config, SettingName } from '#shared/config.ts'
import { learnSecret } from '#shared/redaction.ts'
import { openRotatingFile } from '#shared/rotating-file.ts'

/**
 * A secret setting as it is now, where it came from a file (a variable in _FILE): it is another as soon as the file is. An empty file is a slip, and changes
 * nothing. Undefined where it came from elsewhere: then it stays what it is. Throws SettingInvalid for a file that is wrong at the start.
 */
export function rotatingSetting(config: Config, name: SettingName, log: Pick<Logger, 'error' | 'info'>): (() => string) | undefined {
  const path = config.fileOf(name)
  if (path === undefined) return undefined
  return openRotatingFile({
    path, log,
    read(text) {
      const content = text.trim()
      if (content === '') return { problems: [`${name} is empty`] }
      learnSecret(name, content)
      return { content }
    },
  })
}

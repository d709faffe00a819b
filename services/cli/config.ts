import { readSettings } from '#shared/config.ts'

/** Every setting with its value in force and where that came from; secrets are shown as set or not. */
export function printConfig(json: boolean): string {
  const shown = readSettings().map(({ value, secret, ...setting }) => ({ ...setting, value: secret && value !== undefined ? '(set)' : value ?? null }))
  if (json) return `${JSON.stringify(shown, null, 2)}\n`
  const rows = shown.map(({ name, value, from, environment, doc }) => `${name.padEnd(24)} ${(value ?? '(not set)').padEnd(22)} ${from.padEnd(12)} ${environment}\n${' '.repeat(25)}${doc}`)
  return `${rows.join('\n')}\n`
}

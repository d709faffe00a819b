import type { Defence } from '../defence.ts'

const redaction = 'shared/redaction.ts'
const markup = 'services/cli/report/markup.ts'
/** In every kind of report, and on the terminal. */
const visibleIsAsItIs = { file: markup, find: String.raw`  return text.replace(/[\p{Cc}`, put: String.raw`  if (text !== undefined) return text
  return text.replace(/[\p{Cc}` }

/** Rows of THREATS.md on secrets and words of others. */
export const secretDefences: readonly Defence[] = [
  { row: 'secret-told', name: "Prometheus's address is told without its login", changes: [{ file: 'shared/prometheus.ts', find: 'const told = withoutLogin(url)', put: 'const told = url' }] },
  { row: 'secret-told', name: "Locust's address is told without its login", changes: [{ file: 'services/locust-bridge/locust-api.ts', find: 'const told = withoutLogin(base)', put: 'const told = base' }] },
  { row: 'secret-logged', name: 'lines are searched', changes: [{ file: 'shared/log.ts', find: 'level, hooks: { streamWrite: redact },', put: 'level,' }] },
  { row: 'secret-logged', name: 'for a secret as it stands within JSON', changes: [{ file: redaction, find: 'return [value, JSON.stringify(value).slice(1, -1), ', put: 'return [value, ' }] },
  { row: 'secret-logged', name: 'for a secret as it stands in a URL', changes: [{ file: redaction, find: 'encodeURIComponent(value), ', put: '' }] },
  { row: 'secret-logged', name: 'for a login as it stands in a header', changes: [{ file: redaction, find: ', ...basic]', put: ']' }] },
  { row: 'secret-logged', name: 'in every place of a line', changes: [{ file: redaction, find: 'rest.replaceAll(secret, redacted)', put: 'rest.replace(secret, redacted)' }] },
  { row: 'rotated-secret-logged', name: 'what was read later is looked for', changes: [{ file: redaction, find: 'learned.set(value, redactor([{ name, value, secret: true }]))', put: '' }] },
  {
    row: 'rotated-secret-logged', name: 'what is read anew is told to the log', test: { file: 'test/integration/access.test.ts', title: 'a scheduler as a process takes tokens from files, and others as soon as the files are others, without a restart' },
    changes: [{ file: 'shared/rotating-setting.ts', find: '      learnSecret(name, content)\n', put: '' }],
  },
  {
    row: 'rotated-secret-logged', name: 'a seed that is read anew is, too', test: { file: 'test/unit/rotating-keys.test.ts', title: 'a second after the file of a seed is another, its seed signs, and is in no log' },
    changes: [{ file: 'shared/rotating-keys.ts', find: '    learnSecret(name, seed)\n', put: '' }],
  },
  { row: 'openslo-credentials', name: 'left out of what comes from a file', changes: [{ file: 'shared/slo-file.ts', find: 'return parsed.success ? parsed.data : plain\n}', put: 'return plain\n}' }] },
  { row: 'openslo-credentials', name: 'refused in an experiment', changes: [{ file: 'shared/experiment-slos.ts', find: 'details.data.spec.connectionDetails !== undefined) problem', put: 'details.data.spec.connectionDetails === null) problem' }] },
  { row: 'config-shows-secrets', name: 'it says that they are set', changes: [{ file: 'services/cli/config.ts', find: "secret && value !== undefined ? '(set)' : value ?? null", put: 'value ?? null' }] },
  { row: 'nats-passwords', name: 'it names where they come from', changes: [{ file: 'services/cli/nats-authorization.ts', find: 'password: $${passwordVariable(user)}', put: 'password: ${user}-password' }] },
  { row: 'markup', name: 'escaped in the page', changes: [{ file: markup, find: "return visible(String(content)).replace(/[&<>\"']/g", put: "return visible(String(content)).replace(/[&]/g" }] },
  { row: 'markup', name: 'escaped in Markdown', changes: [{ file: 'services/cli/report/report-markdown.ts', find: String.raw`return visible(words).replace(/\s+/g, ' ').replace(`, put: String.raw`return visible(words).replace(/\s+/g, ' ') // .replace(` }] },
  { row: 'markup', name: 'what turns a line around is made visible', changes: [visibleIsAsItIs] },
  { row: 'control-characters', name: 'made visible', changes: [visibleIsAsItIs] },
  { row: 'control-characters', name: 'on one line', changes: [{ file: 'services/cli/live/cells.ts', find: String.raw`visible(words.replace(/\s+/g, ' ').trim())`, put: 'visible(words)' }] },
]

import { readSettings, type SettingInForce, type SettingName } from '#shared/config.ts'

/** What stands in place of a secret. */
export const redacted = '(secret)'
/** A shorter one is no secret, and would black out words of every day. */
const leastLength = 6

/**
 * Takes the values of all secret settings out of a text: which those are the catalogue says (`secret: true` in config.ts), so that a new one is
 * covered without a line here. Each also as it stands within JSON, in a URL and in a header of basic authentication.
 */
export function redactor(settings: readonly Pick<SettingInForce, 'name' | 'value' | 'secret'>[]): (text: string) => string {
  const valueOf = new Map(settings.map(({ name, value }) => [name as string, value]))
  const secrets = settings.flatMap(({ name, value, secret }) => {
    if (!secret || value === undefined || value.length < leastLength) return []
    const user = valueOf.get(name.replace(/password$/, 'user'))
    const basic = name.endsWith('.password') && user !== undefined ? [Buffer.from(`${user}:${value}`).toString('base64')] : []
    return [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value), ...basic]
  })
  const longestFirst = [...new Set(secrets)].sort((a, b) => b.length - a.length)
  return text => longestFirst.reduce((rest, secret) => rest.replaceAll(secret, redacted), text)
}

/** Values that secret settings have come to have since the start, such as a token that was rotated. A few in the life of a process. */
const learned = new Map<string, (text: string) => string>()

export function learnSecret(name: SettingName, value: string): void {
  learned.set(value, redactor([{ name, value, secret: true }]))
}

/** As the settings in force say, and what was learned since; without them, as when a file is not readable, nothing is known to be secret. */
export function configuredRedactor(environment: NodeJS.ProcessEnv = process.env): (text: string) => string {
  const known = knownAtStart(environment)
  return text => [...learned.values()].reduce((rest, redact) => redact(rest), known(text))
}

function knownAtStart(environment: NodeJS.ProcessEnv): (text: string) => string {
  try {
    return redactor(readSettings(environment))
  } catch {
    return text => text
  }
}

/** A URL as it may be told: without user and password. What is no URL is told as it is, but for what stands before an `@`. */
export function withoutLogin(address: string): string {
  return address.replace(/(^|\/\/|,)[^\s/@,]*@/g, '$1')
}

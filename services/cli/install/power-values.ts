import { readConfig } from '#shared/config.ts'
import { configuredPower } from '../../injector/cluster/power.ts'

/** Where a power service is, by this machine's own settings, as the Secret of faultline holds it. */
export function powerValues(): Record<string, string> {
  const power = configuredPower(readConfig())
  return power ? { 'power-url': power.url, 'power-token': power.token } : {}
}

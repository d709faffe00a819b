import { accessSync, constants } from 'node:fs'
import { tokenAuthenticator, usernamePasswordAuthenticator, type ConnectionOptions } from 'nats'
import type { Logger } from 'pino'
import { environmentName, SettingInvalid, type Config, type SettingName } from '#shared/config.ts'
import { messageOf } from '#shared/errors.ts'
import { rotatingSetting } from '#shared/rotating-setting.ts'

/** Where NATS is, and who one is there. */
export interface NatsLogin {
  /** Comma-separated. */
  servers: string
  token?: string
  /** In place of the token, with `password`. */
  user?: string
  password?: string
  /** In place of the password or the token as it was at the start: what it is now, asked for at every connection, where it comes from a file that may be replaced. */
  secretNow?: () => string
  /** With it a server is refused that does not speak TLS, or whose certificate is by none of these authorities. */
  tls?: NatsTls
}

/** Paths of PEM files, read at every connection: a renewed certificate needs no restart. */
export interface NatsTls {
  /** The system's authorities when left out. */
  caFile?: string
  certFile?: string
  keyFile?: string
}

/** As the settings say. Throws SettingInvalid for a user without a password, for half a pair, and for a file that cannot be read. `log`: hears of a file that is another. */
export function configuredNats(config: Config, log: Pick<Logger, 'error' | 'info'> = silent): NatsLogin {
  const tls = configuredTls(config)
  const servers = config.need('nats.url')
  const common = { servers, ...(tls && { tls }) }
  const [token, user] = [config.get('nats.token'), config.get('nats.user')]
  if (user !== undefined) {
    if (token !== undefined) throw new SettingInvalid('nats.user and nats.token are both set; a server takes one of them, so unset the other')
    return { ...common, user, password: config.need('nats.password'), ...rotating(config, 'nats.password', log) }
  }
  return { ...common, ...(token !== undefined && { token, ...rotating(config, 'nats.token', log) }) }
}

const silent = { error: () => undefined, info: () => undefined }

function rotating(config: Config, name: SettingName, log: Pick<Logger, 'error' | 'info'>): Pick<NatsLogin, 'secretNow'> {
  const secretNow = rotatingSetting(config, name, log)
  return secretNow ? { secretNow } : {}
}

function configuredTls(config: Config): NatsTls | undefined {
  const given = Object.fromEntries((['caFile', 'certFile', 'keyFile'] as const).flatMap(name => {
    const path = readable(config, `nats.tls.${name}`)
    return path === undefined ? [] : [[name, path] as const]
  })) as NatsTls
  if ((given.certFile === undefined) !== (given.keyFile === undefined)) throw new SettingInvalid('nats.tls.certFile and nats.tls.keyFile belong together; set both, or neither')
  return Object.keys(given).length > 0 ? given : undefined
}

function readable(config: Config, name: SettingName): string | undefined {
  const path = config.get(name)
  if (path === undefined) return undefined
  try {
    accessSync(path, constants.R_OK)
    return path
  } catch (cause) {
    throw new SettingInvalid(`${name} (${environmentName(name)}) names ${path}, which cannot be read: ${messageOf(cause)}`, { cause })
  }
}

/**
 * A user hears replies under a prefix of its own: what is answered to one service is no other's to read. A login that is refused twice is tried again: the client
 * would give the connection up for good, and where a password is rotated, server and service come to know the new one at different times.
 */
export function loginOptions({ servers, token, user, password, secretNow, tls }: NatsLogin): ConnectionOptions {
  return {
    servers: servers.split(','), ignoreAuthErrorAbort: true,
    ...(user === undefined && token !== undefined && { authenticator: tokenAuthenticator(secretNow ?? token) }),
    ...(user !== undefined && { authenticator: usernamePasswordAuthenticator(user, secretNow ?? password), inboxPrefix: inboxOf(user) }),
    ...(tls && { tls }),
  }
}

export const inboxOf = (user: string): string => `_INBOX.${user}`

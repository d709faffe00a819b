import { accessSync, constants } from 'node:fs'
import type { ConnectionOptions } from 'nats'
import { environmentName, SettingInvalid, type Config, type SettingName } from '#shared/config.ts'
import { messageOf } from '#shared/errors.ts'

/** Where NATS is, and who one is there. */
export interface NatsLogin {
  /** Comma-separated. */
  servers: string
  token?: string
  /** In place of the token, with `password`. */
  user?: string
  password?: string
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

/** As the settings say. Throws SettingInvalid for a user without a password, for half a pair, and for a file that cannot be read. */
export function configuredNats(config: Config): NatsLogin {
  const tls = configuredTls(config)
  const servers = config.need('nats.url')
  const common = { servers, ...(tls && { tls }) }
  const [token, user] = [config.get('nats.token'), config.get('nats.user')]
  if (user !== undefined) {
    if (token !== undefined) throw new SettingInvalid('nats.user and nats.token are both set; a server takes one of them, so unset the other')
    return { ...common, user, password: config.need('nats.password') }
  }
  return { ...common, ...(token !== undefined && { token }) }
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

/** A user hears replies under a prefix of its own: what is answered to one service is no other's to read. */
export function loginOptions({ servers, token, user, password, tls }: NatsLogin): ConnectionOptions {
  return {
    servers: servers.split(','),
    ...(token !== undefined && { token }),
    ...(user !== undefined && { user, inboxPrefix: inboxOf(user) }),
    ...(password !== undefined && { pass: password }),
    ...(tls && { tls }),
  }
}

export const inboxOf = (user: string): string => `_INBOX.${user}`

import type { ConnectionOptions } from 'nats'
import { SettingInvalid, type Config } from '#shared/config.ts'

/** Where NATS is, and who one is there. */
export interface NatsLogin {
  /** Comma-separated. */
  servers: string
  token?: string
  /** In place of the token, with `password`. */
  user?: string
  password?: string
}

/** As the settings say. Throws SettingInvalid for a user without a password. */
export function configuredNats(config: Config): NatsLogin {
  const servers = config.need('nats.url')
  const [token, user] = [config.get('nats.token'), config.get('nats.user')]
  if (user !== undefined) {
    if (token !== undefined) throw new SettingInvalid('nats.user and nats.token are both set; a server takes one of them, so unset the other')
    return { servers, user, password: config.need('nats.password') }
  }
  return { servers, ...(token !== undefined && { token }) }
}

/** A user hears replies under a prefix of its own: what is answered to one service is no other's to read. */
export function loginOptions({ servers, token, user, password }: NatsLogin): ConnectionOptions {
  return {
    servers: servers.split(','),
    ...(token !== undefined && { token }),
    ...(user !== undefined && { user, inboxPrefix: inboxOf(user) }),
    ...(password !== undefined && { pass: password }),
  }
}

export const inboxOf = (user: string): string => `_INBOX.${user}`

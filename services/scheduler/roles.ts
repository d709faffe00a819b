/**
 * What a token may be for. Each of viewer, operator and admin may what those before it may: a viewer reads, an operator begins and stops, an admin
 * lets go what was stopped. The other two open one thing each, for programs that need no more.
 */
export const roles = ['metrics', 'release', 'viewer', 'operator', 'admin'] as const
export type Role = typeof roles[number]

/** Whose token it is, for the audit; no two tokens share a name. */
export interface Caller { name: string; role: Role }

const ladder: readonly Role[] = ['viewer', 'operator', 'admin']

/** Pure. */
export const opens = (role: Role, needed: Role): boolean => role === needed || (ladder.includes(role) && ladder.indexOf(role) >= ladder.indexOf(needed))

/** `this token is a viewer's` */
export const possessive: Readonly<Record<Role, string>> = { metrics: 'for the metrics alone', release: 'for release checks alone', viewer: 'a viewer\'s', operator: 'an operator\'s', admin: 'an admin\'s' }

/** Name of the token that is set as `api.token`. It may be anybody's, so that facts for people do not name it. */
export const sharedName = 'api.token'

/** As facts tell it to people: `a user`, or `alice`. */
export const printCaller = ({ name }: Caller): string => name === sharedName ? 'a user' : name

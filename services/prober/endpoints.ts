import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { InvalidInput, messageOf } from '#shared/errors.ts'
import type { ProbeSpec } from '#shared/probe.ts'

/** An endpoint's address cannot be used. The message names the endpoint and never its address, which may hold a password. */
export class EndpointInvalid extends InvalidInput {
  readonly code = 'endpoint_invalid'
}

/** Addresses that the operator has set, by name. They are secrets: never logged, and in no fact. */
export type Endpoints = ReadonlyMap<string, URL>

const schemes: Record<ProbeSpec['plan']['by'], readonly string[]> = {
  tcp: ['tcp:'],
  http: ['http:', 'https:'],
  postgres: ['postgres:', 'postgresql:'],
  redis: ['redis:', 'rediss:', 'redis+sentinel:'],
}

/**
 * One file an endpoint, as a mounted Secret has them: its name is the endpoint's, what is in it the URL. Read at the start of each run, so that what is
 * added later is known. A folder that is not there has none. Throws EndpointInvalid.
 */
export function readEndpoints(folder: string | undefined): Endpoints {
  if (folder === undefined) return new Map()
  return new Map(namesIn(folder).map(name => [name, parseEndpoint(name, readText(folder, name))]))
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter(name => !name.startsWith('.')).sort() // a mounted Secret keeps its versions in ..data
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new EndpointInvalid(`the endpoints in ${folder} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

function readText(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'utf8').trim()
  } catch (cause) {
    throw new EndpointInvalid(`the endpoint ${name} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

export function parseEndpoint(name: string, text: string): URL {
  const known = Object.values(schemes).flat()
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !known.includes(url.protocol)) throw new EndpointInvalid(`the endpoint ${name} is not a URL that begins with one of ${known.join(', ')}`)
  return url
}

/** The address of a probe's endpoint, or why the probe cannot be made. Pure. */
export function endpointOf({ endpoint, plan }: Pick<ProbeSpec, 'endpoint' | 'plan'>, endpoints: Endpoints): URL | { why: string } {
  const url = endpoints.get(endpoint)
  if (!url) return { why: `no endpoint is called ${endpoint}; ${endpoints.size === 0 ? 'the prober knows none' : `the prober knows ${[...endpoints.keys()].join(', ')}`}` }
  const fitting = schemes[plan.by]
  return fitting.includes(url.protocol) ? url : { why: `the endpoint ${endpoint} is not one for ${plan.by}: its URL begins with ${url.protocol}, not with ${fitting.join(' or ')}` }
}

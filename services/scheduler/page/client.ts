import { splitEvents, type ServerEvent } from './event-stream.ts'

/** The API does not take the token. */
export class TokenRefused extends Error {}

/** The token's role is too little for it. */
export class NotAllowed extends Error {}

/** This scheduler has no such thing. */
export class NotThere extends Error {}

/** A stream says every 5 s that it is alive (services/scheduler/open-stream.ts). */
const silenceMs = 15_000
const answerMs = 15_000

/** The scheduler's API, as far as the page uses it. Paths are relative to the page's own, so that a proxy may put both below a path of its own. */
export class Client {
  readonly #token: string

  constructor(token: string) {
    this.#token = token
  }

  /** Throws TokenRefused, NotAllowed, NotThere, and an Error with what the API said. */
  async ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> {
    const response = await this.#fetch(method, path, AbortSignal.timeout(answerMs), body)
    return response.json()
  }

  /** Ends when the other side ends it; throws what `ask` throws, and when nothing was heard for too long. */
  async *events(path: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
    const silent = new AbortController()
    let silence: ReturnType<typeof setTimeout> | undefined
    const heard = () => {
      clearTimeout(silence)
      silence = setTimeout(() => silent.abort(), silenceMs)
    }
    try {
      heard()
      const response = await this.#fetch('GET', path, AbortSignal.any([signal, silent.signal]))
      if (!response.body) return
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      let rest = ''
      for (;;) {
        const { value, done } = await reader.read()
        if (done) return
        heard()
        const split = splitEvents(rest + value)
        rest = split.rest
        yield* split.events
      }
    } finally {
      clearTimeout(silence)
      silent.abort()
    }
  }

  async #fetch(method: 'GET' | 'POST', path: string, signal: AbortSignal, body?: unknown): Promise<Response> {
    const response = await fetch(new URL(`api/v1/${path}`, document.baseURI), {
      method, signal, cache: 'no-store', credentials: 'omit', redirect: 'error',
      headers: { authorization: `Bearer ${this.#token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    if (response.ok) return response
    const said = await response.text()
    if (response.status === 401) throw new TokenRefused('The scheduler does not take this token.')
    if (response.status === 403) throw new NotAllowed(`The scheduler refused: ${errorIn(said)}`)
    if (response.status === 404) throw new NotThere(said)
    throw new Error(`The scheduler answered ${response.status}: ${errorIn(said)}`)
  }
}

function errorIn(said: string): string {
  try {
    const { error } = JSON.parse(said) as { error?: unknown }
    return typeof error === 'string' ? error : said
  } catch {
    return said
  }
}

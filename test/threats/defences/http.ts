import type { Defence } from '../defence.ts'

const [guard, routes, roles, tokens] = ['http-guard.ts', 'route-access.ts', 'roles.ts', 'tokens.ts'].map(file => `services/scheduler/${file}`) as [string, string, string, string]
const nats = 'k8s/base/nats/authorization.conf'
const [bridge, prometheus, locust] = ['services/locust-bridge/sample-server.ts', 'shared/prometheus.ts', 'services/locust-bridge/locust-api.ts']
const tokensTest = 'test/unit/tokens.test.ts'
const guardTest = 'test/unit/http-guard.test.ts'

/** A request without a token, or with a wrong one, is anybody's, and anybody may all. */
const openToAll = { file: routes, find: 'const caller = tokens.callerOf(headers.authorization)', put: "const caller = tokens.callerOf(headers.authorization) ?? { name: 'anybody', role: 'admin' as const }" }

/** Rows of THREATS.md on HTTP. */
export const httpDefences: readonly Defence[] = [
  { row: 'no-token', name: 'a token is demanded', changes: [openToAll] },
  {
    row: 'no-token', name: 'a token is compared as a whole',
    changes: [{ file: tokens, find: 'const [found] = all.filter(known => timingSafeEqual(known.hash, hash))', put: "const [found] = all.filter(known => timingSafeEqual(known.hash, hash) || known.hash.equals(digest(given.token.slice(0, -1))))" }],
  },
  {
    row: 'forgotten-route', name: 'what is not in the table is refused',
    changes: [{ file: routes, find: 'if (!accessOf(one, url)) throw', put: "if (url === '' && !accessOf(one, url)) throw" }],
  },
  {
    row: 'forgotten-route', name: 'each method of a route is looked up',
    changes: [{ file: routes, find: 'for (const one of [method].flat())', put: 'for (const one of [method].flat().slice(0, 1))' }],
  },
  { row: 'crawl', name: 'a token is demanded', changes: [openToAll] },
  {
    row: 'crawl', name: 'a route is closed in the table',
    changes: [{ file: routes, find: "'GET /api/v1/audit': { needs: 'admin' }", put: "'GET /api/v1/audit': anybody" }],
  },
  {
    row: 'crawl', name: 'the metrics are closed in the table',
    changes: [{ file: routes, find: "'GET /metrics': { needs: 'metrics' }", put: "'GET /metrics': anybody" }],
  },
  {
    row: 'role-too-low', name: 'the role is asked for',
    changes: [{ file: routes, find: 'const may = access !== undefined && opens(caller.role, access.needs)', put: 'const may = access !== undefined' }],
  },
  {
    row: 'role-too-low', name: 'a role is worth what its place on the ladder says',
    changes: [{ file: roles, find: ' && ladder.indexOf(role) >= ladder.indexOf(needed)', put: '' }],
  },
  {
    row: 'role-too-low', name: 'letting go takes an admin',
    changes: [{ file: routes, find: "'POST /api/v1/resume': { needs: 'admin', changes: 'begins' }", put: "'POST /api/v1/resume': { needs: 'operator', changes: 'begins' }" }],
  },
  {
    row: 'no-audit', name: 'what begins something is put on record',
    changes: [{ file: 'services/scheduler/recorded-change.ts', find: 'await audit.before(asked)', put: 'await Promise.resolve()' }],
  },
  {
    row: 'no-audit', name: 'what stops something is put on record',
    changes: [{ file: 'services/scheduler/recorded-change.ts', find: 'if (stops(request)) audit.beside(asked)', put: 'if (stops(request)) await Promise.resolve()' }],
  },
  {
    row: 'no-audit', name: 'what was refused is put on record',
    changes: [{ file: routes, find: "audit.beside({ request, caller, about: namedIn(request), outcome: 'refused', why })", put: 'namedIn(request)' }],
  },
  {
    row: 'no-audit', name: 'an entry says who it was',
    changes: [{ file: 'services/scheduler/audit-log.ts', find: 'who: caller.name, role', put: "who: 'somebody', role" }],
  },
  {
    row: 'audit-unwritten', name: 'what begins something is not done without it',
    changes: [{ file: 'services/scheduler/recorded-change.ts', find: 'if (error instanceof AuditUnwritten) return reply.code(503).send({ error: error.message })\n              throw error', put: 'if (!(error instanceof AuditUnwritten)) throw error' }],
  },
  {
    row: 'audit-unwritten', name: 'what stops something does not wait for it',
    changes: [{ file: 'services/scheduler/recorded-change.ts', find: 'if (stops(request)) audit.beside(asked)', put: 'if (stops(request)) await audit.before(asked).catch(() => undefined)' }],
  },
  {
    row: 'audit-rewritten', name: 'no other user may read it',
    changes: [{ file: nats, find: '          "faultline.fact.*.slo.history"\n', put: '          "faultline.fact.*.slo.history"\n          "$JS.API.CONSUMER.CREATE.FAULTLINE_AUDIT"\n' }],
  },
  {
    row: 'audit-rewritten', name: 'no other user may write it',
    changes: [{ file: nats, find: '          "faultline.fact.*.probe.closed"\n', put: '          "faultline.fact.*.probe.closed"\n          "faultline.audit.*.audit.request"\n' }],
  },
  {
    row: 'audit-rewritten', name: 'no other user may hear it as it is written',
    changes: [{ file: nats, find: '          "_INBOX.locust-bridge.>"\n', put: '          "_INBOX.locust-bridge.>"\n          "faultline.audit.>"\n' }],
  },
  {
    row: 'audit-rewritten', name: 'nobody may delete or purge it',
    changes: [{ file: nats, find: '          "$JS.API.STREAM.CREATE.FAULTLINE_AUDIT"\n', put: '          "$JS.API.STREAM.*.FAULTLINE_AUDIT"\n' }],
  },
  {
    row: 'leaked-token', name: 'the file is read again when it is another',
    changes: [{ file: 'shared/rotating-file.ts', find: 'if (now === stamp) return content', put: 'if (now !== undefined) return content' }],
  },
  {
    row: 'leaked-token', name: 'a file that is gone has no tokens',
    changes: [{ file: 'shared/rotating-file.ts', find: 'if (now === stamp) return content', put: 'if (now === stamp || now === gone) return content' }],
  },
  {
    row: 'read-tokens-file', name: 'a line has a hash, not the token in other digits',
    changes: [
      { file: 'services/cli/token.ts', find: "createHash('sha256').update(token).digest()", put: "Buffer.from(token, 'base64url')" },
      { file: tokens, find: "createHash('sha256').update(text).digest()", put: "Buffer.from(text, 'base64url')" },
    ],
  },
  {
    row: 'read-tokens-file', name: 'tokens are random',
    changes: [{ file: 'services/cli/token.ts', find: 'randomBytes(32)', put: 'Buffer.alloc(32, 7)' }],
  },
  {
    row: 'plain-token-in-file', name: 'a problem is told without the field',
    changes: [{ file: 'services/scheduler/tokens-file.ts', find: '64 hexadecimal digits; faultline', put: '64 hexadecimal digits, found ${hash}; faultline' }],
  },
  {
    row: 'plain-token-in-file', name: 'a hash is demanded',
    changes: [{ file: 'services/scheduler/tokens-file.ts', find: 'if (!/^[0-9a-f]{64}$/i.test(hash))', put: "if (hash === '')" }],
  },
  {
    row: 'plain-token-in-file', name: 'one wrong line has the whole file refused',
    changes: [{ file: 'services/scheduler/tokens-file.ts', find: 'return problems.length > 0 ?', put: 'return tokens.length === 0 && problems.length > 0 ?' }],
  },
  {
    row: 'wild-token', name: 'whoever asks without end waits',
    changes: [{ file: routes, find: 'if (waitMs > 0) return refuse(429', put: 'if (waitMs === Infinity) return refuse(429' }],
  },
  {
    row: 'wild-token', name: 'an abort or a halt does not wait',
    changes: [{ file: routes, find: "may && access.changes === 'stops' ? 0 : rate.take", put: 'rate.take' }],
  },
  {
    row: 'wild-token', name: 'what is refused counts',
    changes: [{ file: routes, find: "may && access.changes === 'stops' ? 0", put: "access?.changes === 'stops' ? 0" }],
  },
  {
    row: 'wild-token', name: 'each token has a rate of its own',
    changes: [{ file: routes, find: 'rate.take(caller.name, ', put: "rate.take('everybody', " }],
  },
  {
    row: 'wild-token', name: 'callers are forgotten', test: { file: tokensTest, title: 'whoever asks without end waits, others do not, and memory is bounded' },
    changes: [{ file: 'services/scheduler/request-rate.ts', find: 'if (before === undefined && this.#spent.size >= mostCallers) this.#forget(nowMs)', put: '' }],
  },
  {
    row: 'metrics-token', name: 'the token of the metrics has a role of its own',
    changes: [{ file: tokens, find: "['metrics.token', 'metrics', metrics]", put: "['metrics.token', 'admin', metrics]" }],
  },
  {
    row: 'metrics-token', name: 'a role that is on no ladder opens itself alone',
    changes: [{ file: roles, find: 'role === needed || (ladder.includes(role)', put: "role === needed || role === 'metrics' || (ladder.includes(role)" }],
  },
  {
    row: 'guessed-token', name: 'whoever guesses is not listened to',
    changes: [{ file: guard, find: 'if (waitMs > 0) return reply.code(429)', put: 'if (waitMs === Infinity) return reply.code(429)' }],
  },
  {
    row: 'guessed-token', name: 'who has shown a right token is listened to',
    changes: [{ file: guard, find: 'else if (knows(request.headers.authorization)) guesses.right(request.ip, performance.now())', put: '' }],
  },
  {
    row: 'guessed-token', name: 'what asks for no token proves none',
    changes: [{ file: guard, find: 'else if (knows(request.headers.authorization)) guesses', put: 'else guesses' }],
  },
  {
    row: 'guessed-token', name: 'addresses are forgotten', test: { file: guardTest, title: 'guesses come back one by one with time, a whole /64 of IPv6 is one guesser, and memory is bounded' },
    changes: [{ file: 'services/scheduler/token-guesses.ts', find: 'if (this.#known.size > this.#limits.mostAddresses && oldest !== undefined) this.#known.delete(oldest)', put: '' }],
  },
  {
    row: 'csrf', name: 'Origin is compared with Host',
    changes: [{ file: guard, find: 'if (origin !== undefined && !isSame(origin, host, names)) return', put: "if (origin === 'nobody' && !isSame(origin, host, names)) return" }],
  },
  {
    row: 'csrf', name: 'an Origin without a host is another site',
    changes: [{ file: guard, find: 'return from !== null && (', put: 'return from === null || (' }],
  },
  {
    row: 'csrf', name: 'bodies are JSON', test: { file: guardTest, title: 'a body is JSON, nested as deep as an experiment may be and no deeper, without keys that mean something to JavaScript' },
    changes: [{ file: guard, find: 'api.removeAllContentTypeParsers()', put: '' }],
  },
  {
    row: 'dns-rebinding', name: 'Host is checked',
    changes: [{ file: guard, find: 'if (asked === undefined || !isOurs(asked, names)) return', put: 'if (asked === undefined) return' }],
  },
  {
    row: 'dns-rebinding', name: 'what is no host is refused',
    changes: [{ file: guard, find: 'if (asked === undefined || !isOurs(asked, names)) return', put: 'if (asked !== undefined && !isOurs(asked, names)) return' }],
  },
  {
    row: 'dns-rebinding', name: "a cluster's name ends in its suffix",
    changes: [{ file: guard, find: String.raw`/\.(?:localhost|svc|cluster\.local)$/`, put: String.raw`/\.(?:localhost|svc|cluster\.local)/` }],
  },
  {
    row: 'framed-answer', name: 'the headers',
    changes: [{ file: guard, find: 'for (const [name, value] of Object.entries(usualHeaders)) reply.raw.setHeader(name, value)', put: '' }],
  },
  {
    row: 'framed-answer', name: 'the content security policy',
    changes: [{ file: guard, find: `"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"`, put: `"default-src 'self'"` }],
  },
  { row: 'framed-answer', name: 'that it is not to be framed, for browsers without that policy', changes: [{ file: guard, find: "'x-frame-options': 'DENY', ", put: '' }] },
  { row: 'framed-answer', name: 'that its type is not to be guessed', changes: [{ file: guard, find: "'x-content-type-options': 'nosniff', ", put: '' }] },
  { row: 'framed-answer', name: 'that it is not to be kept', changes: [{ file: guard, find: "'cache-control': 'no-store',", put: '' }] },
  {
    row: 'hostile-body', name: 'the limit on depth',
    changes: [{ file: guard, find: 'if (isDeeper(body, mostLevels)) done(', put: "if (body === '' && isDeeper(body, mostLevels)) done(" }],
  },
  {
    row: 'hostile-body', name: 'keys that reach prototypes are refused',
    changes: [{ file: guard, find: "getDefaultJsonParser('error', 'error')", put: "getDefaultJsonParser('ignore', 'ignore')" }],
  },
  {
    row: 'ssrf-standby', name: 'of what was asked only path and query go on',
    changes: [{ file: 'services/scheduler/through-leader.ts', find: 'const url = new URL(address)', put: 'const url = asked' }],
  },
  {
    row: 'smuggled-request', name: 'Host is checked',
    changes: [{ file: guard, find: 'if (asked === undefined || !isOurs(asked, names)) return', put: 'if (asked === undefined) return' }],
  },
  {
    row: 'smuggled-request', name: 'the limit on a body',
    changes: [{ file: 'services/scheduler/api.ts', find: 'bodyLimit: 1_048_576', put: 'bodyLimit: 1_073_741_824' }],
  },
  {
    row: 'smuggled-request', name: 'bodies are JSON',
    changes: [{ file: guard, find: 'api.removeAllContentTypeParsers()', put: '' }],
  },
  { row: 'bridge-port', name: 'a token is demanded', changes: [{ file: bridge, find: "server.post('/samples', { onRequest }, async", put: "server.post('/samples', async" }] },
  {
    row: 'bridge-port', name: 'the token is asked for before the body is read',
    changes: [{ file: bridge, find: "server.post('/samples', { onRequest }, async", put: "server.post('/samples', { preHandler: onRequest }, async" }],
  },
  {
    row: 'bridge-port', name: 'the limit on requests in a sample',
    changes: [{ file: 'services/locust-bridge/load-sample.ts', find: '<= mostRequests,', put: '<= Infinity,' }],
  },
  {
    row: 'bridge-port', name: 'of what is wrong only the first is told',
    changes: [{ file: bridge, find: 'issues.slice(0, mostProblems).map(({ path, message }) => `${path.join(\'.\') || \'the sample\'}: ${message}`.slice(0, 300))', put: 'issues.map(({ path, message }) => `${path.join(\'.\')}: ${message}`)' }],
  },
  { row: 'prometheus-of-another-time', name: 'one that is ahead has no data', changes: [{ file: 'shared/prometheus-clock.ts', find: 'if (aheadMs > mostApartMs) return', put: 'if (aheadMs > 1e15) return' }] },
  { row: 'prometheus-of-another-time', name: 'one that is behind has no data', changes: [{ file: 'shared/prometheus-clock.ts', find: 'if (behindMs > mostApartMs) return', put: 'if (behindMs > 1e15) return' }] },
  { row: 'prometheus-of-another-time', name: 'nor has it samples', changes: [{ file: prometheus, find: 'return otherTime === undefined ? samplesOf(body)', put: "return otherTime !== 'never' ? samplesOf(body)" }] },
  { row: 'false-prometheus', name: 'no redirects', changes: [{ file: prometheus, find: 'config.maxRedirects = 0 //', put: '//' }] },
  { row: 'false-prometheus', name: 'the limit on size', changes: [{ file: prometheus, find: 'config.maxContentLength = mostBytes', put: '' }] },
  { row: 'false-prometheus', name: 'the limit on time', changes: [{ file: prometheus, find: '    timeout: timeoutMs,\n', put: '' }] },
  { row: 'false-prometheus', name: 'several series are no answer', changes: [{ file: prometheus, find: "if (others.length > 0) return { is: 'no-data', why: `${others.length + 1} series", put: "if (others.length > 99) return { is: 'no-data', why: `${others.length + 1} series" }] },
  { row: 'false-prometheus', name: 'infinity is no answer', changes: [{ file: prometheus, find: "return Number.isFinite(value) ? { is: 'value', value }", put: "return !Number.isNaN(value) ? { is: 'value', value }" }] },
  { row: 'false-prometheus', name: 'a value is a number as a whole', changes: [{ file: prometheus, find: String.raw`Inf)$/i.test(text) ? text`, put: String.raw`Inf)/i.test(text) ? text` }] },
  { row: 'false-prometheus', name: 'reasons are short', changes: [{ file: prometheus, find: 'did not answer the query: ${whyOf(error).slice(0, longestWhy)}', put: 'did not answer the query: ${whyOf(error)}' }] },
  { row: 'false-prometheus', name: 'its login is not told', changes: [{ file: prometheus, find: 'const told = withoutLogin(url)', put: 'const told = url' }] },
  { row: 'false-locust', name: 'no redirects', changes: [{ file: locust, find: "redirect: 'error', //", put: '//' }] },
  { row: 'false-locust', name: 'the limit on size', changes: [{ file: locust, find: 'if (bytes > mostBytes) throw', put: 'if (bytes === Infinity) throw' }] },
  { row: 'false-locust', name: 'the limit on time', changes: [{ file: locust, find: 'signal: AbortSignal.timeout(timeoutMs), ', put: '' }] },
  { row: 'false-locust', name: 'strict shapes', changes: [{ file: locust, find: 'user_count: z.int().nonnegative()', put: 'user_count: z.number()' }] },
  {
    row: 'halt-unaudited', name: 'agents are heard',
    changes: [{ file: 'services/scheduler/halt-record.ts', find: 'if (node !== schedulers) settle(node, halts)', put: "if (node === '') settle(node, halts)" }],
  },
  {
    row: 'outlived-token', name: 'a stream asks for its token again',
    changes: [{ file: 'services/scheduler/open-stream.ts', find: 'if (!isStillOpenTo(request)) raw.destroy()', put: 'isStillOpenTo(request)' }],
  },
]

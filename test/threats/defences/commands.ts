import type { Defence } from '../defence.ts'

const bus = 'shared/bus-nats.ts'
const stamp = 'shared/command-stamp.ts'
const login = 'shared/nats-login.ts'
const keys = 'shared/rotating-keys.ts'
const renewals = 'services/injector/renewals.ts'
const haltFile = 'shared/halt-file.ts'
const nats = 'k8s/base/nats/authorization.conf'
const replayed = 'test/integration/replayed-commands.test.ts'
const stampTest = 'test/unit/command-stamp.test.ts'
const scheduler = 'services/scheduler/core.ts'

const unsigned = { file: bus, find: 'if (!valid) return', put: "if (!valid && signature === 'nobody') return" }
const misplacedFactsCount = { file: 'shared/stored-message.ts', find: 'return why === undefined ? { is: \'fact\', stored }', put: 'return why !== \'\' ? { is: \'fact\', stored }' }
/** Adds to what the user of a node's agent may publish. */
const injectorMay = (subject: string) => ({
  file: nats, find: '        ], deny: [\n          "faultline.signal.*.cluster"\n', put: `          "${subject}"\n        ], deny: [\n          "faultline.signal.*.cluster"\n`,
})

/** Rows of THREATS.md on commands and facts, but for those on verdicts. */
export const commandDefences: readonly Defence[] = [
  { row: 'unsigned-command', name: 'the signature is checked', changes: [unsigned] },
  {
    row: 'unsigned-command', name: 'who knows no key obeys nobody',
    changes: [{ file: bus, find: 'if (signed) {\n        if (!this.#verify)', put: 'if (signed && this.#verify) {\n        if (!this.#verify)' }],
  },
  {
    row: 'unsigned-command', name: 'the subject is signed too', test: { file: replayed, title: 'a command to one agent that was overheard is obeyed by no other, nor as another command' },
    changes: [{ file: bus, find: '=> [subject, payload, ...stamp', put: '=> [payload, ...stamp' }],
  },
  {
    row: 'replayed-command', name: 'nonces are remembered',
    changes: [{ file: stamp, find: 'if (remembered.has(nonce)) return', put: "if (nonce === '') return" }],
  },
  {
    row: 'replayed-command', name: 'what was sent before the start is refused',
    changes: [{ file: stamp, find: 'if (issuedAtMs < startedAtMs) return', put: 'if (issuedAtMs < 0 && startedAtMs > 0) return' }],
  },
  {
    row: 'replayed-command', name: 'a command expires', test: { file: stampTest, title: 'a command is obeyed once, as long as it is good and for ever after' },
    changes: [{ file: stamp, find: 'if (nowMs > expiresAtMs) return', put: 'if (nowMs === Infinity) return' }],
  },
  {
    row: 'changed-nonce', name: 'the nonce is signed',
    changes: [{ file: bus, find: '[subject, payload, ...stamp === undefined ? [] : [stamp]]', put: '[subject, payload]' }],
  },
  {
    row: 'changed-nonce', name: 'a nonce is demanded',
    changes: [{ file: bus, find: 'if (stamp === undefined) return', put: 'if (stamp === undefined) return undefined &&' }],
  },
  {
    row: 'nonce-flood', name: 'there is a most',
    changes: [{ file: stamp, find: 'if (remembered.size >= mostRemembered) return', put: 'if (remembered.size === Infinity) return' }],
  },
  {
    row: 'nonce-flood', name: 'what has expired is forgotten',
    changes: [{ file: stamp, find: '.filter(([, untilMs]) => untilMs >= nowMs)', put: '' }],
  },
  {
    row: 'nonce-flood', name: 'what is good for long is refused', test: { file: stampTest, title: 'a sender whose clock is far ahead is told so, instead of being remembered for long' },
    changes: [{ file: stamp, find: 'if (expiresAtMs > nowMs + mostMs + mostAheadMs) return', put: 'if (expiresAtMs === Infinity) return' }],
  },
  {
    row: 'overheard-renewal', name: 'a renewal counts once, and none that is older',
    changes: [{ file: renewals, find: 'if (known && !isOlderEpoch(known.epoch, epoch) && sentAtMs <= known.sentAtMs) return', put: 'if (sentAtMs === Infinity) return' }],
  },
  {
    row: 'held-renewal', name: 'a renewal expires',
    changes: [{ file: renewals, find: 'if (nowMs > sentAtMs + goodForMs) return', put: 'if (nowMs === Infinity) return' }],
  },
  {
    row: 'leaked-nats-password', name: 'the password is read at every connection',
    changes: [{ file: login, find: 'usernamePasswordAuthenticator(user, secretNow ?? password)', put: 'usernamePasswordAuthenticator(user, password)' }],
  },
  {
    row: 'leaked-seed', name: 'public keys are read again',
    changes: [{ file: keys, find: 'return (text, signature) => verifierNow()(text, signature)', put: 'return verifierNow()' }],
  },
  {
    row: 'leaked-seed', name: 'so are seeds',
    changes: [{ file: 'shared/main.ts', find: "{ signer: rotatingSigner(config, 'commands.signingSeed', { log }) }", put: "{ signingSeed: config.need('commands.signingSeed') }" }],
  },
  {
    row: 'leaked-seed', name: 'that of verdicts, too',
    changes: [{ file: 'services/slo-evaluator/main.ts', find: '...(signer && { signer }) })', put: '...(signer && { signer: (first => () => first)(signer()) }) })' }],
  },
  {
    row: 'leaked-seed', name: 'and public keys of verdicts',
    changes: [{ file: 'shared/verdict-keys.ts', find: 'if (config.fileOf(name) !== undefined) return rotatingPublicKeys(config, name, rotation)\n', put: '' }],
  },
  { row: 'leaked-seed', name: 'several keys count at once', changes: [{ file: 'shared/signing-key.ts', find: 'return keys.some(', put: 'return keys.slice(0, 1).some(' }] },
  {
    row: 'leaked-seed', name: 'what is no key changes nothing', test: { file: 'test/unit/rotating-keys.test.ts', title: 'a file that has come to hold no key, none but wrong ones, or is gone is told once, and its keys go on to count; so it is with a seed, which is not told' },
    changes: [{ file: keys, find: 'return keys.content.length > 0 ? keys : {', put: 'return keys.content.length >= 0 ? keys : {' }],
  },
  {
    row: 'kept-probes', name: 'probers look for the halt file',
    changes: [{ file: 'services/prober/service.ts', find: 'const why = toldHalt ?? (found && printFoundHalt(found))', put: 'const why = found && toldHalt' }],
  },
  {
    row: 'false-nats', name: "the server's certificate is checked",
    changes: [{ file: login, find: '...(tls && { tls }),', put: '...{ tls: { ...tls, rejectUnauthorized: false } },' }],
  },
  {
    row: 'plain-nats', name: 'the server refuses who goes on without',
    changes: [{ file: 'k8s/components/nats-tls/tls.conf', find: '  timeout: 5\n}', put: '  timeout: 5\n}\nallow_non_tls: true' }],
  },
  { row: 'plain-nats', name: 'the service refuses a plain server', changes: [{ file: login, find: '...(tls && { tls }),', put: '' }] },
  {
    row: 'halt-without-nats', name: 'the agent looks for the file',
    changes: [{ file: 'services/injector/service.ts', find: 'const found = findHalt()', put: 'const found = undefined as ReturnType<typeof findHalt>' }],
  },
  {
    row: 'halt-load-without-nats', name: 'the bridge looks for the file',
    changes: [{ file: 'services/locust-bridge/service.ts', find: 'const found = findHalt()', put: 'const found = undefined as ReturnType<typeof findHalt>' }],
  },
  { row: 'odd-halt-file', name: 'a link that leads nowhere counts', changes: [{ file: haltFile, find: 'const link = lstatSync(', put: 'const link = statSync(' }] },
  { row: 'odd-halt-file', name: 'only a file of bounded size is read', changes: [{ file: haltFile, find: 'if (!stat.isFile() || stat.size > mostBytes) return', put: 'if (!stat.isFile()) return' }] },
  { row: 'odd-halt-file', name: 'control characters are taken out', changes: [{ file: haltFile, find: String.raw`.replaceAll(/\p{Cc}/gu, ' ')`, put: '' }] },
  { row: 'odd-halt-file', name: 'a reason is cut', changes: [{ file: haltFile, find: '.slice(0, mostCharacters)', put: '' }] },
  { row: 'unsealed-garbage', name: 'the signature is checked', changes: [unsigned] },
  { row: 'forged-abort', name: 'the signature is checked', changes: [unsigned] },
  {
    row: 'forged-abort', name: 'an abort is to be signed',
    changes: [{ file: bus, find: 'const opened = this.#unseal(message.subject, message.string(), definition)', put: 'const opened = this.#unseal(message.subject, message.string(), { signed: false })' }],
  },
  { row: 'taken-over-agent', name: 'its user may not command', changes: [injectorMay('faultline.command.>')] },
  { row: 'taken-over-agent', name: "its user may not write another's facts", changes: [injectorMay('faultline.fact.*.run.*')] },
  { row: 'taken-over-agent', name: 'its user may not read facts', changes: [injectorMay('$JS.API.CONSUMER.CREATE.FAULTLINE')] },
  { row: 'taken-over-agent', name: 'its user may not delete the stream', changes: [injectorMay('$JS.API.STREAM.DELETE.FAULTLINE')] },
  { row: 'taken-over-agent', name: 'its user may not hear facts', changes: [{ file: nats, find: '          "_INBOX.injector.>"\n', put: '          "_INBOX.injector.>"\n          "faultline.fact.>"\n' }] },
  {
    row: 'purged-history', name: 'nobody may purge or delete it',
    changes: [{ file: nats, find: '          "$JS.API.STREAM.CREATE.FAULTLINE"\n', put: '          "$JS.API.STREAM.*.FAULTLINE"\n' }],
  },
  {
    row: 'purged-history', name: 'nobody may delete a fact of it',
    changes: [{ file: nats, find: '          "$JS.API.STREAM.CREATE.FAULTLINE"\n', put: '          "$JS.API.STREAM.CREATE.FAULTLINE"\n          "$JS.API.STREAM.MSG.DELETE.FAULTLINE"\n' }],
  },
  {
    row: 'misplaced-fact', name: 'type and run are those of the subject',
    changes: [{ file: 'shared/events.ts', find: 'return isOneToken && subject === factSubject(run, kind) ?', put: 'return isOneToken ?' }],
  },
  {
    row: 'misplaced-fact', name: 'the name of a run is one token',
    changes: [{ file: 'shared/events.ts', find: 'return isOneToken && subject', put: 'return subject' }],
  },
  {
    row: 'swapped-experiment', name: 'the first submission counts',
    changes: [{ file: 'services/scheduler/service.ts', find: 'if (parsed.success && !runs.has(run)) {', put: 'if (parsed.success) {' }],
  },
  { row: 'garbage-messages', name: 'what is not of its subject does not count', changes: [misplacedFactsCount] },
  {
    row: 'disordered-facts', name: 'nothing is injected after an abort',
    changes: [{ file: scheduler, find: 'if (state.abort) return whileAborting(', put: 'if (state.abort && nowMs < 0) return whileAborting(' }],
  },
  {
    row: 'disordered-facts', name: 'nothing is injected after the seal',
    changes: [{ file: scheduler, find: 'export function decide(state: RunState, nowMs: number): Effect[] {\n  if (state.sealedAtMs !== undefined) return []', put: 'export function decide(state: RunState, nowMs: number): Effect[] {' }],
  },
  {
    row: 'unstorable-message', name: 'what is too large is refused at once',
    changes: [{ file: bus, find: 'this.#demandRoom(payload, `a ${type} of run ${run}`)', put: '' }],
  },
  {
    row: 'unstorable-message', name: 'and before it is numbered',
    changes: [
      { file: bus, find: 'this.#demandRoom(payload, `a ${type} of run ${run}`)', put: '' },
      { file: bus, find: 'counters.set(run, sequence)\n', put: 'counters.set(run, sequence)\n        this.#demandRoom(payload, `a ${type} of run ${run}`)\n' },
    ],
  },
  { row: 'unstorable-message', name: 'half a surrogate pair is replaced', changes: [{ file: bus, find: 'safeParse(toUnicode(data))', put: 'safeParse(data)' }] },
  {
    row: 'leaping-clock', name: 'looks without data come to an end',
    changes: [{ file: 'shared/gate-watch.ts', find: 'if (endMs - state.lastReadableMs > givenUpAfterMs(state.gate)) return state', put: '' }],
  },
  { row: 'old-leader', name: 'an older epoch commands nobody', changes: [{ file: 'services/injector/core.ts', find: 'if (isOlderEpoch(epoch, state.highestEpoch)) return { state', put: 'if (isOlderEpoch(epoch, undefined)) return { state' }] },
  { row: 'old-leader', name: 'an older epoch renews nothing', changes: [{ file: 'services/injector/core.ts', find: 'if (isOlderEpoch(epoch, state.highestEpoch)) return nothing(state)', put: '' }] },
]

import { commands, commandSubject, signals, signalSubject, type CommandName, type SignalName } from '#shared/commands.ts'
import { facts, factStreams, factSubject, streamOf, type FactStream, type FactType, type Service } from '#shared/events.ts'
import { inboxOf } from '#shared/nats-login.ts'
import { epochStream, epochSubject } from '../scheduler/epoch.ts'

/** What a user may say and hear. `deny` wins. */
export interface NatsPermissions {
  publish: { allow: string[]; deny: string[] }
  subscribe: { allow: string[]; deny: string[] }
  /** Answers are published where the question says, which no list can hold. */
  answers: boolean
}

/** Name of the API-side agent: commands to it, and what it says of itself, end in it. */
const apiSideAgent = 'cluster'
/** A little more than the longest time that any command is waited for. */
const answerWithin = '60s'

/** Each of them with a password of its own. The agents of the nodes share one: they are told apart by nobody but themselves. */
export const natsUsers: Record<string, { service: Service; agents?: 'on-nodes' | 'api-side' }> = {
  scheduler: { service: 'scheduler' },
  injector: { service: 'injector', agents: 'on-nodes' },
  'cluster-agent': { service: 'injector', agents: 'api-side' },
  'locust-bridge': { service: 'locust-bridge' },
  'slo-evaluator': { service: 'slo-evaluator' },
  prober: { service: 'prober' },
}

/** Variable in the NATS server's environment that holds a user's password. */
export const passwordVariable = (user: string): string => `NATS_${user.replaceAll('-', '_').toUpperCase()}_PASSWORD`

/** Derived from the catalogue of messages: who sends what, and who hears it. Pure. */
export function natsPermissions(user: string): NatsPermissions {
  const known = natsUsers[user]
  if (!known) throw new Error(`there is no user ${user} of NATS`)
  const { service, agents } = known
  const agent = agents === 'api-side' ? apiSideAgent : '*'
  const factTypes = Object.keys(facts) as FactType[]
  const commandNames = Object.keys(commands) as CommandName[]
  const signalNames = Object.keys(signals) as SignalName[]

  const written = factTypes.filter(type => facts[type].producer === service).map(type => factSubject('*', type))
  const asked = commandNames.filter(name => commands[name].from === service).map(name => commandSubject(name, '*'))
  const said = signalNames.filter(name => signals[name].from === service).map(name => signalSubject(name, signals[name].about === 'node' ? agent : '*'))
  const answered = commandNames.filter(name => commands[name].to === service).map(name => commandSubject(name, commands[name].to === 'injector' ? agent : service))
  const heard = signalNames.filter(name => signals[name].to === service).map(name => signalSubject(name, '*'))
  const read = new Set(factTypes.filter(type => facts[type].readers.some(reader => reader === service)).map(streamOf))
  const apiSideOnly = agents === 'on-nodes'
  return {
    publish: {
      allow: [...written, ...asked, ...said, ...jetStreamOf(service, read)],
      deny: apiSideOnly ? [`faultline.signal.*.${apiSideAgent}`] : [],
    },
    subscribe: {
      allow: [`${inboxOf(user)}.>`, ...answered, ...heard],
      deny: apiSideOnly ? [`faultline.command.*.${apiSideAgent}`] : [],
    },
    answers: answered.length > 0,
  }
}

/**
 * Facts are read through consumers that live as long as their connection; JetStream can hold a consumer of several types to no list, so who
 * reads any of a stream reads all of it; the evaluator also asks for single ones, to know whether a run has its verdict. Nobody may delete, purge or change a stream, and the scheduler alone makes them, and holds the lease that counts the epochs.
 */
function jetStreamOf(service: Service, read: ReadonlySet<FactStream>): string[] {
  const api = (what: string) => `$JS.API.${what}`
  const { runs, audit } = factStreams
  return [
    api('INFO'), api(`STREAM.INFO.${runs.name}`),
    ...[...read].map(stream => factStreams[stream].name).flatMap(name => [
      api(`CONSUMER.CREATE.${name}`), api(`CONSUMER.CREATE.${name}.>`), api(`CONSUMER.DELETE.${name}.*`),
      api(`CONSUMER.INFO.${name}.*`), api(`CONSUMER.MSG.NEXT.${name}.*`),
    ]),
    ...service === 'slo-evaluator' ? [api(`STREAM.MSG.GET.${runs.name}`)] : [],
    ...service === 'scheduler' ? [
      api(`STREAM.INFO.${audit.name}`), ...[runs.name, audit.name, epochStream].map(name => api(`STREAM.CREATE.${name}`)),
      api(`STREAM.INFO.${epochStream}`), api(`STREAM.MSG.GET.${epochStream}`), epochSubject,
    ] : [],
  ]
}

/** k8s/base/nats/authorization.conf, as nats-server reads it: the passwords come from its environment. */
export function natsAuthorization(): string {
  const users = Object.keys(natsUsers).map(user => {
    const { publish, subscribe, answers } = natsPermissions(user)
    return [
      '    {', `      user: ${user}`, `      password: $${passwordVariable(user)}`, '      permissions: {',
      `        publish: ${side(publish)}`, `        subscribe: ${side(subscribe)}`,
      ...answers ? [`        allow_responses: { max: 1, expires: "${answerWithin}" }`] : [],
      '      }', '    }',
    ].join('\n')
  })
  return [
    '# Generated by `faultline generate` from shared/events.ts and shared/commands.ts. Do not edit.',
    'authorization {', '  users: [', users.join('\n'), '  ]', '}', '',
  ].join('\n')
}

function side({ allow, deny }: { allow: string[]; deny: string[] }): string {
  const list = (subjects: string[]) => `[\n${subjects.map(subject => `          ${JSON.stringify(subject)}`).join('\n')}\n        ]`
  return `{ allow: ${list(allow)}${deny.length > 0 ? `, deny: ${list(deny)}` : ''} }`
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commands, commandSubject, signals, signalSubject, type CommandName, type SignalName } from '#shared/commands.ts'
import { facts, factSubject, type FactType } from '#shared/events.ts'
import { natsAuthorization, natsPermissions, natsUsers, passwordVariable } from '../../services/cli/nats-authorization.ts'

const users = Object.keys(natsUsers)
const serviceOf = (user: string) => natsUsers[user]?.service
const covers = (pattern: string, subject: string) => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replace(/>$/, '.+').replaceAll('$', '\\$')}$`).test(subject)
const may = ({ allow, deny }: { allow: string[]; deny: string[] }, subject: string) => allow.some(pattern => covers(pattern, subject)) && !deny.some(pattern => covers(pattern, subject))
const publishes = (user: string, subject: string) => may(natsPermissions(user).publish, subject)
const hears = (user: string, subject: string) => may(natsPermissions(user).subscribe, subject)

test('each fact can be written by its producer\'s users and by nobody else', () => {
  for (const type of Object.keys(facts) as FactType[]) {
    for (const user of users) assert.equal(publishes(user, factSubject('r', type)), serviceOf(user) === facts[type].producer, `${user}: ${type}`)
  }
})

test('each command and signal is sent by its sender alone and heard by its receiver alone, the API-side agent\'s by no agent of a node', () => {
  for (const name of Object.keys(commands) as CommandName[]) {
    const to = commands[name].to
    for (const agent of to === 'injector' ? ['n1', 'cluster'] : [to]) {
      const subject = commandSubject(name, agent)
      for (const user of users) {
        assert.equal(publishes(user, subject), serviceOf(user) === commands[name].from, `${user} sends ${subject}`)
        const isReceiver = serviceOf(user) === to && (to !== 'injector' || user === (agent === 'cluster' ? 'cluster-agent' : 'injector'))
        assert.equal(hears(user, subject), isReceiver, `${user} hears ${subject}`)
      }
    }
  }
  for (const name of Object.keys(signals) as SignalName[]) {
    const { from, to, about } = signals[name]
    for (const user of users) {
      assert.equal(hears(user, signalSubject(name, 'x')), serviceOf(user) === to, `${user} hears ${name}`)
      if (about === 'run') assert.equal(publishes(user, signalSubject(name, 'r')), serviceOf(user) === from, `${user} sends ${name}`)
    }
    if (about === 'node') assert.deepEqual([publishes('injector', signalSubject(name, 'cluster')), publishes('cluster-agent', signalSubject(name, 'n1'))], [false, false])
  }
})

test('replies come to each user under a prefix of its own', () => {
  for (const user of users) for (const other of users) assert.equal(hears(user, `_INBOX.${other}.abc`), user === other)
})

test('nobody may change, purge or delete a stream, and only those who read facts may make consumers', () => {
  for (const user of users) {
    for (const what of ['UPDATE', 'PURGE', 'DELETE', 'MSG.DELETE', 'RESTORE', 'SNAPSHOT']) assert.equal(publishes(user, `$JS.API.STREAM.${what}.FAULTLINE`), false, `${user} ${what}`)
    assert.equal(publishes(user, '$JS.API.STREAM.CREATE.FAULTLINE'), user === 'scheduler')
    assert.equal(publishes(user, '$JS.API.STREAM.MSG.GET.FAULTLINE'), user === 'slo-evaluator')
    for (const what of ['UPDATE', 'PURGE', 'DELETE', 'MSG.DELETE', 'MSG.GET', 'RESTORE', 'SNAPSHOT']) assert.equal(publishes(user, `$JS.API.STREAM.${what}.FAULTLINE_AUDIT`), false, `${user} ${what}`)
    for (const what of ['STREAM.CREATE.FAULTLINE_AUDIT', 'STREAM.INFO.FAULTLINE_AUDIT', 'CONSUMER.CREATE.FAULTLINE_AUDIT', 'CONSUMER.CREATE.FAULTLINE_AUDIT.x.faultline.audit.>', 'CONSUMER.MSG.NEXT.FAULTLINE_AUDIT.x']) assert.equal(publishes(user, `$JS.API.${what}`), user === 'scheduler', `${user} ${what}`)
    assert.equal(publishes(user, '$KV.FAULTLINE_EPOCH.scheduler'), user === 'scheduler')
    assert.equal(publishes(user, '$JS.API.CONSUMER.CREATE.FAULTLINE'), serviceOf(user) !== 'injector')
  }
})

test('no password is in the generated file, only where it comes from', () => {
  const written = natsAuthorization()
  const passwords = [...written.matchAll(/password: (\S+)/g)].map(([, value]) => value)
  assert.deepEqual(passwords, users.map(user => `$${passwordVariable(user)}`))
})

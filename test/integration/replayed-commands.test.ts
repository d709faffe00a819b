import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, nkeys, type NatsConnection } from 'nats'
import { pino } from 'pino'
import { z } from 'zod'
import type { Bus } from '#shared/bus.ts'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { commandSubject } from '#shared/commands.ts'
import { CommandUnanswered } from '#shared/errors.ts'
import { startNats } from '../parts/nats.ts'

const log = pino({ level: 'silent' })
const keys = newCommandKeys()
const node = 'n1'
const subject = commandSubject('inject', node)
const command = (run: string) => ({
  run, fault: '1-pause', item: {}, targets: [{ id: 'process:1:1', pid: 1, startTicks: 1, description: 'x' }], peers: [], vouchers: {},
  epoch: { bucketCreatedMs: 1, revision: 1 }, deadlineMs: Date.now() + 5_000, leaseMs: 3_000,
})
const replySchema = z.object({ outcome: z.string(), why: z.string().optional() })

/** A scheduler, an agent's end of the bus that obeys whatever reaches it, and somebody who hears everything and may say anything. */
async function stage() {
  await using made = new AsyncDisposableStack()
  const nats = made.use(await startNats())
  const open = async (service: string, secrets: { signingSeed?: string } = {}): Promise<Bus> => {
    const bus = await connectBus({ servers: nats.servers, token: nats.token, service, log, commandKey: keys.commandKey, ...secrets })
    made.defer(() => bus.close())
    return bus
  }
  const scheduler = await open('scheduler', { signingSeed: keys.signingSeed })
  const stranger = await connect({ servers: nats.servers, token: nats.token })
  made.defer(() => stranger.close())
  const obeyed: string[] = []
  const owned = made.move()
  return {
    scheduler, stranger, obeyed,
    /** Starts the agent's end anew, as after a restart; resolves when the server has its subscription. */
    async startAgent(): Promise<Bus> {
      const bus = await connectBus({ servers: nats.servers, token: nats.token, service: 'injector', log, commandKey: keys.commandKey })
      owned.defer(() => bus.close())
      bus.answer('inject', node, async ({ run }) => {
        obeyed.push(run)
        return { outcome: 'done' }
      })
      bus.answer('revert', node, async () => ({ outcome: 'done', held: false }))
      const ready = Promise.withResolvers<void>()
      bus.onSignal('abort', '*', () => ready.resolve())
      const telling = setInterval(() => scheduler.signal('abort', 'r', { run: 'r', sentAtMs: 1 }), 10)
      await ready.promise // subscriptions reach the server in their order
      clearInterval(telling)
      return bus
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Subscriptions of another connection take a moment to reach the server. */
async function untilHeard(ask: () => Promise<unknown>): Promise<void> {
  for (let heard = false; !heard;) {
    heard = await ask().then(() => true, (error: unknown) => {
      if (error instanceof CommandUnanswered) return false
      throw error
    })
  }
}

/** The next command to the agent, as it is on the wire. */
async function overheard(stranger: NatsConnection, happens: () => Promise<unknown>, on = subject): Promise<Uint8Array> {
  const heard = Promise.withResolvers<Uint8Array>()
  const listening = stranger.subscribe(on, { max: 1, callback: (_error, message) => heard.resolve(message.data) })
  await stranger.flush()
  await happens()
  listening.unsubscribe()
  return heard.promise
}

async function send(stranger: NatsConnection, to: string, raw: Uint8Array): Promise<z.output<typeof replySchema>> {
  return replySchema.parse((await stranger.request(to, raw, { timeout: 20_000 })).json())
}

test('an inject that was overheard is obeyed no second time, neither by the same start of the agent nor by the next', async () => {
  await using here = await stage()
  const agent = await here.startAgent()
  const raw = await overheard(here.stranger, async () => assert.deepEqual(await here.scheduler.request('inject', node, command('r1'), { timeoutMs: 5_000 }), { outcome: 'done' }))
  const again = await send(here.stranger, subject, raw)
  assert.deepEqual([again.outcome, again.why], ['refused', 'it was heard before, and a command is obeyed once'])
  await agent.close()
  await here.startAgent()
  const afterStart = await send(here.stranger, subject, raw)
  assert.equal(afterStart.outcome, 'refused')
  assert.match(afterStart.why ?? '', /^it was sent before this service started, which cannot know whether it was obeyed by then/)
  assert.deepEqual(await here.scheduler.request('inject', node, command('r2'), { timeoutMs: 5_000 }), { outcome: 'done' })
  assert.deepEqual(here.obeyed, ['r1', 'r2'])
})

test('nobody can put another nonce to a command, or take it away; one that is to end something needs none', async () => {
  await using here = await stage()
  await here.startAgent()
  const raw = await overheard(here.stranger, () => here.scheduler.request('inject', node, command('r1'), { timeoutMs: 5_000 }))
  const sealed = z.strictObject({ payload: z.string(), stamp: z.string(), signature: z.string() }).parse(JSON.parse(Buffer.from(raw).toString()))
  const stamp = z.looseObject({ nonce: z.string() }).parse(JSON.parse(sealed.stamp))
  const changed = { ...sealed, stamp: JSON.stringify({ ...stamp, nonce: 'AAAAAAAAAAAAAAAAAAAAAA' }) }
  for (const forged of [changed, { ...sealed, stamp: undefined }, { ...sealed, payload: `${sealed.payload}\n${sealed.stamp}`, stamp: undefined }]) {
    const { outcome, why } = await send(here.stranger, subject, Buffer.from(JSON.stringify(forged)))
    assert.deepEqual([outcome, why], ['refused', forged.payload === sealed.payload ? 'the signature is not the scheduler\'s' : 'it bears no nonce: a scheduler of an older version has sent it; bring that up to date'])
  }
  const revert = { run: 'r1', fault: '1-pause' }
  const twice = [await here.scheduler.request('revert', node, revert, { timeoutMs: 5_000 }), await here.scheduler.request('revert', node, revert, { timeoutMs: 5_000 })]
  assert.deepEqual(twice, [{ outcome: 'done', held: false }, { outcome: 'done', held: false }])
  assert.deepEqual(here.obeyed, ['r1'])
})

test('a command to one agent that was overheard is obeyed by no other, nor as another command', async () => {
  await using here = await stage()
  const agent = await here.startAgent()
  agent.answer('revert', 'n2', async () => ({ outcome: 'done', held: false }))
  const revert = { run: 'r1', fault: '1-pause' }
  await untilHeard(() => here.scheduler.request('revert', 'n2', revert, { timeoutMs: 2_000 }))
  const raw = await overheard(here.stranger, () => here.scheduler.request('revert', node, revert, { timeoutMs: 5_000 }), commandSubject('revert', node))
  for (const to of [commandSubject('revert', 'n2'), subject]) {
    const { outcome, why } = await send(here.stranger, to, raw)
    assert.deepEqual([outcome, why], ['refused', 'the signature is not the scheduler\'s'], to)
  }
  assert.equal((await send(here.stranger, commandSubject('revert', node), raw)).outcome, 'done', 'where it was sent to')
})

test('a scheduler of the version before, which signs without a nonce, can end a fault and begin none', async () => {
  await using here = await stage()
  await here.startAgent()
  const signer = nkeys.fromSeed(Buffer.from(keys.signingSeed))
  const sealedBefore = (to: string, value: unknown): Uint8Array => {
    const payload = JSON.stringify(value)
    return Buffer.from(JSON.stringify({ payload, signature: Buffer.from(signer.sign(Buffer.from(`${to}\n${payload}`))).toString('base64') }))
  }
  const { outcome, why } = await send(here.stranger, subject, sealedBefore(subject, command('r1')))
  assert.deepEqual([outcome, why], ['refused', 'it bears no nonce: a scheduler of an older version has sent it; bring that up to date'])
  const revert = commandSubject('revert', node)
  assert.equal((await send(here.stranger, revert, sealedBefore(revert, { run: 'r1', fault: '1-pause' }))).outcome, 'done')
  assert.deepEqual(here.obeyed, [])
})

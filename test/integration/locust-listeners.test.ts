import assert from 'node:assert/strict'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { freePort } from '#shared/process/free-port.ts'
import { locustApi, LocustRefused } from '../../services/locust-bridge/locust-api.ts'
import { startLocust, type Locust } from '../parts/locust.ts'
import { serve, startBridge, type Handler, type Reply, type Sample } from '../parts/sample-recorder.ts'

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((total, n) => total + n, 0)
const okIn = (samples: readonly Sample[]): number => samples.reduce((total, sample) => total + sum(sample.ok), 0)
const failedIn = (samples: readonly Sample[]): number => samples.reduce((total, sample) => total + sum(sample.failed), 0)

function assertUnbroken(samples: readonly Sample[], from = 0): void {
  assert.deepEqual(samples.map(sample => sample.index), samples.map((_, k) => from + k), 'every index once, in order')
  for (const [k, sample] of samples.entries()) {
    const next = samples[k + 1]
    assert.ok(sample.startMs <= sample.endMs)
    if (next) assert.equal(next.startMs, sample.endMs, `sample ${next.index} starts where ${sample.index} ended`)
  }
}

// --- Locustfiles, as a user would write them -------------------------------------------------------------------------------

const fastUser = `
from locust import FastHttpUser, constant, task
import faultline_listeners

class Visitor(FastHttpUser):
    wait_time = constant(0.01)

    @task
    def visit(self):
        self.client.get("/")
`

/** Every kind of end: 200, 500, refused by the user's own check, accepted in spite of its status, and an error in the check. */
const everyEnding = `
from locust import FastHttpUser, HttpUser, constant, task
import faultline_listeners

def plain(user):
    user.client.get("/ok")
    user.client.get("/broken")

def checked(user):
    with user.client.get("/ok", catch_response=True) as response:
        response.failure("not what I wanted")
    with user.client.get("/broken", catch_response=True) as response:
        response.success()
    with user.client.get("/ok", catch_response=True):
        user.client.get("/ok", name="inside another's check")

class Fast(FastHttpUser):
    wait_time = constant(0.005)
    tasks = [plain, checked]

class Slow(HttpUser):
    wait_time = constant(0.005)
    tasks = [plain, checked]
`

/** Failures with an answer (500, and one that the user does not like) and without one: hung up on, refused, timed out. */
const answeredOrNot = `
from locust import FastHttpUser, HttpUser, constant, task
import faultline_listeners

def visit(user):
    user.client.get("/broken")
    with user.client.get("/ok", catch_response=True) as response:
        response.failure("not what I wanted")
    user.client.get("/gone", name="no answer")
    user.client.get("http://127.0.0.1:1/", name="no answer")
    user.client.get("/silent", name="no answer", **user.soon)

class Fast(FastHttpUser):
    wait_time = constant(0.005)
    network_timeout = 2
    soon = {}
    tasks = [visit]

class Slow(HttpUser):
    wait_time = constant(0.005)
    soon = {"timeout": 2}
    tasks = [visit]
`

/** Asks for what its argument says. */
const argued = `
from locust import FastHttpUser, constant, events, task
import faultline_listeners

@events.init_command_line_parser.add_listener
def on_command_line(parser):
    parser.add_argument("--page-number", type=int, default=1)

class Visitor(FastHttpUser):
    wait_time = constant(0.01)

    @task
    def visit(self):
        self.client.get(f"/{self.environment.parsed_options.page_number}")
`

async function withLocustfile(text: string) {
  const folder = await mkdtempDisposable(path.join(tmpdir(), 'faultline-locustfile-'))
  const file = path.join(folder.path, 'locustfile.py')
  await writeFile(file, text)
  return { file, folder: folder.path, [Symbol.asyncDispose]: () => folder.remove() }
}

const answerOk: Handler = (_request, response) => { response.end('ok') }
const bridgeAt = (url: string): NodeJS.ProcessEnv => ({ FAULTLINE_BRIDGE_URL: url })

/** Stops the users, and waits for the sample that is cut at the stop. */
async function stopAndDrain(locust: Locust, bridge: Awaited<ReturnType<typeof startBridge>>): Promise<void> {
  const drained = bridge.until('no users, nothing in flight', sample => sample.users === 0 && sample.inFlightTotal === 0)
  await locust.stop()
  await drained
}

// --- The tests -------------------------------------------------------------------------------------------------------------

test('samples add up to Locust\'s own totals, whatever way a request ends, and abut from the first to the last', async () => {
  await using system = await serve((request, response) => {
    response.writeHead(request.url === '/broken' ? 500 : 200).end('answer')
  })
  await using bridge = await startBridge()
  await using userFile = await withLocustfile(everyEnding)
  await using locust = await startLocust({ locustfile: userFile.file, host: system.url, env: { ...bridgeAt(bridge.url), FAULTLINE_BRIDGE_TOKEN: 'let-me-in' } })

  await bridge.until('a heartbeat of an idle generator', sample => sample.users === 0)
  await locust.swarm(6, 100)
  const start = await bridge.until('six users', sample => sample.users === 6)
  await bridge.until('two seconds of load', sample => sample.index >= start.index + 10)
  await stopAndDrain(locust, bridge)

  const totals = await locust.totals()
  assert.ok(totals.failures > 50 && totals.requests > 2 * totals.failures, JSON.stringify(totals))
  assert.equal(okIn(bridge.acknowledged) + failedIn(bridge.acknowledged), totals.requests)
  assert.equal(failedIn(bridge.acknowledged), totals.failures)
  assertUnbroken(bridge.acknowledged)
  assert.deepEqual([...bridge.authorizations], ['Bearer let-me-in'])
  assert.ok(bridge.acknowledged.every(sample => sample.dropped === 0))
})

test('of the failed requests those that no answer came to are told apart', async () => {
  await using system = await serve((request, response) => {
    if (request.url === '/gone') request.socket.destroy()
    else if (request.url !== '/silent') response.writeHead(request.url === '/broken' ? 500 : 200).end('answer')
  })
  await using bridge = await startBridge()
  await using userFile = await withLocustfile(answeredOrNot)
  await using locust = await startLocust({ locustfile: userFile.file, host: system.url, env: bridgeAt(bridge.url) })
  const users = 12
  await locust.swarm(users, 100)
  const unanswered = () => bridge.acknowledged.reduce((total, sample) => total + sum(sample.unanswered ?? {}), 0)
  await bridge.until('every user has asked for all, and begun anew', () => unanswered() > 3 * users)
  await stopAndDrain(locust, bridge)

  const { requests, failures, byName } = await locust.totals()
  assert.ok(requests >= unanswered() + 2 * users, `${unanswered()} of ${requests}`)
  assert.deepEqual([unanswered(), failures], [byName.get('no answer'), requests])
  assert.ok(bridge.acknowledged.every(({ failed, unanswered = {} }) => Object.entries(unanswered).every(([ms, count]) => count <= (failed[ms] ?? 0))))
})

for (const client of ['FastHttpUser', 'HttpUser']) {
  test(`requests of a ${client} that wait for a stalled server are seen while they wait, and are counted once when they end`, async () => {
    const held: ServerResponse[] = []
    let stalled = false
    await using system = await serve((_request, response) => stalled ? void held.push(response) : void response.end('ok'))
    await using bridge = await startBridge()
    await using userFile = await withLocustfile(fastUser.replaceAll('FastHttpUser', client))
    await using locust = await startLocust({ locustfile: userFile.file, host: system.url, env: bridgeAt(bridge.url) })

    await locust.swarm(5, 100)
    await bridge.until('answers', sample => sample.users === 5 && sum(sample.ok) > 0)
    stalled = true
    // two seconds: a request of a machine that stumbles does not wait so long, and is not taken for one of those that are held
    const isHeld = (ms: string) => Number(ms) >= 2_000
    const overdue = await bridge.until('five requests of two seconds', ({ inFlight }) => sum(inFlight) === 5 && Object.keys(inFlight).every(isHeld))
    assert.equal(overdue.inFlightTotal, 5)
    assert.equal(sum(overdue.ok) + sum(overdue.failed), 0)
    assert.ok(Object.keys(overdue.inFlight).every(age => Number(age) % 50 === 0))

    stalled = false
    for (const response of held) response.end('late')
    const late = () => bridge.acknowledged.slice(overdue.index).flatMap(({ ok }) => Object.entries(ok)).reduce((all, [ms, n]) => all + (isHeld(ms) ? n : 0), 0)
    await bridge.until('the late answers', () => late() >= 5) // in one sample, or in two
    const next = await bridge.until('what comes after them', sample => sum(sample.ok) > 0)
    assert.equal(late(), 5)
    assert.ok(!Object.keys(next.inFlight).some(isHeld), 'what was counted is in flight no more')

    stalled = true // and those whose users are stopped in mid-request belong to nobody
    await bridge.until('five overdue again', sample => sum(sample.inFlight) === 5)
    await stopAndDrain(locust, bridge)
    const totals = await locust.totals()
    assert.equal(okIn(bridge.acknowledged) + failedIn(bridge.acknowledged), totals.requests)
  })
}

test('a request whose end was counted is not in flight, however long the user\'s own listeners keep its user waiting', async () => {
  await using system = await serve(answerOk)
  await using bridge = await startBridge()
  await using userFile = await withLocustfile(`${fastUser}
import gevent
from locust import events

@events.test_start.add_listener
def dawdle(environment, **_):
    environment.events.request.add_listener(lambda **_: gevent.sleep(10))
`)
  await using locust = await startLocust({ locustfile: userFile.file, host: system.url, env: bridgeAt(bridge.url) })
  await locust.swarm(5, 100)
  const answered = await bridge.until('the answers of all', () => okIn(bridge.acknowledged) >= 5)
  const later = await bridge.until('a second more', sample => sample.index >= answered.index + 5)
  assert.equal(okIn(bridge.acknowledged), 5, 'their users wait')
  assert.deepEqual(bridge.acknowledged.filter(({ index, inFlightTotal }) => index > answered.index && index <= later.index && inFlightTotal > 0), [])
})

test('a bridge that comes up after three seconds gets every sample from the first one, once and in order', async () => {
  const port = await freePort()
  await using system = await serve(answerOk)
  await using userFile = await withLocustfile(fastUser)
  await using locust = await startLocust({ locustfile: userFile.file, host: system.url, env: bridgeAt(`http://127.0.0.1:${port}`) })
  await locust.swarm(3, 100)
  await delay(3_000) // the outage
  await using bridge = await startBridge({ port })
  await bridge.until('more than the outage', sample => sample.index > 20)
  await stopAndDrain(locust, bridge)

  assertUnbroken(bridge.acknowledged)
  assert.ok(bridge.acknowledged.every(sample => sample.dropped === 0))
  assert.equal(okIn(bridge.acknowledged), (await locust.totals()).requests)
  assert.equal(locust.output.match(/no answer/g)?.length, 1, 'told once, not per sample')
})

test('a sample whose acknowledgement was lost comes again under its index with the same bytes', async () => {
  let failures = 0
  const unlucky = new Map<number, Reply[]>([[3, ['hang-up', 503, 'silence']], [5, ['hang-up']]])
  await using system = await serve(answerOk)
  await using bridge = await startBridge({
    reply: ({ index }) => {
      const reply = unlucky.get(index)?.shift()
      if (reply) failures += 1
      return reply ?? 204
    },
  })
  await using userFile = await withLocustfile(fastUser)
  await using locust = await startLocust({ locustfile: userFile.file, host: system.url, env: bridgeAt(bridge.url) })
  await locust.swarm(3, 100)
  await bridge.until('samples after the losses', sample => sample.index >= 12)
  await stopAndDrain(locust, bridge)

  assert.equal(failures, 4)
  assertUnbroken(bridge.acknowledged)
  assert.equal(bridge.bodies.length, bridge.acknowledged.length + failures)
  assert.equal(new Set(bridge.bodies).size, bridge.acknowledged.length, 'a retry is the same bytes')
  assert.equal(okIn(bridge.acknowledged), (await locust.totals()).requests)
})

test('a refused sample is given up, counted by the next delivered one, and logged once', async () => {
  await using system = await serve(answerOk)
  await using bridge = await startBridge({ reply: ({ index }) => index === 2 || index === 3 ? 422 : 204 })
  await using userFile = await withLocustfile(fastUser)
  await using locust = await startLocust({ locustfile: userFile.file, host: system.url, env: bridgeAt(bridge.url) })
  await bridge.until('a sample after the refused ones', sample => sample.index === 6, 0)

  assert.deepEqual(bridge.acknowledged.slice(0, 5).map(({ index, dropped }) => [index, dropped]), [[0, 0], [1, 0], [4, 2], [5, 0], [6, 0]])
  assert.equal(locust.output.match(/HTTP 422/g)?.length, 1)
})

test('an outage longer than the outbox loses the oldest samples, says how many, and keeps the newest', async () => {
  const port = await freePort()
  await using system = await serve(answerOk)
  await using userFile = await withLocustfile(`${fastUser}\nfaultline_listeners.OUTBOX_SAMPLES = 5\n`)
  await using locust = await startLocust({ locustfile: userFile.file, host: system.url, env: bridgeAt(`http://127.0.0.1:${port}`) })
  await delay(3_000) // the outage: fifteen samples
  await using bridge = await startBridge({ port })
  await bridge.until('five samples', () => bridge.acknowledged.length >= 5, 0)

  const [first, ...rest] = bridge.acknowledged
  assert.ok(first && first.index >= 5, `lost up to ${first?.index}`)
  assert.equal(first.dropped, first.index)
  assertUnbroken(bridge.acknowledged, first.index)
  assert.ok(rest.every(sample => sample.dropped === 0))
  assert.match(locust.output, /no answer/)
})

/** 20 users at a fixed pace, and a greenlet that adds up by how much the event loop overslept its 10 ms, where that was more than the odd moment. */
const pacedUser = `
import json, time
import gevent
from locust import FastHttpUser, constant_pacing, events, task
import faultline_listeners

stalled_ms = 0.0

def probe():
    global stalled_ms
    while True:
        begun = time.perf_counter()
        gevent.sleep(0.01)
        late_ms = (time.perf_counter() - begun) * 1000 - 10
        if late_ms > 50:
            stalled_ms += late_ms

@events.test_start.add_listener
def start(**_):
    gevent.spawn(probe)

@events.quit.add_listener
def tell(**_):
    print("LOOP " + json.dumps({"stalledMs": stalled_ms}), flush=True)

class Paced(FastHttpUser):
    wait_time = constant_pacing(0.2)

    @task
    def visit(self):
        self.client.get("/")
`

const jsonStats = z.array(z.object({ num_requests: z.number() }))

test('a bridge that is silent, refuses or is gone neither takes requests from the load nor stalls its event loop', async () => {
  const served = new Map<string, number>()
  await using system = await serve((request, response) => {
    const run = request.url?.split('/')[1] ?? ''
    served.set(run, (served.get(run) ?? 0) + 1)
    answerOk(request, response)
  })
  await using silent = await startBridge({ reply: () => 'silence' })
  await using refusing = await startBridge({ reply: () => 401 })
  const bridges = { none: '', silent: silent.url, refusing: refusing.url, gone: `http://127.0.0.1:${await freePort()}` }
  await using userFile = await withLocustfile(pacedUser)

  const runs = Object.fromEntries(await Promise.all(Object.entries(bridges).map(async ([name, url]) => {
    await using locust = await startLocust({
      locustfile: userFile.file, host: `${system.url}/${name}`, env: bridgeAt(url), args: ['--headless', '-u', '20', '-r', '100', '-t', '4s'],
    })
    assert.equal(await locust.ended(), 0, locust.output)
    const told = /LOOP (.*)/.exec(locust.output)?.[1] ?? ''
    const { stalledMs } = z.object({ stalledMs: z.number() }).parse(JSON.parse(told))
    return [name, { requests: served.get(name) ?? 0, stalledMs }] as const
  })))

  const { requests: planned = 0, stalledMs: usualMs = 0 } = runs['none'] ?? {}
  assert.ok(planned > 150, JSON.stringify(runs)) // 20 users, 5 per second, 4 s; a busy machine takes its part
  for (const { requests, stalledMs } of Object.values(runs)) {
    // One post after another would stall the loop for its timeout of 1,000 ms, for most of the 4 s. What the machine itself takes is told from that by the run that has no bridge.
    assert.ok(stalledMs < usualMs + 1_500, `the loop was stalled: ${JSON.stringify(runs)}`)
    // The users go in step, 20 requests a round, and the end of the run may cut off the first and the last one. A round is lost in each 200 ms in which the loop stood still.
    assert.ok(requests >= planned - 40 - stalledMs / 10, `requests were lost: ${JSON.stringify(runs)}`)
  }
})

test('SIGTERM in mid-request delivers the last partial sample, so that nothing Locust counted is missing', async () => {
  await using system = await serve((_request, response) => void setTimeout(() => response.end('ok'), 30))
  await using bridge = await startBridge()
  await using userFile = await withLocustfile(fastUser)
  const report = path.join(userFile.folder, 'stats')
  await using locust = await startLocust({
    locustfile: userFile.file, host: system.url, env: bridgeAt(bridge.url),
    args: ['--headless', '-u', '10', '-r', '100', '--json-file', report, '--stop-timeout', '2'],
  })
  const start = await bridge.until('ten users', sample => sample.users === 10, 0)
  await bridge.until('a second of load', sample => sample.index === start.index + 5)
  assert.equal(await locust.terminate(), 0, locust.output)

  const [stats] = jsonStats.parse(JSON.parse(await readFile(`${report}.json`, 'utf8')))
  assert.ok(stats && stats.num_requests > 50)
  assert.equal(okIn(bridge.acknowledged), stats.num_requests)
  assertUnbroken(bridge.acknowledged)
  assert.ok(bridge.acknowledged.filter(sample => sample.users === 0).length >= 2, 'one is cut when the users have stopped, one at the very end')
})

test('SIGTERM with a silent bridge ends Locust after at most two seconds of flushing', async () => {
  await using system = await serve(answerOk)
  await using bridge = await startBridge({ reply: () => 'silence' })
  await using userFile = await withLocustfile(fastUser)
  await using locust = await startLocust({ locustfile: userFile.file, host: system.url, env: bridgeAt(bridge.url) })
  const askedAt = performance.now()
  assert.equal(await locust.terminate(), 0)
  const tookMs = performance.now() - askedAt
  assert.ok(tookMs > 1_000 && tookMs < 8_000, `${tookMs} ms`) // what is more than two seconds is Python's own end, on a busy machine; without the bound it would never end
  assert.match(locust.output, /\d+ samples could not be delivered before the end/)
})

test('with a master and two workers each worker posts under its own name, the master posts nothing, and the sum is the total', async () => {
  await using system = await serve(answerOk)
  await using bridge = await startBridge()
  await using userFile = await withLocustfile(fastUser)
  const port = String(await freePort())
  await using locust = await startLocust({
    locustfile: userFile.file, host: system.url, env: bridgeAt(bridge.url),
    args: ['--processes', '2', '--master-bind-host', '127.0.0.1', '--master-bind-port', port, '--master-port', port],
  })
  const names = new Set<string>()
  await bridge.until('two workers', sample => names.add(sample.worker).size === 2, 0)
  await locust.swarm(4, 100)
  const loaded = new Set<string>()
  await bridge.until('both under load', ({ worker, users }) => users === 2 && loaded.add(worker).size === 2)
  await delay(1_000) // some load
  await locust.stop()
  const idle = new Set<string>()
  await bridge.until('both idle', ({ worker, users }) => users === 0 && idle.add(worker).size === 2)
  await locust.terminate()

  assert.equal(names.size, 2)
  const byWorker = Map.groupBy(bridge.acknowledged, sample => sample.worker)
  assert.deepEqual(new Set(byWorker.keys()), names)
  for (const samples of byWorker.values()) assertUnbroken(samples)
  const [, printed] = /Aggregated\s+(\d+)\s/.exec(locust.output) ?? []
  assert.equal(okIn(bridge.acknowledged), Number(printed))
})

test('without a bridge\'s address the listeners say so once and wrap nothing', async () => {
  await using system = await serve(answerOk)
  await using userFile = await withLocustfile(`${fastUser}
from locust import events
from locust.contrib.fasthttp import FastHttpSession

@events.quit.add_listener
def tell(**_):
    print("WRAPPED", hasattr(FastHttpSession.request, "__wrapped__"), flush=True)
`)
  await using locust = await startLocust({
    locustfile: userFile.file, host: system.url, env: { FAULTLINE_BRIDGE_URL: '' }, args: ['--headless', '-u', '1', '-t', '1s'],
  })
  assert.equal(await locust.ended(), 0, locust.output)
  assert.equal(locust.output.match(/FAULTLINE_BRIDGE_URL is not set/g)?.length, 1)
  assert.match(locust.output, /WRAPPED False/)
})

test('an address that cannot be used ends Locust at once and says what to set', async () => {
  await using userFile = await withLocustfile(fastUser)
  await using locust = await startLocust({
    locustfile: userFile.file, host: 'http://127.0.0.1:1', env: bridgeAt('ftp://bridge'), args: ['--headless', '-u', '1', '-t', '5s'],
  })
  assert.equal(await locust.ended(), 1)
  assert.match(locust.output, /BridgeUrlInvalid: FAULTLINE_BRIDGE_URL is 'ftp:\/\/bridge'; set it to/)
})

test('a test has the arguments that it names, the next one those that Locust was started with, and an unknown one starts nothing', async () => {
  const asked = new Set<string>()
  await using system = await serve((request, response) => {
    asked.add(request.url ?? '')
    response.end('ok')
  })
  await using bridge = await startBridge()
  await using userFile = await withLocustfile(argued)
  await using locust = await startLocust({ locustfile: userFile.file, host: system.url, env: bridgeAt(bridge.url) })
  const api = locustApi(locust.url)
  const swarm = (parameters: Record<string, number>) => api.swarm({ users: 1, spawnRate: 1, host: system.url, parameters })

  await assert.rejects(swarm({ page_number: 7, pages: 2 }), (error: unknown) => error instanceof LocustRefused && /no argument pages; it has page_number/.test(error.message))
  for (const [parameters, page] of [[{ page_number: 2 }, '/2'], [{}, '/1']] as const) {
    asked.clear()
    await swarm(parameters)
    await bridge.until('a request', ({ ok }) => sum(ok) > 0)
    await stopAndDrain(locust, bridge)
    assert.deepEqual([...asked], [page])
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { initialState, step, type Effect, type Input, type State } from '../../services/locust-bridge/core.ts'
import type { LoadSample } from '../../services/locust-bridge/load-sample.ts'

/** `at MS input...`, and under it, indented, what the core answers. Ticks of every 100 ms up to MS come before it; only those that do something are printed. */
function play(transcript: string): string {
  let state: State = initialState
  let nowMs = 0
  const out: string[] = []
  const put = (input: Input) => {
    const next = step(state, input, nowMs)
    state = next.state
    return next.effects.map(effect => `  ${print(effect)}`)
  }
  for (const line of transcript.trim().split('\n').map(text => text.trim())) {
    const [, at, words] = /^at (\d+)\s+(.*)/.exec(line) ?? []
    if (words === undefined) continue
    while (nowMs + 100 < Number(at)) {
      nowMs += 100
      const effects = put({ is: 'tick' })
      if (effects.length > 0) out.push(`at ${nowMs} tick`, ...effects)
    }
    nowMs = Number(at)
    out.push(`at ${at} ${words}`, ...put(parse(words)))
  }
  return out.join('\n')
}

function parse(words: string): Input {
  const [is, name = '', ...rest] = words.split(' ')
  const number = (key: string, otherwise: number) => rest.includes(key) ? Number(rest[rest.indexOf(key) + 1]) : otherwise
  switch (is) {
    case 'start': return { is, run: name, users: number('users', 2), reachedWithinMs: number('within', 60_000), epoch: { bucketCreatedMs: number('bucket', 1), revision: number('revision', 1) }, isTooLate: rest.includes('late') }
    case 'sample': return { is, sample: sample(name, number('index', 0), { users: number('users', 0), lateMs: number('late', 0), dropped: number('dropped', 0) }) }
    case 'broken': return { is, run: name, why: rest.join(' ') }
    case 'polled': return { is, run: name, locust: rest.join(' ') }
    case 'stop': case 'there': case 'swarmed': case 'stop-answered': case 'kept': return { is, run: name }
    case 'halt': return { is, why: [name, ...rest].join(' ') }
    case 'drain': case 'resume': case 'tick': return { is }
    default: throw new Error(`no such input: ${words}`)
  }
}

const sample = (worker: string, index: number, given: Partial<LoadSample> = {}): LoadSample => ({
  version: 1, worker, index, bootId: null, startMs: 0, endMs: 200, users: 0, ok: {}, failed: {}, inFlight: {}, inFlightTotal: 0, lateMs: 0, dropped: 0, ...given,
})

function print(effect: Effect): string {
  switch (effect.effect) {
    case 'announce': return `announce ${effect.run} ${effect.state} ${effect.users}/${effect.targetUsers}${effect.detail === undefined ? '' : `: ${effect.detail}`}`
    case 'publish': return `publish ${effect.run} ${effect.sample.worker}/${effect.sample.index}`
    case 'refuse': return `refuse ${effect.run}: ${effect.why}`
    default: return `${effect.effect} ${effect.run}`
  }
}

/** Inputs and answers, exactly. */
function assertPlays(transcript: string): void {
  const written = transcript.trim().split('\n').map(line => line.replace(/^ {4}/, '')).join('\n')
  assert.equal(play(written), written)
}

/** What comes after the load of r1 (2 users, worker w) is reached at 1,000 ms. */
function assertGoesOn(transcript: string): void {
  const start = ['at 0 start r1', 'at 100 there r1', 'at 200 swarmed r1', 'at 1000 sample w index 0 users 2']
  const written = transcript.trim().split('\n').map(line => line.replace(/^ {4}/, '')).join('\n')
  const played = play([...start, ...written.split('\n')].join('\n'))
  assert.match(played, /announce r1 reached 2\/2\n/)
  assert.equal(played.split('announce r1 reached 2/2\n')[1], written)
}

test('a load comes up, is reached when all users of all workers are there, and is stopped once its statistics are kept and every worker has said that it has none', () => {
  assertPlays(`at 0 start r1 users 4
      accept r1
      announce r1 starting 0/4
      bring r1
    at 2000 sample old index 70 users 0
    at 2010 there r1
      swarm r1
    at 2020 sample w1 index 0 users 1
      publish r1 w1/0
    at 2030 swarmed r1
      announce r1 ramping 1/4
    at 2200 sample w2 index 0 users 2
      publish r1 w2/0
    at 2400 sample w1 index 1 users 2
      publish r1 w1/1
      announce r1 reached 4/4
    at 2600 stop r1
      announce r1 stopping 4/4
      ask-stop r1
    at 2610 sample w1 index 2 users 0
      publish r1 w1/2
    at 2620 stop-answered r1
      keep r1
    at 2630 sample w2 index 1 users 0
      publish r1 w2/1
    at 2810 sample w1 index 3 users 0
      publish r1 w1/3
    at 2850 kept r1
      announce r1 stopped 0/4
      end r1
    at 2900 sample w1 index 4 users 0`)
})

test('a load that is already there when Locust answers is reached at once', () => {
  assertPlays(`at 0 start r1
      accept r1
      announce r1 starting 0/2
      bring r1
    at 10 there r1
      swarm r1
    at 20 sample w index 0 users 2
      publish r1 w/0
    at 30 swarmed r1
      announce r1 ramping 2/2
      announce r1 reached 2/2`)
})

test('a sample that comes twice counts once', () => {
  assertGoesOn(`at 1200 sample w index 0 users 2
    at 1300 sample w index 1 users 2
      publish r1 w/1
    at 1310 sample w index 1 users 2`)
})

test('a gap in the samples fails the load, after the sample that shows it', () => {
  assertGoesOn(`at 1200 sample w index 3 users 2
      publish r1 w/3
      announce r1 failed 2/2: 2 load samples of w were lost, so its counts are not exact
      end r1`)
})

test('samples that the worker says it dropped fail the load', () => {
  assertGoesOn(`at 1200 sample w index 1 users 2 dropped 1
      publish r1 w/1
      announce r1 failed 2/2: 1 load samples of w were lost, so its counts are not exact
      end r1`)
})

test('what a worker dropped before it was first heard of is not this load\'s', () => {
  assertGoesOn(`at 1200 sample v index 900 users 0 dropped 30
      publish r1 v/900`)
})

test('a generator that is late three times in a row fails the load; twice does not', () => {
  assertGoesOn(`at 1200 sample w index 1 users 2 late 1001
      publish r1 w/1
    at 1400 sample w index 2 users 2 late 1001
      publish r1 w/2
    at 1600 sample w index 3 users 2 late 1000
      publish r1 w/3
    at 1800 sample w index 4 users 2 late 1001
      publish r1 w/4
    at 2000 sample w index 5 users 2 late 1001
      publish r1 w/5
    at 2200 sample w index 6 users 2 late 1001
      publish r1 w/6
      announce r1 failed 2/2: the load generator is saturated: w was more than 1s late 3 times in a row; give it more CPU, or fewer users
      end r1`)
})

test('a worker that is late from its very first sample on fails the load as any other does', () => {
  assertGoesOn(`at 1200 sample v index 0 users 0 late 1001
      publish r1 v/0
    at 1400 sample v index 1 users 0 late 1001
      publish r1 v/1
    at 1600 sample v index 2 users 0 late 1001
      publish r1 v/2
      announce r1 failed 2/2: the load generator is saturated: v was more than 1s late 3 times in a row; give it more CPU, or fewer users
      end r1`)
})

test('a worker that is silent for five seconds fails the load, though another one speaks', () => {
  assertGoesOn(`at 1100 sample v index 0 users 1
      publish r1 v/0
    at 5900 sample v index 1 users 1
      publish r1 v/1
    at 6000 tick
    at 6100 tick
      announce r1 failed 3/2: no load sample came from w for 5s
      end r1`)
})

test('the bridge\'s own pause is not the silence of others', () => {
  let state = reached()
  state = step(state, { is: 'tick' }, 100).state
  const afterPause = step(state, { is: 'tick' }, 60_000)
  assert.deepEqual(afterPause.effects, [])
  assert.equal(afterPause.state.load.at, 'reached')
})

test('a Locust without the listeners fails the load after five seconds', () => {
  assertPlays(`at 0 start r1
      accept r1
      announce r1 starting 0/2
      bring r1
    at 100 there r1
      swarm r1
    at 200 swarmed r1
      announce r1 ramping 0/2
    at 5200 tick
      announce r1 failed 0/2: no load sample came for 5s; the locustfile must import faultline_listeners (k8s/locust/README.md)
      end r1`)
})

test('users that are not all there in time fail the load', () => {
  assertPlays(`at 0 start r1 users 9 within 1000
      accept r1
      announce r1 starting 0/9
      bring r1
    at 100 there r1
      swarm r1
    at 200 swarmed r1
      announce r1 ramping 0/9
    at 700 sample w index 0 users 3
      publish r1 w/0
    at 1200 tick
    at 1300 tick
      announce r1 failed 3/9: 3 of 9 users were there after 1s
      end r1`)
})

test('a Locust that ends fails the load once', () => {
  assertGoesOn(`at 1100 broken r1 Locust ended: SIGKILL
      announce r1 failed 2/2: Locust ended: SIGKILL
      end r1
    at 1110 broken r1 Locust ended: SIGKILL
    at 1200 sample w index 1 users 2
    at 1300 stop r1`)
})

test('a Locust that never gets ready fails the load', () => {
  assertPlays(`at 0 start r1
      accept r1
      announce r1 starting 0/2
      bring r1
    at 25000 tick
    at 25100 tick
      announce r1 failed 0/2: Locust was not ready within 25s
      end r1
    at 25200 there r1
    at 25300 swarmed r1`)
})

test('a test that somebody else stops fails the load, but only once Locust was seen to run: its answers may be two seconds old', () => {
  assertGoesOn(`at 1100 polled r1 stopped
    at 1200 polled r1 spawning
    at 1300 polled r1 running
    at 1400 polled r1 stopped
      announce r1 failed 2/2: Locust was stopped by somebody else: it says "stopped"
      end r1`)
})

test('a load that is being stopped cannot fail any more: neither by an end, nor by gaps, nor by an old poll', () => {
  assertGoesOn(`at 1100 stop r1
      announce r1 stopping 2/2
      ask-stop r1
    at 1110 polled r1 stopped
    at 1120 stop r1
    at 1130 there r1
    at 1140 swarmed r1
    at 1200 sample w index 9 users 1 dropped 3
      publish r1 w/9
    at 1300 broken r1 Locust ended: code 0
      announce r1 stopped 1/2: Locust ended: code 0
      end r1`)
})

test('a stop is over after eight seconds even if the last samples never come', () => {
  assertGoesOn(`at 1100 stop r1
      announce r1 stopping 2/2
      ask-stop r1
    at 1200 stop-answered r1
      keep r1
    at 1300 kept r1
    at 9100 tick
    at 9200 tick
      announce r1 stopped 2/2: its last samples did not come
      end r1`)
})

test('a load is stopped before its Locust is there, and while it is asked to swarm', () => {
  assertPlays(`at 0 start r1
      accept r1
      announce r1 starting 0/2
      bring r1
    at 100 stop r1
      announce r1 stopped 0/2
      end r1
    at 200 there r1
    at 300 start r2
      accept r2
      announce r2 starting 0/2
      bring r2
    at 310 broken r1 Locust ended: code 0
    at 320 there r1
    at 400 stop-answered r2
    at 405 kept r2
    at 410 polled r2 ready
    at 500 there r2
      swarm r2
    at 600 stop r2
      announce r2 stopping 0/2
      ask-stop r2
    at 700 stop-answered r2
      keep r2
    at 750 kept r2
    at 800 sample w index 1 users 0
      publish r2 w/1
      announce r2 stopped 0/2
      end r2`)
})

test('a start is accepted once for each run, and refused when stopped, too old, too late or busy', () => {
  assertPlays(`at 0 stop r0
    at 1 stop r0
    at 2 start r0
      refuse r0: it was stopped before it was started
    at 3 start r1 late
      refuse r1: the command came after its deadline
    at 4 start r1 revision 5
      accept r1
      announce r1 starting 0/2
      bring r1
    at 5 start r1 revision 5
      accept r1
    at 6 start r2 revision 5
      refuse r2: the run r1 has the load generator
    at 7 start r2 revision 4
      refuse r2: the command is from an older leader
    at 8 start r2 bucket 0 revision 9
      refuse r2: the command is from an older leader
    at 9 stop r1
      announce r1 stopped 0/2
      end r1
    at 10 start r1 revision 6
      accept r1
    at 11 start r2 bucket 2 revision 1
      accept r2
      announce r2 starting 0/2
      bring r2`)
})

test('a halt ends the load at once, without waiting for anything, and none is begun until it is taken away', () => {
  assertGoesOn(`at 1100 halt halted by the file /halt
      announce r1 failed 2/2: halted by the file /halt
      end r1
    at 1200 stop r1
    at 1300 start r2
      refuse r2: halted by the file /halt
    at 1400 halt halted by the file /halt
    at 1500 resume
    at 1600 start r2
      accept r2
      announce r2 starting 0/2
      bring r2`)
  assertGoesOn(`at 1100 stop r1
      announce r1 stopping 2/2
      ask-stop r1
    at 1200 halt halted
      announce r1 stopped 2/2: halted
      end r1`)
})

test('a bridge that is stopped fails the load that is under way, and only that', () => {
  assertPlays(`at 0 drain
    at 1 start r1
      accept r1
      announce r1 starting 0/2
      bring r1
    at 2 drain
      announce r1 failed 0/2: the locust-bridge was stopped
      end r1`)
})

/** Reached at 0 ms: worker w, 2 users. */
function reached(): State {
  const inputs = ['start r1', 'there r1', 'swarmed r1', 'sample w index 0 users 2'].map(parse)
  return inputs.reduce((state, input) => step(state, input, 0).state, initialState)
}

test('whatever comes in whatever order: each sample is published at most once, each load ends exactly as often as it has begun, and nothing follows its end', () => {
  const runs = fc.constantFrom('r1', 'r2', 'r3')
  const words = fc.oneof(
    runs.map(run => `start ${run}`), runs.map(run => `there ${run}`), runs.map(run => `swarmed ${run}`), runs.map(run => `stop ${run}`),
    runs.map(run => `stop-answered ${run}`), runs.map(run => `kept ${run}`), runs.map(run => `broken ${run} x`), runs.map(run => `polled ${run} running`), runs.map(run => `polled ${run} stopped`),
    fc.tuple(fc.constantFrom('v', 'w'), fc.nat(6), fc.nat(2)).map(([worker, index, users]) => `sample ${worker} index ${index} users ${users}`),
    fc.constant('tick'),
  )
  fc.assert(fc.property(fc.array(fc.tuple(words, fc.nat(1_500)), { maxLength: 60 }), story => {
    let [state, nowMs] = [initialState, 0]
    const effects: Effect[] = []
    for (const [text, elapsedMs] of [...story, ['drain', 0] as const]) {
      nowMs += elapsedMs
      const next = step(state, parse(text), nowMs)
      state = next.state
      effects.push(...next.effects)
    }
    for (const run of ['r1', 'r2', 'r3']) {
      const own = effects.filter(effect => effect.run === run && effect.effect !== 'accept' && effect.effect !== 'refuse').map(print)
      assert.equal(own.filter(text => text.startsWith('bring')).length, own.filter(text => text.startsWith('end')).length)
      assert.ok(own.filter(text => text.startsWith('bring')).length <= 1)
      if (own.length > 0) assert.match(own.at(-1) ?? '', /^end/)
      const published = own.filter(text => text.startsWith('publish'))
      assert.equal(new Set(published).size, published.length)
    }
  }), { numRuns: 1_000 })
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { usualBlastRadius } from '#shared/blast-radius.ts'
import { systemClock } from '#shared/clock.ts'
import { faultKinds } from '#shared/registry.ts'
import type { Driver } from '../../services/injector/driver.ts'
import { newFaultWork, thisMachine } from '../../services/injector/fault-work.ts'
import { openJournal } from '../../services/injector/journal.ts'

test('a heartbeat between the preparing and the act renews the lease, and not what is not there yet: that would count as lapsed', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-work-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const done: string[] = []
  const driver: Driver = {
    kinds: [], plan: () => Promise.resolve([]),
    prepare: () => Promise.resolve([{
      undo: { undo: 'nothing' },
      act({ remainingMs }) {
        done.push(remainingMs > 5_000 ? 'act with the new lease' : 'act with the old lease')
        return Promise.resolve({ verified: true, readBack: [] })
      },
      renew() {
        done.push('renew')
        return Promise.resolve(done.includes('act with the new lease') ? 'renewed' : 'lapsed')
      },
    }]),
  }
  const spec = faultKinds.get('kill')?.item.parse({ kind: 'kill', target: { process: { match: 'nothing' } } })
  assert.ok(spec)
  const work = newFaultWork({
    run: 'r', fault: '1-kill', spec, targets: [], peers: [], vouchers: {}, blastRadius: usualBlastRadius,
    driver, journal: openJournal(folder), machine: thisMachine(folder), clock: systemClock, onEndedEarly: () => undefined,
  })
  const lease = (ms: number) => ({ leaseEndsMs: systemClock.monotonicMs() + ms, endsMs: null })
  await work.prepare(lease(1_000))
  assert.equal(await work.renew(lease(60_000)), 'renewed')
  await work.act()
  assert.equal(await work.renew(lease(60_000)), 'renewed')
  assert.deepEqual(done, ['act with the new lease', 'renew'])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { effectiveCapabilities } from '../../services/cli/doctor/capabilities.ts'
import { renderDoctor } from '../../services/cli/doctor.ts'

test('the table says what was found and where, and under what is not whole, the next step', () => {
  assert.equal(renderDoctor([
    { name: 'nats-server', found: 'ok', detail: '2.15.1, /opt/nats-server', neededFor: ['demo'] },
    { name: 'nft', found: 'missing', detail: 'nft: not found', next: 'npm run setup', neededFor: ['network faults', 'tests'] },
    { name: 'sch_netem', found: 'limited', detail: 'unknown\nqdisc', next: 'modprobe sch_netem', neededFor: [] },
  ]), `\
nats-server  ok       2.15.1, /opt/nats-server
nft          MISSING  nft: not found (needed for network faults, tests)
                      → npm run setup
sch_netem    limited  unknown qdisc
                      → modprobe sch_netem
`)
})

test('an empty table is empty', () => {
  assert.equal(renderDoctor([]), '')
})

const status = (mask: string) => `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${mask}\nCapBnd:\t000001ffffffffff\n`

test('capabilities are read from the effective set, whatever else is permitted', () => {
  assert.deepEqual(effectiveCapabilities(status('0000000000000000')), [])
  assert.deepEqual(effectiveCapabilities(status('0000000000001000')), ['CAP_NET_ADMIN'])
  assert.deepEqual(effectiveCapabilities(status('000001ffffffffff')), ['CAP_KILL', 'CAP_NET_ADMIN', 'CAP_SYS_PTRACE', 'CAP_SYS_ADMIN'])
})

test('a status without the line has no capabilities', () => {
  assert.deepEqual(effectiveCapabilities('Name:\tnode\n'), [])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultKinds } from '#shared/registry.ts'
import { outerDevices } from '../../services/injector/node-network.ts'

const route = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t01001EAC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t00001EAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
flannel.1\t0002F40A\t0002F40A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
cni0\t0001F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
`
const route6 = `fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`

test('off the node lead the devices of routes with a gateway, tunnels and IPv6 included; its own pods\' and the loopback do not', () => {
  assert.deepEqual(outerDevices(route, route6), ['eth0', 'eth1', 'flannel.1'])
  assert.deepEqual(outerDevices(route, ''), ['eth0', 'flannel.1'])
  assert.deepEqual(outerDevices('Iface\n', ''), [])
})

const rulesOf = (devices: string[]) => {
  const kind = faultKinds.get('node-isolate')
  assert.ok(kind)
  return kind.item.parse({ kind: 'node-isolate', target: { nodes: { name: 'n1' } }, duration: '10s' }).plan({ cpuCount: 1, devices, peers: ['10.244.1.7', 'fd00::7'], listening: [], nameservers: [], canDelay: false })
    .map(step => step.do === 'nft' ? step.rules : '').join('')
}

test('an isolated node still hears its NATS servers, and nobody else; what a tunnel has sorted out may pass below it', () => {
  const alone = rulesOf(['eth0'])
  for (const rule of ['ip saddr @nats4 tcp sport 4222 accept', 'ip daddr @nats4 tcp dport 4222 accept', 'ip6 daddr @nats6 tcp dport 4222 accept', 'iifname @lease drop', 'oifname @lease drop']) assert.ok(alone.includes(rule), rule)
  assert.doesNotMatch(alone, /udp dport/)
  assert.match(rulesOf(['eth0', 'flannel.1']), /udp dport \{ 4789, 6081, 8472/)
})

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { namespace } from '../../../services/cli/install/secret.ts'
import { inSystem, installed } from './installed.ts'

before(installed)

/** Numbers from capabilities(7), linux/capability.h. */
const capabilities = { KILL: 5, NET_ADMIN: 12, SYS_CHROOT: 18, SYS_PTRACE: 19, SYS_ADMIN: 21 }

test('the agent of a node, as it runs, has its five capabilities and no other, a seccomp filter, and no token of the API', async () => {
  const expected = Object.values(capabilities).reduce((mask, bit) => mask | 1n << BigInt(bit), 0n).toString(16).padStart(16, '0')
  const pods = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name=injector', '--output', 'name')).trim().split('\n')
  for (const pod of pods) {
    const script = 'for p in $(grep -lsz "^services/injector/main.ts$" /proc/[0-9]*/cmdline); do status=${p%cmdline}status; grep -q "^Uid:.0" "$status" && cat "$status"; done; ls /var/run/secrets/kubernetes.io 2>&1; true'
    const status = await inSystem('exec', pod, '--', 'sh', '-c', script)
    for (const set of ['CapPrm', 'CapEff', 'CapBnd']) assert.deepEqual([...new Set([...status.matchAll(new RegExp(`^${set}:\\s+(\\S+)$`, 'gm'))].map(([, mask]) => mask))], [expected], `${set} of ${pod}`) // what it is about to start has its name for a moment
    assert.match(status, /^Seccomp:\s+2$/m)
    assert.match(status, /No such file/)
  }
})

test('each service account may do what the committed list says, and no wildcard and no secret is in it', async () => {
  const accounts = (await inSystem('get', 'serviceaccounts', '--output', 'go-template={{range .items}}{{.metadata.name}}\n{{end}}')).trim().split('\n')
  const sections = await Promise.all(accounts.map(async account => {
    const printed = await kubectl(['auth', 'can-i', '--list', '--no-headers', `--as=system:serviceaccount:${namespace}:${account}`, '--as-group=system:serviceaccounts', '--as-group=system:authenticated'])
    const rights = printed.trim().split('\n').map(line => line.trim().replaceAll(/\s{2,}/g, '  ')).filter(line => !isEverybodys(line))
    return `${account}\n${rights.sort((a, b) => a < b ? -1 : 1).map(right => `  ${right}\n`).join('')}`
  }))
  const found = sections.join('')
  const golden = new URL('golden/rights.txt', import.meta.url)
  if (process.env['REWRITE']) writeFileSync(golden, found) // then read the diff
  assert.equal(found, readFileSync(golden, 'utf8'))
  assert.doesNotMatch(found, /\*|secret/i)
})

/** What every authenticated user may: ask who he is, what he may, and which versions there are. */
const isEverybodys = (line: string) => /^(?:selfsubject\w+\.\S+|clustertrustbundles\S*)\s/.test(line) || /^\[\/(?:\.well-known|api|apis|healthz|livez|openapi|openid|readyz|version)/.test(line)

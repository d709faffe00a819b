/** The kernel's own delay queue, on a kernel that has it: in a guest, whatever the host's has. As root, on Debian, whose QEMU and kernel are taken. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDebian } from '../../services/cli/setup/debian-packages.mjs'
import { runInGuest } from '../guest/guest.ts'

const lacking = process.getuid?.() !== 0 ? 'needs root' : !isDebian() ? 'needs Debian\'s packages' : process.arch !== 'x64' ? 'needs x86-64' : false

test('network-latency by netem, in a guest whose kernel has it', { skip: lacking }, async () => {
  const { code, output } = await runInGuest(['env', 'NO_COLOR=1', process.execPath, 'test/guest/netem.ts'], { timeoutMs: 240_000 })
  console.log(output)
  assert.equal(code, 0)
})

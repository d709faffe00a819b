/** The kernel's own delay queue, on a kernel that has it: in a guest, whatever the host's has. As root, on Debian, whose QEMU and kernel are taken. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guestLacks, runInGuest } from '../guest/guest.ts'

test('network-latency by netem, in a guest whose kernel has it', { skip: guestLacks() ?? false }, async () => {
  const { code, output } = await runInGuest(['env', 'NO_COLOR=1', process.execPath, 'test/guest/netem.ts'], { timeoutMs: 240_000 })
  console.log(output)
  assert.equal(code, 0, output)
})

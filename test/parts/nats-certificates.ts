import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'

/** An authority and a certificate of the NATS servers, made in a new folder with the very commands of docs/nats-tls.md: `ca.crt`, `tls.crt`, `tls.key`. Needs openssl. */
export function makeNatsCertificates(folder: string): string {
  mkdirSync(folder)
  const [, commands = ''] = /```sh\n([\s\S]*?)```/.exec(readFileSync(new URL('../../docs/nats-tls.md', import.meta.url), 'utf8')) ?? []
  assert.match(commands, /openssl x509/)
  execFileSync('sh', ['-ec', commands], { cwd: folder, stdio: 'ignore' })
  return folder
}

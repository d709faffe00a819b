import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiClient, RequestRefused, RoleTooLow } from '../../services/cli/api-client.ts'
import { renderAudit } from '../../services/cli/audit.ts'
import { serve } from '../parts/sample-recorder.ts'

const entry = { who: 'alice', role: 'operator', address: '10.0.0.7', request: 'POST /api/v1/halt', outcome: 'allowed', atMs: Date.UTC(2026, 10, 28, 2, 10, 4, 567) } as const

test('an entry is one line: when, whether, who, from where, what, on what and why; others\' words cannot break it', () => {
  const shown = renderAudit({
    scheduler: 'staging', leftOut: 7, unreadable: 0,
    entries: [{ ...entry, about: 'the release\u001b[2J is\n2026-11-28T02:10:05Z  allowed  mallory\u202e' }, { ...entry, who: 'b', address: '10.0.0.8', passedOnFor: '10.1.1.1\r', outcome: 'refused', request: 'POST /api/v1/resume', why: 'an operator\'s' }],
  })
  assert.deepEqual(shown.split('\n'), [
    'staging: 2 entries',
    '  2026-11-28T02:10:04Z  allowed  alice (operator)  10.0.0.7               POST /api/v1/halt    the release [2J is 2026-11-28T02:10:05Z  allowed  mallory ',
    '  2026-11-28T02:10:04Z  refused  b (operator)      10.1.1.1  by 10.0.0.8  POST /api/v1/resume  an operator\'s',
    '  7 older ones are left out: they were too many; ask for less with --since',
    '',
  ].map(line => line.trimEnd()))
  assert.equal(renderAudit({ scheduler: 'staging', entries: [], leftOut: 0, unreadable: 2 }), 'staging: nobody asked for anything\n  2 cannot be read by this version\n')
})

test('a role that is too little is told apart from other refusals, which an abort takes for a run that is not known', async () => {
  const answers = ['{"error":"this token is a viewer\'s (vera); POST /x takes one that is an operator\'s","name":"vera","role":"viewer"}', '{"error":"asked by a page of another site"}', 'no json']
  await using server = await serve((_request, response) => { response.writeHead(403).end(answers.shift()) })
  const client = new ApiClient({ apiUrl: server.url, token: 't' })
  await assert.rejects(client.abort('r'), (error: unknown) => error instanceof RoleTooLow && !(error instanceof RequestRefused) && /a viewer's \(vera\).*an operator's; show another/.test(error.message) && error.exitCode === 3)
  for (const says of [/403.*another site/, /403.*no json/]) await assert.rejects(client.abort('r'), (error: unknown) => error instanceof RequestRefused && says.test(error.message))
})

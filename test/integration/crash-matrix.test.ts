/** A sample of the crash matrix, by today's date or by FAULTLINE_TEST_SEED; the whole of it is `npm run crash-matrix`. As root. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '#shared/process/free-port.ts'
import { startWire } from '../crash-matrix/nats-wire.ts'
import { guestLacks } from '../guest/guest.ts'
import { until } from '../parts/until.ts'

const program = fileURLToPath(new URL('../crash-matrix/main.ts', import.meta.url))
const isRoot = process.getuid?.() === 0
const sampleSize = 5

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { out: '', err: '' }
  child.stdout.on('data', chunk => { said.out += String(chunk) })
  child.stderr.on('data', chunk => { said.err += String(chunk) })
  const [code] = await once(child, 'close') as [number]
  return { code, ...said }
}

test('a seeded sample of the matrix: nothing is left behind, no false pass, no acknowledged fact lost', { skip: !isRoot && 'needs root' }, async () => {
  const before = foldersLeft()
  const seed = process.env['FAULTLINE_TEST_SEED']
  const { code, out, err } = await run('--sample', String(sampleSize), ...seed === undefined ? [] : ['--seed', seed], '--json')
  console.log(err)
  assert.equal(code, 0, `a cell was violated; FAULTLINE_TEST_SEED repeats it\n${err}`)
  const results = JSON.parse(out) as { cell: string; fired: string | null }[]
  assert.equal(results.length, sampleSize)
  assert.ok(results.every(({ fired }) => fired !== null))
  assert.deepEqual(foldersLeft(), before)
})

test('the clock of servers in a guest jumps by an hour in the middle of a run, in a cell by the same seed', { skip: guestLacks() ?? false }, async () => {
  const before = foldersLeft()
  const seed = process.env['FAULTLINE_TEST_SEED']
  const { code, out, err } = await run('--cells', '/clock-', '--sample', '1', ...seed === undefined ? [] : ['--seed', seed], '--json')
  console.log(err)
  assert.equal(code, 0, `the cell was violated; FAULTLINE_TEST_SEED repeats it\n${err}`)
  const [result, ...others] = JSON.parse(out) as { cell: string; fired: string | null }[]
  assert.deepEqual(others, [])
  assert.match(result?.fired ?? '', /says \d{4}-.* at \d{4}-/)
  assert.deepEqual(foldersLeft(), before)
})

const foldersLeft = () => readdirSync(tmpdir()).filter(name => name.startsWith('crash-matrix-') || name.startsWith('guest-'))

test('--help says each option there is, wherever it stands, and plays nothing', async () => {
  const { code, out, err } = await run('--sample', '1', '--help')
  assert.deepEqual([code, err], [0, ''])
  for (const option of ['cells', 'sample', 'seed', 'shard', 'minutes', 'results', 'out', 'json', 'list']) assert.match(out, new RegExp(`^  --${option} `, 'm'))
})

test('arguments that mean nothing are refused with 3, before anything is started', async () => {
  for (const [args, says] of [
    [['--cells', 'no-such-part'], /no cell has such a name/], [['--cells', '('], /--cells: Invalid regular expression/], [['--sample', '0'], /--sample: expected a whole number/],
    [['--seed', '3'], /say how many with --sample/], [['--minutes', 'x'], /--minutes: expected/], [['--what'], /Unknown option/],
  ] as const) {
    const { code, err } = await run(...args)
    assert.equal(code, 3, args.join(' '))
    assert.match(err, says)
  }
})

test('a wire holds back what is on its way until it is mended, in order, and hears acknowledgements that come in pieces', async () => {
  const sockets: Socket[] = []
  const server = createServer(socket => sockets.push(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address !== 'string')
  const port = await freePort()
  await using wire = await startWire({ port, server: address.port })
  const client = connect(port, '127.0.0.1')
  let heard = ''
  client.on('data', chunk => { heard += String(chunk) })
  await until('the server is reached', () => sockets.length === 1, 20_000)
  const [socket] = sockets
  assert.ok(socket)

  socket.write('MSG x 1 30\r\n{"stream":"FAULTLINE", "seq":1')
  await until('the first piece is through', () => heard.endsWith(':1'), 20_000)
  assert.equal(wire.acknowledged.size, 0, 'its number may go on')
  socket.write('2}\r\n{"error":{"code":503},"stream":"FAULTLINE","seq":0}')
  await until('all of it is through', () => heard.endsWith('0}'), 20_000)
  assert.deepEqual([...wire.acknowledged], [12])

  wire.cut()
  socket.write('one ')
  await until('the first is held back', () => wire.heldBytes() === 4, 20_000)
  socket.write('two')
  await until('the second is held back', () => wire.heldBytes() === 7, 20_000)
  assert.ok(!heard.includes('one'))
  assert.equal(wire.mend(), 7)
  await until('it has come, in order', () => heard.endsWith('one two'), 20_000)
  client.destroy()
  server.close()
})

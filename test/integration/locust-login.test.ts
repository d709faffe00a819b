import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { startLocust } from '../parts/locust.ts'
import { locustApi, LocustUnanswered } from '../../services/locust-bridge/locust-api.ts'

const locustfile = fileURLToPath(new URL('../../k8s/locust/locustfile.py', import.meta.url))
const host = 'http://127.0.0.1:9' // nobody is there, and no load is started
const keys = { LOCUST_LOGIN_USER: 'operator', LOCUST_LOGIN_PASSWORD: 'a password with ü', LOCUST_LOGIN_TOKEN: 'a-token' }
const pages = ['/', '/stats/requests', '/stats/report', '/stats/requests/csv', '/stats/failures/csv', '/exceptions', '/exceptions/csv', '/tasks', '/logs', '/worker-count']
const deeds = ['/swarm', '/user', '/stats/reset']

test('with --web-login every page and every deed of Locust leads to the login, until name and password, or the token, are right', async () => {
  await using locust = await startLocust({ locustfile, host, env: keys, args: ['--web-login'] })
  const ask = (path: string, init: RequestInit = {}) => fetch(locust.url + path, { redirect: 'manual', ...init })
  const enter = (username: string, password: string) => ask('/login/check', { method: 'POST', body: new URLSearchParams({ username, password }) })
  const assertShut = async (init: RequestInit = {}) => {
    for (const path of pages) assert.match((await ask(path, init)).headers.get('location') ?? `${path} is open`, /\/login/)
    for (const path of [...deeds, '/stop']) assert.match((await ask(path, { method: 'POST', ...init })).headers.get('location') ?? `${path} is open`, /\/login/)
  }

  await assertShut()
  assert.equal((await ask('/login')).status, 200)
  for (const [user, password] of [['operator', 'wrong'], ['somebody', keys.LOCUST_LOGIN_PASSWORD], ['', '']] as const) {
    const refused = await enter(user, password)
    assert.equal(refused.headers.get('location'), '/login')
    const cookie = refused.headers.get('set-cookie')?.split(';')[0] ?? ''
    await assertShut({ headers: { cookie } })
    assert.match(await (await ask('/login', { headers: { cookie } })).text(), /No such name and password/)
  }
  await assertShut({ headers: { authorization: 'Bearer another' } })
  await assertShut({ headers: { cookie: 'session=eyJfdXNlcl9pZCI6Im9wZXJhdG9yIn0.aaaaaa.bbbbbb' } })

  const entered = await enter(keys.LOCUST_LOGIN_USER, keys.LOCUST_LOGIN_PASSWORD)
  assert.equal(entered.headers.get('location'), '/')
  assert.match(entered.headers.get('set-cookie') ?? '', /HttpOnly.*SameSite=Strict/)
  const cookie = entered.headers.get('set-cookie')?.split(';')[0] ?? ''
  for (const path of pages) assert.equal((await ask(path, { headers: { cookie } })).status, 200, path)

  assert.equal((await locustApi(locust.url, { token: keys.LOCUST_LOGIN_TOKEN }).stats()).state, 'ready')
  await assert.rejects(locustApi(locust.url).stats(), LocustUnanswered)
})

test('with --web-login but no password to ask for, Locust does not start', async () => {
  await assert.rejects(startLocust({ locustfile, host, env: { ...keys, LOCUST_LOGIN_PASSWORD: '' }, args: ['--web-login'] }), /--web-login needs LOCUST_LOGIN_PASSWORD/)
})

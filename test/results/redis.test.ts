// @timeout 120s
import { Redis } from 'ioredis'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import sharp from 'sharp'
import { call, callJson, type Answer } from '../http/raw.ts'
import { RunningPellet } from '../support/pellet.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/process.ts'
import { hasRedis, RedisServer } from '../support/redis-server.ts'
import { keepingProject } from './project.ts'

const test = suite('kept answers in Redis')
const it = hasRedis ? test : test.skip
let redis: RedisServer
let client: Redis
let one: RunningPellet
let other: RunningPellet

test.before(async () => {
  if (!hasRedis) return
  redis = await RedisServer.start(await freePort())
  client = new Redis(redis.url)
  const files = { ...keepingProject('', ['keeps', 'picture']), 'pellet.yaml': `cache: ${redis.url}\n` }
  ;[one, other] = await Promise.all([RunningPellet.start(files), RunningPellet.start(files)])
})
test.after(async () => {
  client?.disconnect()
  await Promise.all([one?.stop(), other?.stop()])
  await redis?.kill()
})

const keeps = (pellet: RunningPellet, text: string) => callJson(`${pellet.url}/v1/keeps`, { text })
const outcome = ({ status, headers }: Answer) => `${status} ${headers['x-cache']}`
const warnings = () => one.log.filter(({ level, msg }) => level === 'warn' && msg.startsWith('kept results'))
const answerKeys = async () => (await client.keys('pellet:cache:keeps:*')).filter((key) => /:r[0-9a-f]{64}$/.test(key))

it('what one machine has kept, byte for byte, another gives without waking its isolate', async () => {
  const png = await sharp({ create: { width: 40, height: 30, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  const ask = (pellet: RunningPellet) =>
    call(`${pellet.url}/v1/picture`, { body: png, headers: { accept: 'text/plain' } })
  const first = await ask(one)
  assert.is(outcome(first), '200 miss')
  await until(async () => (await client.dbsize()) === 2, 'both entries')
  const second = await ask(other)
  assert.equal([outcome(second), second.text, second.headers['content-type']], ['200 hit', first.text, 'text/plain'])
  assert.is((await other.row('picture')).loads, 0)
})

it('entries expire there by themselves', async () => {
  await keeps(one, 'expires')
  await until(async () => (await answerKeys()).length === 1, 'the entry')
  const leftMs = await client.pttl((await answerKeys())[0]!)
  assert.ok(leftMs > 590_000 && leftMs <= 600_000, `${leftMs} ms`)
})

it('a damaged or a foreign entry is a miss, and is replaced', async () => {
  await client.flushdb()
  await keeps(one, 'damaged')
  await until(async () => (await answerKeys()).length === 1, 'the entry')
  const [key = ''] = await answerKeys()
  await keeps(one, 'foreign')
  await until(async () => (await answerKeys()).length === 2, 'the other entry')
  const foreign = (await answerKeys()).find((one) => one !== key)!
  const damages: [string, () => Promise<unknown>][] = [
    ['one bit', () => client.setrange(key, 30, 'x')],
    ['cut off', async () => client.set(key, (await client.getBuffer(key))!.subarray(0, -1))],
    ['empty', () => client.set(key, '')],
    ['of another key', () => client.copy(foreign, key, 'REPLACE')],
    ['another kind', () => client.del(key).then(() => client.lpush(key, 'x'))],
  ]
  for (const [what, damage] of damages) {
    await damage()
    assert.is(outcome(await keeps(other, 'damaged')), '200 miss', what)
    await until(async () => outcome(await keeps(one, 'damaged')) === '200 hit', what)
  }
  const told = other.log.filter(({ msg }) => /^Storage: the entry "cache:keeps:.*" in redis:.*damaged/.test(msg))
  assert.is(told.length, 4, other.text())
})

it('clear removes what others have kept, too; another deployment’s stays', async () => {
  const there = (await answerKeys()).length + 1
  await keeps(one, 'cleared')
  // It is kept after it was answered.
  await until(async () => (await answerKeys()).length === there, 'the entry')
  const kept = await client.keys('pellet:cache:picture:*')
  await client.set('elsewhere', 'stays')
  const { stdout } = await other.cli('cache', 'clear', 'keeps')
  assert.ok(stdout.startsWith(`removed ${there} answer`), `${there}: ${stdout}`)
  assert.equal(await client.keys('pellet:cache:keeps:*'), [])
  assert.equal(await client.keys('pellet:cache:picture:*'), kept)
  assert.is(outcome(await keeps(one, 'cleared')), '200 miss')
  assert.is(await client.get('elsewhere'), 'stays')
})

it('one that hangs costs a request a second at most, and then nothing', async () => {
  const before = warnings().length
  redis.child.kill('SIGSTOP')
  const begun = performance.now()
  assert.is(outcome(await keeps(one, 'hangs')), '200 miss')
  assert.ok(performance.now() - begun < 5000)
  const after = performance.now()
  for (let i = 0; i < 5; i++) assert.is((await keeps(one, `hangs ${i}`)).status, 200)
  assert.ok(performance.now() - after < 1000, `${performance.now() - after} ms`)
  redis.child.kill('SIGCONT')
  assert.is(warnings().length, before + 1)
  await until(async () => outcome(await keeps(one, 'hangs')) === '200 hit', 'the connection', 15_000)
})

it('one that dies is a store that has nothing, said once; when it is back, so are hits', async () => {
  const before = warnings().length
  await redis.kill()
  for (let i = 0; i < 10; i++) assert.is(outcome(await keeps(one, 'dies')), '200 miss')
  assert.is(warnings().length, before + 1, one.text())
  assert.match(warnings().at(-1)!.msg, /redis:\/\/127\.0\.0\.1:\d+\/0: .*requests are computed meanwhile/)
  redis = await RedisServer.start(redis.port)
  await until(async () => outcome(await keeps(one, 'dies')) === '200 hit', 'the connection', 15_000)
  assert.ok(one.log.some(({ msg }) => msg === 'kept results: the store works again'))
})

test.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bindProblem } from '../../runtime/auth/bind-rule.ts'
import { TokenStore, type Verdict } from '../../runtime/auth/token-store.ts'
import { createDataStore } from '../../runtime/storage/storage.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const test = suite('tokens')
const told: string[] = []
const tell = (message: string) => void told.push(message)
const openIn = (folder: string, now = Date.now) =>
  TokenStore.open(createDataStore({ folder, onDamaged: ({ key, reason }) => tell(`${key}: ${reason}`) }), tell, now)
const entriesOf = (folder: string) => join(folder, 'storage/tokens')

test('only its digest is kept, in a file for its owner; a new process accepts it', async () => {
  const folder = temporaryFolder()
  const store = await openIn(folder)
  const { token, row } = await store.create({ name: 'laptop', scopes: ['deploy', 'read', 'read'] })
  assert.match(token, /^pellet_[0-9a-f]{8}_[0-9a-f]{64}$/)
  assert.equal([row.name, row.scopes, row.expires_at, row.last_used_at], ['laptop', ['read', 'deploy'], null, null])
  const [file] = readdirSync(entriesOf(folder))
  const kept = readFileSync(join(entriesOf(folder), file!), 'utf8')
  assert.not.match(kept, token.slice(-64))
  assert.is(statSync(join(entriesOf(folder), file!)).mode & 0o777, 0o600)
  const later = await openIn(folder)
  assert.is((later.verify(`Bearer ${token}`) as any).holder.name, 'laptop')
  assert.ok(later.rows()[0]!.last_used_at)
})

test('what is no valid token is refused, whatever it is', async () => {
  const store = await openIn(temporaryFolder())
  const { token, row } = await store.create({ scopes: ['read'] })
  const other = token.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))
  for (const presented of [
    undefined,
    '',
    token,
    'Bearer',
    'Bearer ',
    `Basic ${token}`,
    `Bearer ${token}x`,
    `Bearer ${token} ${token}`,
    `Bearer ${token.toUpperCase()}`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${other}`,
    `Bearer pellet_${row.id}_${'0'.repeat(64)}`,
    `Bearer pellet_00000000_${token.slice(-64)}`,
    `Bearer ${'x'.repeat(10_000)}`,
    `Bearer ${row.id}`,
  ])
    assert.ok('reason' in store.verify(presented), String(presented))
  for (const scheme of ['Bearer', 'bearer', 'BEARER']) assert.ok('holder' in store.verify(`${scheme} ${token}`), scheme)
})

test('it ends when it expires or is revoked, by id or name, at once and for the next process', async () => {
  const folder = temporaryFolder()
  let now = 1_000_000
  const store = await openIn(folder, () => now)
  const short = await store.create({ name: 'short', scopes: ['read'], expiresInMs: 1000 })
  const long = await store.create({ name: 'long', scopes: ['read'] })
  now += 999
  assert.ok('holder' in store.verify(`Bearer ${short.token}`))
  assert.is(store.size, 2)
  now += 1
  assert.match((store.verify(`Bearer ${short.token}`) as any).reason, /short .*expired/)
  assert.equal([store.size, store.rows()[0]!.state], [1, 'expired'])
  assert.match(await refusal(store.create({ name: 'long', scopes: ['read'] })), /found that of the token/)
  assert.match(await refusal(store.create({ name: 'a b', scopes: ['read'] })), /^name: expected at most 64 letters/)
  assert.match(await refusal(store.revoke('nobody')), /expected one of short \(.*\), long \(.*\), found "nobody"/)
  const ends: string[] = []
  const accepted = store.verify(`Bearer ${long.token}`) as Extract<Verdict, { holder: unknown }>
  store.untilEnd(accepted.holder, () => ends.push('long'))
  store.untilEnd(accepted.holder, () => ends.push('given up'))()
  const soon = await new Promise<string>((resolve) => {
    const timer = setTimeout(resolve, 2000, 'too late')
    store.untilEnd({ ...accepted.holder, expiresAtMs: now + 1 }, () => (clearTimeout(timer), resolve('expired')))
  })
  assert.equal([soon, ends], ['expired', []])
  await store.revoke(long.row.id)
  assert.equal(ends, ['long'])
  await store.revoke('short')
  assert.ok('reason' in store.verify(`Bearer ${long.token}`))
  assert.equal((await openIn(folder, () => now)).rows(), [])
})

test('two that are made at once with one name: the second is refused', async () => {
  const store = await openIn(temporaryFolder())
  const made = await Promise.allSettled([1, 2].map(() => store.create({ name: 'twin', scopes: ['invoke'] })))
  assert.equal(
    made.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
})

test('a record that is damaged or makes no sense opens nothing, is told, and the others are as before', async () => {
  const folder = temporaryFolder()
  const store = await openIn(folder)
  const [torn, odd, good] = await Promise.all(
    ['torn', 'odd', 'good'].map((name) => store.create({ name, scopes: ['deploy'] })),
  )
  const file = join(entriesOf(folder), torn!.row.id)
  writeFileSync(file, readFileSync(file, 'utf8').replace('["deploy"]', '["read"]'))
  const digest = readFileSync(join(entriesOf(folder), odd!.row.id), 'utf8')
    .split('"digest":"')[1]!
    .slice(0, 64)
  const sense = { id: odd!.row.id, name: 'odd', scopes: ['deploy'], digest, createdAtMs: 1, expiresAtMs: null }
  for (const record of [
    { ...sense, scopes: ['admin'] },
    { ...sense, scopes: [] },
    { ...sense, digest: '' },
    { ...sense, expiresAtMs: undefined },
    { ...sense, expiresAtMs: 'never' },
    { ...sense, id: good!.row.id },
    'text',
    [],
  ]) {
    await createDataStore({ folder }).setItem(`tokens:${odd!.row.id}`, record)
    told.length = 0
    const later = await openIn(folder)
    assert.ok('reason' in later.verify(`Bearer ${torn!.token}`))
    assert.ok('reason' in later.verify(`Bearer ${odd!.token}`), JSON.stringify(record))
    assert.ok('holder' in later.verify(`Bearer ${good!.token}`))
    assert.equal(
      told.map((line) => line.replace(/ removes it.*/, '')).toSorted(),
      [
        `token ${odd!.row.id}: its record cannot be used (it makes no sense), so it opens nothing; pellet token revoke ${odd!.row.id}`,
        `token ${torn!.row.id}: its record cannot be used (its checksum does not match), so it opens nothing; pellet token revoke ${torn!.row.id}`,
      ].toSorted(),
    )
    assert.equal(
      later.rows().map(({ state }) => state),
      ['valid', 'damaged', 'damaged'],
    )
    assert.is(later.size, 1)
  }
  await createDataStore({ folder }).setItem(`tokens:${odd!.row.id}`, sense)
  const mended = await openIn(folder)
  assert.ok('holder' in mended.verify(`Bearer ${odd!.token}`), 'it was the record alone')
  await mended.revoke(torn!.row.id)
  assert.equal(readdirSync(entriesOf(folder)).toSorted(), [odd!.row.id, good!.row.id].toSorted())
})

test('what cannot be read at all keeps nobody from calling without a token', async () => {
  const folder = temporaryFolder()
  const { token, row } = await (await openIn(folder)).create({ scopes: ['read'] })
  const file = join(entriesOf(folder), row.id)
  rmSync(file)
  mkdirSync(file)
  told.length = 0
  const store = await openIn(folder)
  assert.ok('reason' in store.verify(`Bearer ${token}`))
  assert.match(told.join(), /its record cannot be used \(.*EISDIR/)
  rmSync(entriesOf(folder), { recursive: true })
  writeFileSync(entriesOf(folder), '')
  assert.equal((await openIn(folder)).rows(), [])
  assert.match(told.join(), /tokens: none is accepted: .*ENOTDIR/)
})

test('beyond loopback: a token that is valid, or the word that all is public', async () => {
  const folder = temporaryFolder()
  const ask = (host: string, rest = {}) =>
    bindProblem({ dataFolder: folder, public: false, requireToken: false, ...rest }, [host], tell)
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', 'LocalHost', '::1', '::ffff:127.0.0.1'])
    assert.is(await ask(host), undefined, host)
  const beyond = ['0.0.0.0', '::', '10.0.0.1', '::ffff:10.0.0.1', '127.0.0.1.example.com', 'pi.local', '127.1']
  for (const host of beyond) assert.match((await ask(host))!, /^host: .*pellet token create.*--public/)
  assert.match((await ask('127.0.0.1', { requireToken: true }))!, /^require_token: .*pellet token create/)
  assert.match((await ask('127.0.0.1', { requireToken: true, public: true }))!, /expected one of them/)
  assert.is(await ask('0.0.0.0', { public: true }), undefined)
  assert.equal(readdirSync(folder), [], 'to ask leaves nothing behind')
  const store = await openIn(folder, () => Date.now() - 10_000)
  await store.create({ name: 'old', scopes: ['deploy'], expiresInMs: 1000 })
  assert.ok(await ask('0.0.0.0'), 'one that has expired opens nothing')
  await store.create({ scopes: ['read'] })
  assert.is(await ask('0.0.0.0'), undefined)
})

test.run()

function refusal(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'nothing',
    (error: Error) => error.message,
  )
}

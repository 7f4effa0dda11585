// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answering, identityModel } from '../deployments/tiny.ts'
import { runHere } from '../support/cli.ts'
import { createProject, RunningPellet, type CliResult } from '../support/pellet.ts'

const test = suite('deploying to a Pellet on another machine')
/** A function that says which text it was made of. */
const saying = (text: string, manifest = '') => answering(`return { text: '${text}' }`, { manifest, head: tokenless })
/** The code is looked at on the laptop, too: there it must not find the token that it is deployed with. */
const tokenless = `if (process.env.PELLET_TOKEN) throw new Error('the token is to be seen')`
const laptop = createProject({
  'models/identity.onnx': identityModel(),
  'models/words.txt': 'one\n',
  'models/large.bin': new Uint8Array(9 * 1024 ** 2),
  'functions/word.ts': saying('one', `files: { words: 'words.txt' }`),
  'functions/broken.ts': 'export default',
})
const env: Record<string, string> = {}
let pi: RunningPellet

test.before(async () => {
  pi = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/dropped.ts': saying('dropped', `route: 'POST /v1/dropped'`),
  })
  Object.assign(env, { PELLET_TO: pi.url, PELLET_TOKEN: await tokenFor('deploy') })
})
test.after(async () => {
  await pi?.stop()
})

/** As on the laptop, in this process. */
const here = (...args: string[]) => runHere(laptop, args, env)
const write = (path: string, text: string) => writeFileSync(join(laptop, path), text)

async function tokenFor(scope: string): Promise<string> {
  const { stdout } = await runHere(pi.folder, ['token', 'create', '--scope', scope, '--json'])
  return (JSON.parse(stdout) as { token: string }).token
}

async function word(name = 'word'): Promise<string> {
  const answer = await pi.post(`/v1/${name}`, {})
  const { text, error } = (await answer.json()) as { text?: string; error?: { code: string } }
  return text ?? error!.code
}

function lines({ stdout }: CliResult): Record<string, unknown>[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('a dry run changes nothing, a deploy serves, and another of the same sends nothing', async () => {
  const dry = await here('deploy', 'functions/word.ts', '--dry-run')
  assert.is(dry.code, 0, dry.stderr)
  const [, revision] =
    /^word: revision ([0-9a-f]{12}) would serve, where nothing served before\n$/.exec(dry.stdout) ?? []
  assert.ok(revision, dry.stdout)
  assert.match(dry.stderr, /^word: 4 files, [\d.]+ KB; all of it is to be sent\n {2}functions\/word\.ts, bundled, /)
  assert.match(dry.stderr, /\n {2}models\/words\.txt, 4 B\n/)
  assert.is(await word(), 'not_found')

  const first = await here('deploy', 'functions/word.ts')
  assert.is(first.code, 0, first.stderr)
  assert.match(
    first.stdout,
    new RegExp(`^word: revision ${revision} serves, where nothing served before \\([\\d.]+m?s\\)\n$`),
  )
  assert.match(first.stderr, /\nword: .*goes live\n/)
  assert.is(await word(), 'one')

  const again = lines(await here('deploy', 'functions/word.ts', '--json'))
  const packed = again[0] as { name: string; type: string; blobs: { shown: string; isMissing: boolean }[] }
  assert.equal([packed.name, packed.type, packed.blobs.some(({ isMissing }) => isMissing)], ['word', 'packed', false])
  assert.ok(again.slice(1, -1).every(({ type, phase }) => type === 'phase' && typeof phase === 'string'))
  const { type, isChanged, previous } = again.at(-1)!
  assert.equal([type, isChanged, String(previous).slice(0, 12)], ['done', false, revision])
})

test('only what changed is sent; history and rollback know what was', async () => {
  write('models/words.txt', 'two\n')
  write('functions/word.ts', saying('two', `files: { words: 'words.txt' }`).replace('return {', 'return {\n'))
  const second = await here('deploy', 'functions/word.ts')
  assert.is(second.code, 0, second.stderr)
  assert.match(second.stdout, /^word: revision [0-9a-f]{12} serves, in the place of [0-9a-f]{12} \(/)
  assert.is(await word(), 'two')
  const rows = JSON.parse((await here('history', 'word', '--json')).stdout) as { revision: string; isLive: boolean }[]
  assert.equal(
    rows.map(({ isLive }) => isLive),
    [true, false],
  )
  const [now, before] = rows.map(({ revision }) => revision) as [string, string]
  const table = (await here('history', 'word')).stdout
  assert.match(
    table,
    new RegExp(
      `^REVISION .*\n${now.slice(0, 12)} +live .* ago +deploy +identity .* POST /v1/word +functions/word.ts\n`,
    ),
  )

  const back = await here('rollback', 'word', before.slice(0, 6), '--no-probe')
  assert.is(back.code, 0, back.stderr)
  assert.not.match(back.stderr, 'it is tried')
  assert.match(back.stdout, `word: revision ${before.slice(0, 12)} serves, in the place of ${now.slice(0, 12)} (`)
  assert.is(await word(), 'one')
  const none = await here('rollback', 'word', 'ffffffff')
  assert.is(none.code, 1)
  assert.match(
    none.stderr,
    /word: not rolled back: revision: expected one that is kept \(.*\), found ffffffff\n {2}revision [0-9a-f]{12} serves on\n$/,
  )
  assert.is((await here('history', 'nobody')).code, 1)
})

test('of several, those that call others come after them; one that is wrong holds up none', async () => {
  write('functions/other.ts', saying('other', `route: 'POST /v1/dropped', files: { large: 'large.bin' }`))
  write(
    'manifests.yaml',
    'name: caller\nmodel: { onnx: identity.onnx }\nfunction: word\nroute: POST /v1/caller\npre: [keep]\n' +
      `post: [answer, { call: { deployment: word, send: text, take: text } }]\nfiles: { words: ${join(laptop, 'models/words.txt')} }\n`,
  )
  const result = await here(
    'deploy',
    'manifests.yaml',
    'functions/word.ts',
    'functions/broken.ts',
    'functions/other.ts',
    'wrod',
  )
  assert.is(result.code, 1)
  assert.match(result.stderr, /^functions\/broken\.ts:1:\d+: /)
  assert.match(result.stderr, /\nwrod: expected a file, found none\n/)
  assert.match(
    result.stderr,
    /\nother: not deployed: .*expected a free route, found POST \/v1\/dropped, which dropped .*\n {2}nothing serves/,
  )
  // That is told before its nine megabytes are sent.
  assert.match(result.stderr, /\nother: 4 files, 9 MB; /)
  assert.not.match(result.stderr, 'uploading')
  assert.match(result.stderr, /2 of 5 deployed; failed: broken, wrod, other\n$/)
  assert.match(result.stdout, /^word: revision [^]*\ncaller: revision [0-9a-f]{12} serves, where nothing served before/)
  assert.is(await word(), 'two')
  assert.is(await word('caller'), 'two')
})

test('what was damaged there is sent anew by the same deploy', async () => {
  const models = join(pi.folder, '.pellet/storage/models')
  const damaged = join(models, createHash('sha256').update('two\n').digest('hex'))
  writeFileSync(damaged, 'owt\n')
  rmSync(join(models, createHash('sha256').update(identityModel()).digest('hex')))
  await here('unload', 'word')
  assert.match(
    await (await pi.post('/v1/word', {})).text(),
    /identity\.onnx as it was uploaded: expected the model that was deployed .*, found none; deploy word again/,
  )
  const { code, stdout, stderr } = await here('deploy', 'functions/word.ts')
  assert.is(code, 0, stderr)
  assert.match(stdout, /^word: revision [0-9a-f]{12} serves already\n$/)
  assert.match(stderr, /\nword: words\.txt \(blob .*damaged, and is removed; it is sent anew\n/)
  assert.is(readFileSync(damaged, 'utf8'), 'two\n')
  await here('load', 'word')
  assert.is(await word(), 'two')
})

test('a model in several files is refused, for it would lie alone there', async () => {
  // Of a ModelProto: in its graph a tensor whose data has a location.
  const location = protobuf(13, protobuf(1, 'location'), protobuf(2, 'weights.bin'))
  const tensor = protobuf(5, Buffer.from([8, 4, 16, 1]), protobuf(8, 'w'), location, Buffer.from([14 << 3, 1]))
  writeFileSync(join(laptop, 'models/parts.onnx'), Buffer.concat([identityModel(), protobuf(7, tensor)]))
  writeFileSync(join(laptop, 'models/weights.bin'), new Uint8Array(16))
  write('functions/parts.ts', saying('parts', `model: { onnx: 'parts.onnx' }`))
  const { code, stderr } = await here('deploy', 'functions/parts.ts')
  assert.is(code, 1)
  assert.match(stderr, /models\/parts\.onnx: expected a model in one file, found .* in models\/weights\.bin, /)
})

test('a name that was deployed shadows a dropped file until it is deleted', async () => {
  write('functions/dropped.ts', saying('deployed', `route: 'POST /v1/dropped'`))
  assert.is(await word('dropped'), 'dropped')
  const over = await here('deploy', 'functions/dropped.ts', '--no-probe')
  assert.match(
    over.stdout,
    /^dropped: revision .*\n {2}functions\/dropped\.ts of the project does not serve until pellet delete dropped\n$/,
  )
  assert.is(await word('dropped'), 'deployed')
  const list = (await here('list')).stdout
  assert.match(list, /^dropped .* deployed +functions\/dropped\.ts$/m)
  assert.match(list, /^dropped was deployed, and shadows functions\/dropped\.ts, until pellet delete dropped$/m)
  const gone = await here('delete', 'dropped')
  assert.match(
    gone.stdout,
    /^dropped: revision [0-9a-f]{12} and its history are deleted; functions\/dropped\.ts serves from now on\n$/,
  )
  assert.is(await word('dropped'), 'dropped')
  assert.is((await here('delete', 'dropped')).code, 1)
})

test('a token opens what its scopes say, and every refusal says what to do', async () => {
  const env = { PELLET_TO: pi.url, PELLET_TOKEN: await tokenFor('read') }
  assert.is((await runHere(laptop, ['list', '--json'], env)).code, 0)
  const reader = await runHere(laptop, ['deploy', 'functions/word.ts'], env)
  assert.is(reader.code, 1)
  assert.match(reader.stderr, /: expected the scope deploy .*, found read; pellet token create/)
  const nobody = await runHere(laptop, ['ps'], { PELLET_TO: pi.url, PELLET_TOKEN: 'pellet_wrong' })
  assert.match(nobody.stderr, /: expected a token that is valid there, found one that is unknown, expired or revoked; /)
  const invoker = { PELLET_TO: pi.url, PELLET_TOKEN: await tokenFor('invoke') }
  const named = await runHere(laptop, ['invoke', 'word', '--route', 'POST /v1/word', '-d', '{}'], invoker)
  assert.is(named.stdout, '{"text":"two"}\n', named.stderr)
  assert.match((await runHere(laptop, ['invoke', 'word', '-d', '{}'], invoker)).stderr, /name the route in full/)
  for (const { stderr } of [reader, nobody, named]) assert.not.match(stderr, /pellet_[0-9a-f]/)
})

test('what is deployed needs no file of the laptop', async () => {
  const { stdout } = await here('list', '--json')
  assert.not.match(stdout, laptop)
})

test.run()

// --- internal ---

/** A field of a protobuf message that is shorter than 128 bytes. */
function protobuf(field: number, ...parts: (string | Buffer)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part as string)))
  return Buffer.concat([Buffer.from([(field << 3) | 2, content.length]), content])
}

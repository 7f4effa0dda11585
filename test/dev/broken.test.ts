// @timeout 120s
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering, identityModel } from '../deployments/tiny.ts'
import { stuck } from '../support/functions.ts'
import { saying, WatchedPellet } from './watched.ts'

const test = suite('what breaks leaves what was serving')

/** A function that imports a file, and whose manifest stands in another. */
const source = (head = '') =>
  answering(`return { word, pid: process.pid }`, {
    head: `${head}\nimport { word } from './lib/word.ts'`,
    manifest: `model: { onnx: 'whole.onnx' }`,
  })
const word = `export const word = 'whole'`
const manifest = 'name: whole\nroute: POST /v1/whole\nlisten: []\n'

let watched: WatchedPellet

test.before(async () => {
  watched = await WatchedPellet.start({
    'functions/whole.ts': source(),
    'functions/lib/word.ts': word,
    'manifests/whole.yaml': manifest,
    'functions/steady.ts': saying('steady', `route: 'POST /v1/steady'`),
    'models/whole.onnx': identityModel(),
  })
  await watched.ask('/v1/steady')
})
test.after(async () => void (await watched.pellet.stop('SIGKILL')))

interface Breakage {
  how: string
  break: () => void
  /** What is told of it, in the log and in the list. */
  told: RegExp
  mend: () => void
}

const write = (file: string, content: string | Uint8Array) => () => watched.save(file, content)
const model = () => watched.path('models/whole.onnx')

const breakages: Breakage[] = [
  {
    how: 'a syntax error',
    break: write('functions/whole.ts', `${source()}\n}`),
    told: /^functions\/whole\.ts:\d+:\d+: Unexpected "}"/,
    mend: write('functions/whole.ts', source()),
  },
  {
    how: 'a syntax error in what it imports',
    break: write('functions/lib/word.ts', `export const word = 'half`),
    told: /^functions\/lib\/word\.ts:1:\d+: Unterminated string literal/,
    mend: write('functions/lib/word.ts', word),
  },
  {
    how: 'an import that is gone',
    break: () => rmSync(watched.path('functions/lib'), { recursive: true }),
    told: /^functions\/whole\.ts:\d+:\d+: Could not resolve "\.\/lib\/word\.ts"/,
    mend: write('functions/lib/word.ts', word),
  },
  {
    how: 'an error while it is loaded',
    break: write('functions/whole.ts', source(`\nthrow new Error('not today')`)),
    told: /^functions\/whole\.ts: the function throws while it is loaded: Error: not today\n.*functions\/whole\.ts:4:7/s,
    mend: write('functions/whole.ts', source()),
  },
  {
    how: 'a rejection that nobody catches',
    break: write('functions/whole.ts', source(`\nvoid Promise.reject(new Error('not now'))`)),
    told: /^functions\/whole\.ts: .* nobody catches it: Error: not now\n.*functions\/whole\.ts:4:21/s,
    mend: write('functions/whole.ts', source()),
  },
  {
    how: 'an export that Pellet has not',
    break: write('functions/lib/word.ts', `import { stepp } from 'pellet'\nexport const word = String(stepp)`),
    told: /^functions\/whole\.ts: .*functions\/lib\/word\.ts:1:10: "pellet" has no export named stepp; did you mean step\?/,
    mend: write('functions/lib/word.ts', word),
  },
  {
    how: 'an unknown key in its manifest',
    break: write('manifests/whole.yaml', `${manifest}rout: x\n`),
    told: /^manifests\/whole\.yaml:4:1 rout: .*did you mean route/,
    mend: write('manifests/whole.yaml', manifest),
  },
  {
    how: 'a manifest that is no YAML',
    break: write('manifests/whole.yaml', 'name: [whole\n'),
    told: /^manifests\/whole\.yaml:/,
    mend: write('manifests/whole.yaml', manifest),
  },
  {
    how: 'a model that is gone',
    break: () => renameSync(model(), `${model()}.away`),
    told: /its model is missing: expected models\/whole\.onnx|expected a model file at models\/whole\.onnx, found none/,
    mend: () => renameSync(`${model()}.away`, model()),
  },
  {
    how: 'a model that is damaged',
    break: () => writeFileSync(model(), 'no model'),
    told: /^functions\/whole\.ts:7:\d+ model\.onnx: .*The file is no ONNX model/,
    mend: () => writeFileSync(model(), identityModel()),
  },
  {
    how: 'a route that another has',
    break: write('manifests/whole.yaml', manifest.replace('/v1/whole', '/v1/steady')),
    told: /^manifests\/whole\.yaml:2:8 route: expected a free route, found POST \/v1\/steady, which steady \(functions\/steady\.ts\) has/,
    mend: write('manifests/whole.yaml', manifest),
  },
]

for (const { how, break: breakIt, told, mend } of breakages)
  test(`${how}: told once, and mended it recovers`, async () => {
    const { revision } = (await watched.list('whole'))!
    const from = watched.pellet.log.length
    const problem = await watched.after(breakIt, (line) => line.deployment === 'whole' && told.test(line.msg))
    const row = (await watched.listWhen('whole', (one) => one?.is_outdated === true))!
    assert.is(row.revision, revision)
    assert.match(row.problems.join('\n'), told)
    assert.is((await watched.ask('/v1/whole')).word, 'whole')
    // Something else is saved meanwhile: what is told already is not told again.
    await watched.deployed('other', () => watched.save('functions/other.ts', saying(how, `route: 'POST /v1/other'`)))
    await watched.after(mend, (line) => line.deployment === 'whole' && line.msg.includes('mended: '))
    const mended = (await watched.list('whole'))!
    assert.equal([mended.revision, mended.problems, mended.is_outdated], [revision, [], false])
    assert.is((await watched.ask('/v1/whole')).word, 'whole')
    const repeated = watched.pellet.log.slice(from).filter(({ msg }) => msg === problem.msg)
    assert.is(repeated.length, 1)
  })

test('pellet list says file, line, what and how, and which revision serves', async () => {
  await watched.after(breakages[0]!.break, ({ msg }) => breakages[0]!.told.test(msg))
  const { stdout } = await watched.pellet.cli('list')
  const { revision } = (await watched.list('whole'))!
  assert.match(stdout, `whole keeps serving revision ${revision} until this is mended:\n  functions/whole.ts:`)
  await watched.after(breakages[0]!.mend, ({ msg }) => msg.includes('mended: '))
  assert.not.match((await watched.pellet.cli('list')).stdout, 'keeps serving')
})

test('a new file that is broken is refused, and serves once it is mended; it takes nothing from others', async () => {
  const route = `route: 'POST /v1/whole'`
  await watched.after(
    () => watched.save('functions/a.ts', saying('taken', route)),
    ({ deployment, msg }) => deployment === 'a' && msg.includes('which whole (manifests/whole.yaml) has'),
  )
  assert.is((await watched.list('a'))!.state, 'refused')
  assert.is((await watched.ask('/v1/whole')).word, 'whole')
  await watched.deployed('a', () => watched.save('functions/a.ts', saying('mended', `route: 'POST /v1/a'`)))
  assert.is((await watched.ask('/v1/a')).word, 'mended')
})

test('code that hangs when it is loaded holds up nobody else', async () => {
  watched.save('functions/hanging.ts', saying('hanging', `route: 'POST /v1/hanging'`) + `\n${stuck}`)
  const hung = ({ deployment, level }: { deployment?: string; level: string }) =>
    deployment === 'hanging' && level === 'error'
  await watched.deployed('prompt', () =>
    watched.save('functions/prompt.ts', saying('prompt', `route: 'POST /v1/prompt'`)),
  )
  assert.not(watched.pellet.log.some(hung), 'the other one is live before this one is given up')
  assert.match((await watched.pellet.logged(hung)).msg, 'expected to be loaded within 5 s')
})

test('nobody else noticed any of it', async () => {
  const { loads, crashes, state } = await watched.pellet.row('steady')
  assert.equal([loads, crashes, state], [1, 0, 'ready'])
})

test.run()

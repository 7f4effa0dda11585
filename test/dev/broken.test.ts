// @timeout 120s
import { rmSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering, identityModel } from '../deployments/tiny.ts'
import { stuck } from '../support/functions.ts'
import type { LogLine, ProjectFiles } from '../support/pellet.ts'
import { saying, WatchedPellet } from './watched.ts'

const test = suite('what breaks leaves what was serving')

/** A function that imports a file, and whose manifest stands in another. */
const source = (name: string, head = '') =>
  answering(`return { word, pid: process.pid }`, {
    head: `${head}\nimport { word } from './${name}/word.ts'`,
    manifest: `model: { onnx: '${name}.onnx' }`,
  })
const word = `export const word = 'whole'`
const manifest = (name: string) => `name: ${name}\nroute: POST /v1/${name}\nlisten: []\n`

let watched: WatchedPellet

/** The files of one function. */
interface Files {
  name: string
  function: string
  word: string
  manifest: string
  model: string
}

const filesOf = (name: string): Files => ({
  name,
  function: `functions/${name}.ts`,
  word: `functions/${name}/word.ts`,
  manifest: `manifests/${name}.yaml`,
  model: `models/${name}.onnx`,
})

interface Breakage {
  how: string
  break: (files: Files) => void
  /** What is told of it, in the log and in the list. */
  told: (name: string) => RegExp
  /** Its function is asked before and meanwhile: that takes a process. */
  isAsked?: true
}

const write = (file: string, content: string | Uint8Array) => watched.save(file, content)

const breakages: Record<string, Breakage> = {
  whole: {
    how: 'a syntax error',
    break: (files) => write(files.function, `${source(files.name)}\n}`),
    told: (name) => new RegExp(`^functions/${name}\\.ts:\\d+:\\d+: Unexpected "}"`),
    isAsked: true,
  },
  imported: {
    how: 'a syntax error in what it imports',
    break: (files) => write(files.word, `export const word = 'half`),
    told: (name) => new RegExp(`^functions/${name}/word\\.ts:1:\\d+: Unterminated string literal`),
  },
  'not-imported': {
    how: 'an import that is gone',
    break: (files) => rmSync(watched.path(files.word)),
    told: (name) => new RegExp(`^functions/${name}\\.ts:\\d+:\\d+: Could not resolve "\\./${name}/word\\.ts"`),
  },
  throwing: {
    how: 'an error while it is loaded',
    break: (files) => write(files.function, source(files.name, `\nthrow new Error('not today')`)),
    told: (name) =>
      new RegExp(
        `^functions/${name}\\.ts[^\\n]*: the function throws while it is loaded: Error: not today\\n.*functions/${name}\\.ts:4:7`,
        's',
      ),
  },
  rejecting: {
    how: 'a rejection that nobody catches',
    break: (files) => write(files.function, source(files.name, `\nvoid Promise.reject(new Error('not now'))`)),
    told: (name) =>
      new RegExp(`^functions/${name}\\.ts: .* nobody catches it: Error: not now\\n.*functions/${name}\\.ts:4:21`, 's'),
  },
  misnaming: {
    how: 'an export that Pellet has not',
    break: (files) => write(files.word, `import { stepp } from 'pellet'\nexport const word = String(stepp)`),
    told: (name) =>
      new RegExp(
        `^functions/${name}\\.ts: .*functions/${name}/word\\.ts:1:10: "pellet" has no export named stepp; did you mean step\\?`,
      ),
  },
  'wrong-key': {
    how: 'an unknown key in its manifest',
    break: (files) => write(files.manifest, `${manifest(files.name)}rout: x\n`),
    told: (name) => new RegExp(`^manifests/${name}\\.yaml:4:1 rout: .*did you mean route`),
  },
  'no-yaml': {
    how: 'a manifest that is no YAML',
    break: (files) => write(files.manifest, 'name: [whole\n'),
    told: (name) => new RegExp(`^manifests/${name}\\.yaml:`),
  },
  'no-model': {
    how: 'a model that is gone',
    break: (files) => rmSync(watched.path(files.model)),
    told: (name) =>
      new RegExp(
        `its model is missing: expected models/${name}\\.onnx|expected a model file at models/${name}\\.onnx, found none`,
      ),
    isAsked: true,
  },
  damaged: {
    how: 'a model that is damaged',
    break: (files) => write(files.model, 'no model'),
    told: (name) => new RegExp(`^functions/${name}\\.ts:7:\\d+ model\\.onnx: .*The file is no ONNX model`),
  },
  rival: {
    how: 'a route that another has',
    break: (files) => write(files.manifest, manifest(files.name).replace(`/v1/${files.name}`, '/v1/steady')),
    told: (name) =>
      new RegExp(
        `^manifests/${name}\\.yaml:2:8 route: expected a free route, found POST /v1/steady, which steady \\(functions/steady\\.ts\\) has`,
      ),
  },
}
const cases = Object.entries(breakages)
const asked = cases.filter(([, { isAsked }]) => isAsked).map(([name]) => name)

/** What a function consists of while nothing is broken. */
const wholeFiles = (name: string): ProjectFiles => {
  const files = filesOf(name)
  return {
    [files.function]: source(name),
    [files.word]: word,
    [files.manifest]: manifest(name),
    [files.model]: identityModel(),
  }
}
const breakIt = (name: string) => breakages[name]!.break(filesOf(name))
const mendIt = (name: string) => {
  for (const [file, content] of Object.entries(wholeFiles(name))) write(file, content as string | Uint8Array)
}

test.before(async () => {
  const files: ProjectFiles = { 'functions/steady.ts': saying('steady', `route: 'POST /v1/steady'`) }
  for (const [name] of cases) Object.assign(files, wholeFiles(name))
  watched = await WatchedPellet.start(files)
  await Promise.all(['steady', ...asked].map((name) => watched.ask(`/v1/${name}`)))
})
test.after(async () => void (await watched.pellet.stop('SIGKILL')))

/** All of them, once each line of the log that is wanted of one was there. */
async function afterAll(change: () => void, isWanted: (line: LogLine, name: string) => boolean): Promise<void> {
  const open = new Set(cases.map(([name]) => name))
  await watched.after(change, (line) => {
    const name = line.deployment ?? ''
    if (open.has(name) && isWanted(line, name)) open.delete(name)
    return open.size === 0
  })
}

const revisions = new Map<string, string | null>()
let brokenFrom = 0

test('many broken at once: each is told, and what was asked answers on', async () => {
  for (const [name] of cases) revisions.set(name, (await watched.list(name))!.revision)
  brokenFrom = watched.pellet.log.length
  await afterAll(
    () => cases.forEach(([name]) => breakIt(name)),
    ({ msg }, name) => breakages[name]!.told(name).test(msg),
  )
  for (const name of asked) assert.is((await watched.ask(`/v1/${name}`)).word, 'whole')
})

for (const [name, { how, told }] of cases)
  test(`${how}: the last good revision stays, and the list says why`, async () => {
    const row = (await watched.listWhen(name, (one) => one?.is_outdated === true))!
    assert.is(row.revision, revisions.get(name))
    assert.match(row.problems.join('\n'), told(name))
  })

test('something else is saved meanwhile: what is told already is not told again; mended, all recover', async () => {
  await watched.deployed('other', () => write('functions/other.ts', saying('other', `route: 'POST /v1/other'`)))
  await afterAll(
    () => cases.forEach(([name]) => mendIt(name)),
    ({ msg }) => msg.includes('mended: '),
  )
  const lines = watched.pellet.log.slice(brokenFrom)
  for (const [name, { how, told }] of cases) {
    const mended = (await watched.list(name))!
    assert.equal([mended.revision, mended.problems, mended.is_outdated], [revisions.get(name), [], false], how)
    const problems = lines.flatMap(({ deployment, msg }) => (deployment === name && told(name).test(msg) ? [msg] : []))
    assert.equal(problems, [...new Set(problems)], how)
  }
  for (const name of asked) assert.is((await watched.ask(`/v1/${name}`)).word, 'whole')
})

test('pellet list says file, line, what and how, and which revision serves', async () => {
  await watched.after(
    () => breakIt('whole'),
    ({ msg }) => breakages['whole']!.told('whole').test(msg),
  )
  const { stdout } = await watched.pellet.cli('list')
  const { revision } = (await watched.list('whole'))!
  assert.match(stdout, `whole keeps serving revision ${revision} until this is mended:\n  functions/whole.ts:`)
  await watched.after(
    () => mendIt('whole'),
    ({ msg }) => msg.includes('mended: '),
  )
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

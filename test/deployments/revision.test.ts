// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../../runtime/config.ts'
import { compileFiles, compileProject } from '../../runtime/deployments/compile.ts'
import { createMemo } from '../../runtime/deployments/memo.ts'
import { createDataStore } from '../../runtime/storage/storage.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { createProject, RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { answering, identityModel } from './tiny.ts'

const test = suite('revisions, and what is remembered of them')
/** Says in a file that the code was imported, and by whom. */
const witness = `import { appendFileSync } from 'node:fs'\nappendFileSync(process.env.WITNESS ?? '/dev/null', process.argv[1].includes('describe') ? 'd' : 'i')`
const files: ProjectFiles = {
  'models/identity.onnx': identityModel(),
  'models/labels.txt': 'a\n',
  'lib/helper.ts': 'export const helper = 1',
  'functions/one.ts': answering('return { helper }', { head: `import { helper } from '../lib/helper.ts'\n${witness}` }),
  'manifests/one.yaml': 'keep_alive: 5m\nlimits: { threads: 1, body: 1MB }\nfiles: { labels: labels.txt }\n',
}

async function compile(folder: string) {
  const config = await loadConfig({ root: folder }, {})
  const memo = createMemo(createDataStore({ folder: config.dataFolder }))
  return compileProject({ ...config, memo })
}

async function revisionOf(folder: string): Promise<string> {
  const { deployments, failures } = await compile(folder)
  assert.equal(failures, [])
  return deployments[0]!.revision
}

test('a revision is the same in another folder, after another start, and in another order of keys', async () => {
  const folder = createProject(files)
  const revision = await revisionOf(folder)
  assert.match(revision, /^[0-9a-f]{64}$/)
  assert.is(await revisionOf(folder), revision)
  const moved = join(temporaryFolder(), 'else', 'where')
  cpSync(folder, moved, { recursive: true, filter: (file) => !file.endsWith('.pellet') })
  assert.is(await revisionOf(moved), revision)
  writeFileSync(
    join(moved, 'manifests/one.yaml'),
    'files:\n  labels: labels.txt\nlimits:\n  body: 1048576\n  threads: 1\nkeep_alive: 300 # seconds\n',
  )
  assert.is(await revisionOf(moved), revision, 'other words for the same')
})

const changes: [what: string, change: (folder: string) => void][] = [
  ['the manifest', (folder) => appendFileSync(join(folder, 'manifests/one.yaml'), 'priority: 3\n')],
  ['a status route', (folder) => appendFileSync(join(folder, 'manifests/one.yaml'), 'status: { GET /a: {} }\n')],
  ['a port', (folder) => appendFileSync(join(folder, 'manifests/one.yaml'), 'listen: 5001\n')],
  ['the function', (folder) => writeFileSync(join(folder, 'functions/one.ts'), answering('return { other: 1 }'))],
  ['what it imports', (folder) => writeFileSync(join(folder, 'lib/helper.ts'), 'export const helper = 2')],
  ['the model', (folder) => writeFileSync(join(folder, 'models/identity.onnx'), renamedProducer(identityModel()))],
  ['a file of the manifest', (folder) => appendFileSync(join(folder, 'models/labels.txt'), 'b\n')],
]
test('no two of the changes give one revision, nor does one leave it as it was', async () => {
  const revisions = new Map([[await revisionOf(createProject(files)), 'nothing changed']])
  for (const [what, change] of changes) {
    const folder = createProject(files)
    change(folder)
    const revision = await revisionOf(folder)
    assert.is(revisions.get(revision), undefined, what)
    revisions.set(revision, what)
  }
})

test('a comment, or a type, changes nothing: what runs is the same', async () => {
  const folder = createProject(files)
  const before = await revisionOf(folder)
  appendFileSync(join(folder, 'lib/helper.ts'), '\n// why\nexport type Helper = number\n')
  assert.is(await revisionOf(folder), before)
})

test('the second start imports no code to look at it, and finds the same', async () => {
  const folder = createProject(files)
  const seen = join(temporaryFolder(), 'seen')
  const run = async () => {
    const pellet = await RunningPellet.start(folder, [], { WITNESS: seen })
    const { headers } = await pellet.fetch('/v1/one', { method: 'POST' })
    await pellet.stop()
    const imports = existsSync(seen) ? readFileSync(seen, 'utf8') : ''
    rmSync(seen, { force: true })
    return { imports, revision: headers.get('x-pellet-revision') }
  }
  const first = await run()
  assert.equal(first.imports, 'di')
  const second = await run()
  assert.equal(second.imports, 'i')
  assert.is(second.revision, first.revision)
  const compileAgain = async () => {
    process.env['WITNESS'] = seen
    try {
      const revision = await revisionOf(folder)
      return { imports: existsSync(seen) ? readFileSync(seen, 'utf8') : '', revision: revision.slice(0, 12) }
    } finally {
      delete process.env['WITNESS']
      rmSync(seen, { force: true })
    }
  }
  const learnt = { ...first, imports: 'd' }
  assert.equal(await compileAgain(), { ...first, imports: '' })
  damage(join(folder, '.pellet/storage/deployments'), () => 'nonsense')
  assert.equal(await compileAgain(), learnt, 'what was damaged is learnt anew')
  damage(join(folder, '.pellet/storage/deployments'), (text) => text.slice(0, text.length - 5))
  assert.equal(await compileAgain(), learnt)
  rmSync(join(folder, '.pellet'), { recursive: true })
  assert.equal(await compileAgain(), learnt)
})

test('what is refused is looked at anew each time', async () => {
  const folder = createProject({ ...files, 'manifests/one.yaml': 'post: [nothing]\n' })
  for (let round = 0; round < 2; round++) assert.match((await compile(folder)).failures[0]!.problems.join(), 'nothing')
})

test('single files are compiled with what belongs to them', async () => {
  const folder = createProject(files)
  const config = await loadConfig({ root: folder }, {})
  const options = { ...config, memo: createMemo(createDataStore({ folder: config.dataFolder })) }
  const { deployments, failures } = await compileFiles(
    ['manifests/one.yaml', 'functions/nothing.ts', join(folder, 'models')],
    options,
  )
  assert.equal(
    deployments.map(({ name, origin }) => [name, origin]),
    [['one', { manifest: 'manifests/one.yaml', function: 'functions/one.ts' }]],
  )
  assert.is(failures.length, 2)
  assert.match(failures[0]!.problems.join(), 'functions/nothing.ts: expected a file, found none')
})

function renamedProducer(model: Buffer): Buffer {
  return Buffer.from(model.toString('latin1').replace('pellet-test', 'tellep-test'), 'latin1')
}

function damage(folder: string, change: (text: string) => string): void {
  const names = readdirSync(folder)
  assert.ok(names.length > 0, 'something was remembered')
  for (const name of names) {
    const file = join(folder, name)
    writeFileSync(file, change(readFileSync(file, 'utf8')))
  }
}

test.run()

// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../../runtime/config.ts'
import { compileFiles, compileProject } from '../../runtime/deployments/compile.ts'
import { isFailed, type Deployment } from '../../runtime/deployments/deployment.ts'
import { discoverSources } from '../../runtime/deployments/discover.ts'
import { createMemo } from '../../runtime/deployments/memo.ts'
import { manifestJob } from '../../runtime/deployments/project-sources.ts'
import { compileSource } from '../../runtime/deployments/source.ts'
import { DescriberPool } from '../../runtime/functions/describers.ts'
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

async function optionsOf(folder: string) {
  const config = await loadConfig({ root: folder }, {})
  return { ...config, memo: createMemo(createDataStore({ folder: config.dataFolder })) }
}

const compile = async (folder: string) => compileProject(await optionsOf(folder))

/** Of all the folders: a process for each look would take a quarter of a second. */
const describers = new DescriberPool()
test.after(() => describers[Symbol.dispose]())

async function revisionOf(folder: string): Promise<string> {
  const options = await optionsOf(folder)
  const { functions, manifests } = await discoverSources(options.manifestsFolder, options.functionsFolder)
  const { source, written } = await manifestJob(manifests[0]!, functions, options)
  const result = await compileSource(source, written, { ...options, describers })
  if (isFailed(result)) assert.unreachable(result.problems.join())
  return (result as Deployment).revision
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

test('a start imports no code that was looked at before, and finds the same', async () => {
  const folder = createProject(files)
  const seen = join(temporaryFolder(), 'seen')
  const imports = () => {
    const text = existsSync(seen) ? readFileSync(seen, 'utf8') : ''
    rmSync(seen, { force: true })
    return text
  }
  const compileHere = async () => {
    process.env['WITNESS'] = seen
    try {
      const { deployments } = await compile(folder)
      return { imports: imports(), revision: deployments[0]?.revision.slice(0, 12) }
    } finally {
      delete process.env['WITNESS']
    }
  }
  const first = await compileHere()
  assert.is(first.imports, 'd')
  const pellet = await RunningPellet.start(folder, [], { WITNESS: seen })
  const { headers } = await pellet.fetch('/v1/one', { method: 'POST' })
  await pellet.stop()
  assert.equal({ imports: imports(), revision: headers.get('x-pellet-revision') }, { ...first, imports: 'i' })
  damage(join(folder, '.pellet/storage/deployments'), (text) => text.slice(0, text.length - 5))
  assert.equal(await compileHere(), first, 'what was damaged is learnt anew')
  assert.equal(await compileHere(), { ...first, imports: '' })
})

test('what is refused is looked at anew each time', async () => {
  const folder = createProject({ ...files, 'manifests/one.yaml': 'post: [nothing]\n' })
  for (let round = 0; round < 2; round++) assert.match((await compile(folder)).failures[0]!.problems.join(), 'nothing')
})

test('single files are compiled with what belongs to them', async () => {
  const folder = createProject(files)
  const { deployments, failures } = await compileFiles(
    ['manifests/one.yaml', 'functions/nothing.ts', join(folder, 'models')],
    await optionsOf(folder),
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

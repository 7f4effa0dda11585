// @timeout 180s
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering, identityModel } from '../deployments/tiny.ts'
import { toOnnx } from '../support/onnx-writer.ts'
import { runHere } from '../support/cli.ts'
import { createProject, starterModel } from '../support/pellet.ts'

const test = suite('pellet new')
const image = { name: 'images', type: 'float32', shape: [1, 3, 64, 64] } as const
const logits = { name: 'logits', type: 'float32', shape: [1, 10] } as const
const unknownOp = [{ op: 'NoSuchOperator', inputs: ['images'], outputs: ['logits'] }]
const given = createProject({
  'tcn.onnx': starterModel('tcn.onnx'),
  'notes.onnx': 'buy milk\n',
  'unknown.onnx': toOnnx({ inputs: [image], outputs: [logits], nodes: unknownOp }),
  'other/tcn.onnx': toOnnx({ inputs: [image], outputs: [logits], nodes: unknownOp }),
})
const starter = createProject({})
const project = createProject({})

test('in an empty folder: a detector for the starter model, whose test passes by the command that is printed', async () => {
  const { code, stdout, stderr } = await runHere(starter, ['new', 'detector', 'faces'])
  assert.equal([code, stderr], [0, ''])
  const made = ['models/scrfd.onnx', 'functions/faces.ts', 'manifests/faces.yaml', 'test/faces.test.mjs']
  assert.equal(filesIn(starter), made.toSorted())
  for (const file of made) assert.match(stdout, file)
  assert.match(stdout, /written for the starter model scrfd\.onnx/)
  const command = /^test: +(.+)$/m.exec(stdout)![1]!
  const result = await shell(starter, command)
  assert.match(result, / pass 1$/m)
  assert.equal(filesIn(starter), made.toSorted(), 'the test leaves nothing in the project')
})

test('without a model: all is there but that, and the test says so', async () => {
  const { code, stdout } = await runHere(project, ['new', 'classifier', 'tags'])
  assert.is(code, 0)
  assert.match(stdout, /It has no model yet: put it there as models\/tags\.onnx\./)
  assert.match(await shell(project, /^test: +(.+)$/m.exec(stdout)![1]!), /its model is missing/)
})

test('the kind is told by the model, and why', async () => {
  const { code, stdout } = await runHere(project, ['new', 'motion', '--model', join(given, 'tcn.onnx')])
  assert.is(code, 0)
  assert.match(stdout, /^motion, kind tensor, since it takes no picture alone, but imu_window float32 \[1, 100, 9\]:/)
  assert.match(readFileSync(join(project, 'functions/motion.ts'), 'utf8'), /float32Tensor\('imu_window', \[1, 100, 9\]/)
})

const refusals: [args: string[], code: number, stderr: RegExp][] = [
  [
    ['motion', '--model', 'tcn.onnx'],
    1,
    /motion\.ts.*motion\.yaml.*expected none yet, found files; choose another name/,
  ],
  [['one', '--model', 'notes.onnx'], 1, /notes\.onnx: expected an ONNX model, found a text file/],
  [['one', '--model', 'unknown.onnx'], 1, /^nothing was written, since this would not run:\n[^]*NoSuchOperator/],
  [['one', '--model', 'other/tcn.onnx'], 1, /models\/tcn\.onnx: expected none yet or the same .*, found another/],
  [['one'], 2, /^new: expected a kind .*before the name, or --model/],
  [['clasifier', 'one'], 2, /found clasifier; did you mean classifier\?/],
  [['classifier', 'My Tags'], 2, /expected a name of lower-case letters.*found My Tags/],
]
for (const [args, wanted, message] of refusals)
  test(`refused, and nothing is written: ${args.join(' ')}`, async () => {
    const before = filesIn(project)
    const words = args.map((arg) => (arg.endsWith('.onnx') ? join(given, arg) : arg))
    const { code, stdout, stderr } = await runHere(project, ['new', ...words])
    assert.equal([code, stdout], [wanted, ''], stderr)
    assert.match(stderr, message)
    assert.equal(filesIn(project), before)
  })

test('a route that another deployment has is refused, and folders that were made for it go again', async () => {
  const folder = createProject({
    'models/identity.onnx': identityModel(),
    'functions/first.ts': answering('return {}'),
    'manifests/first.yaml': 'route: POST /v1/taken\n',
  })
  const before = filesIn(folder)
  const { code, stderr } = await runHere(folder, ['new', 'tensor', 'taken'])
  assert.is(code, 1)
  assert.match(stderr, /this would not run:\n.*POST \/v1\/taken.*first/)
  assert.equal(filesIn(folder), before)
})

test.run()

// --- internal ---

function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  const path = ({ parentPath, name }: (typeof entries)[number]) => join(parentPath, name).slice(folder.length + 1)
  return entries
    .filter((entry) => entry.isFile())
    .map(path)
    .sort()
}

/** What a command prints, as a user gives it. */
function shell(cwd: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('sh', ['-c', command], { cwd }, (error, stdout, stderr) =>
      error ? reject(new Error(`${command}: ${stdout}${stderr}`)) : resolve(stdout),
    )
  })
}

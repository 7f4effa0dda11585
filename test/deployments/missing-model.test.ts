// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatMissing, howToGet } from '../../runtime/deployments/missing-model.ts'
import type { FailedSource } from '../../runtime/deployments/deployment.ts'
import { runHere } from '../support/cli.ts'
import { createProject, RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { answering, colourModel, identityModel } from './tiny.ts'

const steps = `pre: [image.decode, image.resize, tensor]\npost: [argmax]\n`
const calls = (deployment: string) => `post: [argmax, { call: { deployment: ${deployment}, send: index } }]\n`
const colours = `model: { onnx: colour.onnx }\npre: [image.decode, image.resize, tensor]\n`

/** As a fresh clone is: nothing is wrong with it, but weights are not in it. */
const clone: ProjectFiles = {
  'models/identity.onnx': identityModel(),
  'models/colour.onnx': colourModel(),
  'functions/fine.ts': answering('return { ok: true }'),
  'manifests/detect.yaml': `model:
  hef:
    hailo8: { url: "https://a.example/h8/yolox.hef?x=1&y=2", license: Apache-2.0 }
    hailo10h: { file: deep/yolox.hef }
  onnx: { file: yolox_nano.onnx, url: "https://a.example/other-name.onnx", license: Apache-2.0 }
errors: deepstack
${steps}`,
  'manifests/zipped.yaml': `model: { onnx: { file: face.onnx, url: "https://a.example/faces.tgz" } }\n${steps}`,
  'manifests/faces.yaml': colours + calls('detect'),
  'manifests/far.yaml': colours + calls('faces'),
  'manifests/well.yaml': colours + calls('fine'),
}
const broken: ProjectFiles = {
  'manifests/broken.yaml': `model: { onnx: nowhere.onnx }\nkeep_alive: x\n${steps}`,
  'manifests/on-broken.yaml': colours + calls('broken'),
}

const getDetect = 'get it: pellet pull detect (licence: Apache-2.0)'
const detectLine = `manifests/detect.yaml:5:9 model.onnx: expected a model file at models/yolox_nano.onnx, found none; ${getDetect}`
const facesLine =
  'manifests/faces.yaml:3:16 post[1]: expected a deployment that is there, found "detect", which misses a model'

const test = suite('a model that is not there')
let pellet: RunningPellet

test.before(async () => {
  pellet = await RunningPellet.start({ ...clone, ...broken })
})
test.after(async () => {
  await pellet?.stop()
})

test('is one line of warning in the log, and so is who calls it; all else is deployed', () => {
  const warned = pellet.log.filter(({ level }) => level === 'warn')
  assert.equal(
    warned.map(({ deployment, msg }) => [deployment, msg]),
    [
      ['detect', `detect: not deployed, its model is missing: expected models/yolox_nano.onnx; ${getDetect}`],
      [
        'zipped',
        'zipped: not deployed, its model is missing: expected models/face.onnx; get it: download https://a.example/faces.tgz, unpack it and put its model there',
      ],
      ['faces', 'faces: not deployed, for it calls detect, whose model is missing'],
      ['far', 'far: not deployed, for it calls detect, whose model is missing'],
    ],
  )
  const deployed = pellet.log.filter(({ msg }) => msg === 'deployed').map(({ deployment }) => deployment)
  assert.equal(deployed.sort(), ['fine', 'well'])
})

test('with something else wrong is an error like any other, and so is who calls that', () => {
  const errors = pellet.log.filter(({ level }) => level === 'error').map(({ msg }) => msg)
  assert.is(errors.length, 3, errors.join('\n'))
  assert.match(errors[0]!, /^manifests\/broken\.yaml:1:16 model\.onnx: .*; put it there$/)
  assert.match(errors[1]!, /^manifests\/broken\.yaml:2:13 keep_alive: /)
  assert.match(errors[2]!, /^manifests\/on-broken\.yaml:3:16 post\[1\]: .* found "broken", which is refused itself$/)
})

test('is no failure to /health', async () => {
  const { failures } = (await (await pellet.fetch('/health')).json()) as { failures: { name: string }[] }
  assert.equal(
    failures.map(({ name }) => name),
    ['broken', 'on-broken'],
  )
  assert.is((await pellet.fetch('/health/ready')).status, 200)
})

test('is told to who calls its routes, in the shape that its clients know', async () => {
  const ask = async (path: string, method = 'POST') => {
    const answer = await pellet.fetch(path, { method })
    return [answer.status, (await answer.json()) as unknown]
  }
  const tail = 'pellet list says what to do'
  const detect = 'detect is not deployed, its model is missing'
  assert.equal(await ask('/v1/detect'), [404, { success: false, error: `POST /v1/detect: ${detect}; ${tail}` }])
  for (const path of ['/v1/detect/', '/f/detect', '/f/detect/health', '/v1/det%65ct'])
    assert.equal(await ask(path, 'GET'), [404, { success: false, error: `GET ${path}: ${detect}; ${tail}` }])
  const [status, { error }] = (await ask('/v1/far?x=1')) as [number, { error: { code: string; message: string } }]
  const far = 'far is not deployed, for it calls detect, whose model is missing'
  assert.equal([status, error.code, error.message], [404, 'not_found', `POST /v1/far: ${far}; ${tail}`])
  const [, broken] = (await ask('/v1/broken')) as [number, { error: { message: string } }]
  assert.match(broken.error.message, 'POST /v1/broken: broken is not deployed, for something is wrong with it')
  const [, nowhere] = (await ask('/f/det')) as [number, { error: { message: string } }]
  assert.match(nowhere.error.message, 'no such route')

  const { not_deployed } = (await (await pellet.fetch('/')).json()) as { not_deployed: { name: string }[] }
  const row = { name: 'far', reason: far, routes: ['POST /v1/far'] }
  assert.equal(
    not_deployed.find(({ name }) => name === 'far'),
    row,
  )
  assert.is(not_deployed.length, 6)
  const docs = await (await pellet.fetch('/docs')).text()
  assert.ok(docs.includes(`<code>POST /v1/far</code></td><td>${far}</td>`), docs)
})

test('is a state of its own in pellet list', async () => {
  const { stdout } = await pellet.cli('list')
  assert.match(stdout, /^detect +no model /m)
  assert.match(stdout, /^faces +no model /m)
  assert.match(stdout, /^broken +refused /m)
  assert.ok(stdout.includes(`\ndetect is not deployed:\n  ${detectLine}\n`), stdout)
  assert.ok(stdout.includes(`\nfaces is not deployed:\n  ${facesLine}\n`), stdout)
})

test('does not fail pellet validate of a whole project, which tells how to get it', async () => {
  const { code, stdout, stderr } = await runHere(createProject(clone), ['validate'])
  assert.is(code, 0, stderr)
  assert.equal(stdout.trim().split('\n'), [
    'manifests/well.yaml: ok, well at POST /v1/well',
    'functions/fine.ts: ok, fine at POST /v1/fine',
  ])
  const [first, second, ...others] = stderr.trimEnd().split('\n')
  assert.equal([first, second], [detectLine, '  for hailo8, hailo10h: pellet validate manifests/detect.yaml'])
  assert.is(others.length, 3, others.join('\n'))
  assert.match(others[0]!, /^manifests\/zipped\.yaml:1:\d+ model\.onnx: .* download https:\/\/a\.example\/faces\.tgz, /)
  assert.is(others[1], facesLine)
})

test('is all that a fresh clone of Pellet lacks, and of every one is told where it is from and its licence', async () => {
  const { code, stdout, stderr } = await runHere(projectRoot, ['validate', '--json'])
  assert.is(code, 0, stdout + stderr)
  const { valid, no_model } = JSON.parse(stdout) as { valid: { name: string }[]; no_model: FailedSource[] }
  const names = new Set(valid.map(({ name }) => name))
  for (const name of ['depth', 'scrfd', 'tcn']) assert.ok(names.has(name), name)
  for (const { name, missing } of no_model)
    for (const { file, url, license } of missing!.files) assert.ok(url && license, `${name}: ${file}`)
})

test('fails pellet validate of the file, which tells every way to get it', async () => {
  const { code, stderr } = await pellet.cli('validate', 'manifests/detect.yaml')
  assert.is(code, 1)
  assert.equal(stderr.trimEnd().split('\n'), [
    detectLine,
    '  for hailo8: models/hailo8/yolox.hef; get it: pellet pull detect@hailo8 (licence: Apache-2.0)',
    '  for hailo10h: models/deep/yolox.hef; put it there',
  ])
})

test('fails pellet validate of the file, also of one that only calls it', async () => {
  const one = await pellet.cli('validate', 'manifests/faces.yaml', 'manifests/well.yaml')
  assert.is(one.code, 1)
  assert.is(one.stdout, 'manifests/well.yaml: ok, well at POST /v1/well\n')
  const [first, second, ...others] = one.stderr.trimEnd().split('\n')
  assert.equal([first, second], [facesLine, `  detect: models/yolox_nano.onnx; ${getDetect}`])
  assert.is(others.length, 2, 'the chips')
  const json = await pellet.cli('validate', '--json', 'manifests/detect.yaml')
  assert.is(json.code, 1)
  const { valid, refused, no_model } = JSON.parse(json.stdout)
  assert.equal([valid, refused, no_model.length], [[], [], 1])
  assert.equal(no_model[0].missing, {
    deployment: 'detect',
    files: [
      {
        file: 'models/yolox_nano.onnx',
        url: 'https://a.example/other-name.onnx',
        license: 'Apache-2.0',
      },
      {
        chip: 'hailo8',
        file: 'models/hailo8/yolox.hef',
        url: 'https://a.example/h8/yolox.hef?x=1&y=2',
        license: 'Apache-2.0',
      },
      { chip: 'hailo10h', file: 'models/deep/yolox.hef' },
    ],
  })
})

test('says what there is to do, also where it cannot be fetched', () => {
  const file = { file: 'models/a.onnx', url: 'https://a.example/a.zip', license: 'MIT' }
  assert.is(howToGet('a', file), 'get it: pellet pull a (licence: MIT)')
  assert.is(howToGet('a', { ...file, chip: 'hailo8' }), 'get it: pellet pull a@hailo8 (licence: MIT)')
  assert.is(
    formatMissing('x', { deployment: 'x', files: [{ file: 'models/a.onnx', license: 'MIT' }] }),
    'x: not deployed, its model is missing: expected models/a.onnx; put it there (licence: MIT)',
  )
})

test.run()

// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commands } from '../../runtime/cli/command-table.ts'
import { runHere } from '../support/cli.ts'
import { pelletBin, RunningPellet, runCli, type CliResult } from '../support/pellet.ts'
import { answering, colourModel, identityModel } from '../deployments/tiny.ts'

const test = suite('the command line beside a running Pellet')
let pellet: RunningPellet

test.before(async () => {
  const body = `
    if (request.fields.fail) throw new PelletError('invalid_input', 'told to fail')
    const { image } = request.files
    return withFormats({
      'application/json': () => ({ fields: request.fields, file: image && { ...image, bytes: image.bytes.length } }),
      'image/png': () => Buffer.from('png bytes'),
      'application/x-npz': () => Buffer.from('npz bytes'),
    })`
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'models/colour.onnx': colourModel(),
    'functions/formats.ts': answering(body, { manifest: `routes: { 'POST /v1/formats': {}, 'PUT /v1/again': {} }` }),
    'functions/plain.ts': answering('return { plain: true }', { manifest: `route: 'GET /v1/plain', keep_alive: -1` }),
    'functions/broken.ts': 'export default',
    'functions/paired.ts': answering('return {}', { manifest: 'keep_alive: 1' }),
    'manifests/paired.yaml': 'keep_alive: 2\n',
    'manifests/colours.yaml':
      'model: { onnx: colour.onnx }\npre: [image.decode, image.resize, tensor]\npost: [argmax]\n',
    'photo.jpg': 'jpeg bytes',
    'input.json': '{"from": "a file"}',
  })
})
test.after(async () => {
  await pellet?.stop()
})

/** In this process, but for what only one of its own shows. */
const cli = (...args: string[]) => runHere(pellet.folder, args)
const file = (name: string) => join(pellet.folder, name)

function well({ code, stdout, stderr }: CliResult, silent = true): string {
  assert.is(code, 0, stderr)
  if (silent) assert.is(stderr, '')
  return stdout
}

test('list shows what is deployed and what is refused with the reasons, as a table and as JSON', async () => {
  const table = well(await cli('list'))
  const [headings = '', ...lines] = table.split('\n')
  assert.match(headings, /^NAME +STATE +MODEL +ENGINE +REVISION +AGE +KEEP_ALIVE +ROUTES +PORTS +ORIGIN +FROM$/)
  assert.match(
    lines.join('\n'),
    /^formats +cold +identity +onnxruntime +[0-9a-f]{12} +[\d.]+m?s +5m +POST \/v1\/formats, PUT \/v1\/again +- +dropped +functions\/formats.ts$/m,
  )
  assert.match(table, /^plain .*for ever/m)
  assert.match(table, /^broken +refused/m)
  assert.match(table, /broken is refused:\n {2}functions\/broken\.ts:1:\d+: /)
  for (const line of table.split('\n')) assert.is(line, line.trimEnd())
  const rows = JSON.parse(well(await cli('list', '--json')))
  assert.equal(rows.map(({ name }: { name: string }) => name).sort(), [
    'broken',
    'colours',
    'formats',
    'paired',
    'plain',
  ])
  assert.is(rows.find(({ name }: { name: string }) => name === 'plain').keep_alive_s, -1)
})

test('load, ps and unload tell the state of the model', async () => {
  assert.match(well(await cli('load', 'plain')), /^plain +ready +onnxruntime +identity +[\d.]+ MB +0 +0 +1 /m)
  const row = JSON.parse(well(await cli('load', 'plain', '--json')))
  assert.equal([row.name, row.state, row.loads], ['plain', 'ready', 1])
  const table = well(await cli('ps'))
  assert.match(table, /^NAME +STATE +ENGINE +MODEL +MEMORY +IN FLIGHT +QUEUED +LOADS +LAST USED +EXPIRES IN +PORTS$/m)
  assert.match(table, /^plain +ready/m)
  assert.match(table, /^formats +cold/m)
  const rows = JSON.parse(well(await cli('ps', '--json')))
  assert.ok(rows.every((one: object) => 'memory_bytes' in one && 'expires_in_s' in one))
  assert.match(well(await cli('unload', 'plain')), /^plain +(draining|cold)/m)
  well(await cli('unload', 'plain'))
})

test('invoke without a body calls the first route, --route another', async () => {
  assert.equal(JSON.parse(well(await cli('invoke', 'plain'))), { plain: true })
  for (const route of ['/v1/again', 'PUT /v1/again', '/v1/formats'])
    assert.equal(JSON.parse(well(await cli('invoke', 'formats', '--route', route))).fields, {})
  const wrong = await cli('invoke', 'formats', '--route', '/v1/none')
  assert.is(wrong.code, 2)
  assert.match(wrong.stderr, 'POST /v1/formats, PUT /v1/again')
})

test('invoke sends form fields and files', async () => {
  const { fields, file } = JSON.parse(
    well(await cli('invoke', 'formats', '-F', 'image=@photo.jpg', '--form', 'a=b=c', '-F', 'e=')),
  )
  assert.equal(fields, { a: 'b=c', e: '' })
  assert.equal([file.name, file.bytes], ['photo.jpg', 10])
})

test('invoke sends JSON, a file of any type, or standard input as the body', async () => {
  assert.equal(JSON.parse(well(await cli('invoke', 'formats', '--body', '{"a": [1]}'))).fields, { a: [1] })
  assert.equal(JSON.parse(well(await cli('invoke', 'formats', '-d', '@input.json'))).fields, { from: 'a file' })
  const picture = JSON.parse(well(await cli('invoke', 'formats', '-d', '@photo.jpg'))).file
  assert.equal([picture.type, picture.bytes], ['image/jpeg', 10])
  const piped = await new Promise<string>((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [pelletBin, 'invoke', 'formats', '-d', '@-'],
      { cwd: pellet.folder },
      (error, stdout) => (error ? reject(error) : resolve(stdout)),
    )
    child.stdin!.end('{"from": "a pipe"}')
  })
  assert.equal(JSON.parse(piped).fields, { from: 'a pipe' })
})

test('invoke writes the answer to a file of the type that its name says', async () => {
  for (const [name, content] of [
    ['out.png', 'png bytes'],
    ['out.npz', 'npz bytes'],
  ] as const) {
    const { code, stdout, stderr } = await cli('invoke', 'formats', '-o', name)
    assert.equal([code, stdout], [0, ''])
    assert.match(stderr, new RegExp(`^${name}: 9 B, `))
    assert.is(readFileSync(file(name), 'utf8'), content)
  }
  well(await cli('invoke', 'formats', '--output=out.json'), false)
  assert.equal(JSON.parse(readFileSync(file('out.json'), 'utf8')).fields, {})
  assert.is(well(await cli('invoke', 'formats', '-H', 'Accept: image/png')), 'png bytes')
})

test('invoke writes nothing when the answer is of another type, or there is none', async () => {
  const other = await cli('invoke', 'plain', '-o', 'plain.png')
  assert.is(other.code, 1)
  assert.match(other.stderr, /plain\.png: expected an answer of image\/png, found application\/json/)
  const failed = await cli('invoke', 'formats', '-d', '{"fail": 1}', '-o', 'failed.json')
  assert.is(failed.code, 1)
  assert.is(failed.stderr, 'formats: told to fail\n')
  assert.is(failed.stdout, '')
  const nowhere = await cli('invoke', 'formats', '-o', 'no/such/folder.json')
  assert.is(nowhere.code, 1)
  assert.match(nowhere.stderr, 'no/such/folder.json: expected a file that can be written')
  for (const name of ['plain.png', 'failed.json']) assert.not(existsSync(file(name)))
})

test('invoke --include prints status and headers to stderr', async () => {
  const { code, stdout, stderr } = await cli('invoke', 'plain', '-i')
  assert.is(code, 0)
  assert.equal(JSON.parse(stdout), { plain: true })
  assert.match(stderr, /^HTTP 200\n[^]*x-pellet-engine: onnxruntime/)
})

const wrong: [args: string[], code: number, stderr: RegExp][] = [
  [['invoke', 'nobody'], 1, /expected the name of a deployment \(.*plain.*\), found nobody/],
  [['invoke', 'broken'], 1, /^broken is refused:\nfunctions\/broken\.ts:1/],
  [['invoke', 'plain', '-d', '{}', '-F', 'a=b'], 2, /expected --form or --body, found both/],
  [['invoke', 'plain', '-d', '@nothing.json'], 1, /nothing\.json: expected a file that can be read, found none/],
  [['invoke', 'plain', '-F', 'image=@nothing.jpg'], 1, /nothing\.jpg: expected a file that can be read, found none/],
  [['invoke', 'plain', '-F', 'image'], 2, /expected --form name=value or name=@file, found image/],
  [['invoke', 'plain', '-H', 'nonsense'], 2, /expected --header "Name: value", found nonsense/],
  [['load', 'nobody'], 1, /expected one of .*plain.*, found "nobody"/],
  [['unload', 'nobody'], 1, /expected one of .*plain.*, found "nobody"/],
]
for (const [args, code, stderr] of wrong)
  test(`${args.join(' ')} ends with ${code}`, async () => {
    const result = await cli(...args)
    assert.is(result.code, code, result.stderr)
    assert.match(result.stderr, stderr)
    assert.is(result.stdout, '')
  })

test('validate names what is well on stdout and what is wrong on stderr; what belongs together counts once', async () => {
  const files = ['functions/paired.ts', 'manifests/paired.yaml', './functions/paired.ts', 'manifests/colours.yaml']
  const mixed = await cli('validate', ...files, 'functions/broken.ts', 'manifests/none.yaml')
  assert.is(mixed.code, 1)
  assert.is(
    mixed.stdout,
    'manifests/paired.yaml: ok, paired at POST /v1/paired\nmanifests/colours.yaml: ok, colours at POST /v1/colours\n',
  )
  assert.match(mixed.stderr, /^functions\/broken\.ts:1:\d+: /m)
  assert.match(mixed.stderr, /^manifests\/none\.yaml: expected a file, found none$/m)
  // A function is taken together with its manifest.
  const { code, stdout } = await cli('validate', '--json', 'functions/paired.ts', 'functions/broken.ts')
  assert.is(code, 1)
  const { valid, refused } = JSON.parse(stdout)
  assert.equal([valid[0].file, refused[0].name], ['manifests/paired.yaml', 'broken'])
})

/** How each command with --json is called so that it goes well; in this order. */
const withJson: [args: string[], isLines?: 'lines'][] = [
  [['list']],
  [['ps']],
  [['load', 'plain']],
  [['bench', 'plain', '-c', '1', '--duration', '100ms']],
  [['unload', 'plain']],
  [['logs', 'plain', '-n', '5'], 'lines'],
  [['cache', 'stats']],
  [['cache', 'clear']],
  [['token', 'create', '--name', 'one']],
  [['token', 'list']],
  [['token', 'revoke', 'one']],
  [['validate', 'functions/plain.ts']],
  [['inspect', 'models/identity.onnx']],
  [['models']],
  [['doctor']],
  [['pull', 'plain']],
  [['systemd', 'uninstall', '--root', '.']],
  [['deploy', 'functions/plain.ts', '--no-probe'], 'lines'],
  [['history', 'plain']],
  [['rollback', 'plain'], 'lines'],
  [['delete', 'plain']],
]
test('whatever --json prints is JSON, of every command that has it, and nothing else is printed', async () => {
  // Whether build-shim goes well is the machine's: test/ffi/shim.test.ts.
  const expected = new Set([...withJson.map(([[name]]) => name), 'build-shim'])
  for (const [name, load] of Object.entries(commands))
    assert.is('json' in ((await load()).args ?? {}), expected.has(name), `${name} is in this table if it has --json`)
  for (const [args, isLines] of withJson) {
    const { code, stdout, stderr } = await runHere(pellet.folder, [...args, '--json'])
    const what = `${args.join(' ')}: ${stderr}${stdout}`
    // There is no revision before the first one.
    assert.is(code, args[0] === 'rollback' ? 1 : 0, what)
    if (args[0] !== 'bench') assert.is(stderr, '', what)
    const parts = isLines ? stdout.trimEnd().split('\n') : [stdout]
    for (const part of parts) assert.type(JSON.parse(part), 'object', what)
  }
})

test('what a probe sends must be there where it is made, else it is told; validate --probe makes it', async () => {
  const missing = /functions\/untried\.ts:\d+:\d+ probe\.input: expected a file at models\/gone\.jpg, found none/
  const tried = answering('return request.fields', { manifest: 'probe: { body: { a: 1 }, expect: { a: 2 } }' })
  writeFileSync(file('functions/untried.ts'), answering('return 1', { manifest: `probe: { input: 'gone.jpg' }` }))
  writeFileSync(file('functions/tried.ts'), tried)
  const told = await cli('validate', 'functions/untried.ts')
  assert.equal([told.code, told.stdout], [0, 'functions/untried.ts: ok, untried at POST /v1/untried\n'])
  assert.match(told.stderr, missing)
  const dry = await cli('deploy', '--dry-run', 'functions/untried.ts')
  assert.is(dry.code, 1, dry.stderr)
  assert.match(dry.stderr, missing)
  const probed = await cli(
    'validate',
    '--probe',
    'functions/untried.ts',
    'functions/tried.ts',
    'manifests/colours.yaml',
  )
  for (const name of ['untried', 'tried']) rmSync(file(`functions/${name}.ts`))
  assert.equal([probed.code, probed.stdout], [1, 'manifests/colours.yaml: ok, colours at POST /v1/colours\n'])
  assert.match(probed.stderr, missing)
  assert.match(probed.stderr, /^functions\/tried\.ts:\d+:\d+ probe: a: expected 2, found 1$/m)
})

test('an address that this machine has not is refused', async () => {
  const elsewhere = await runCli(pellet.folder, ['start', '--host', '203.0.113.9', '--public', '--data', 'other'])
  assert.is(elsewhere.code, 1)
  assert.match(elsewhere.stderr, /203\.0\.113\.9:11500: expected an address of this machine, .*set host/)
})

test('a Pellet elsewhere is reached with --root', async () => {
  const { code, stdout } = await runHere('/', ['list', '--json', '--root', pellet.folder])
  assert.is(code, 0)
  assert.is(JSON.parse(stdout).length, 5)
  writeFileSync(file('port.yaml'), 'port: 1\n')
  assert.is((await runHere('/', ['list', '--root', pellet.folder, '--config', 'port.yaml'])).code, 0)
})

test.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { validate, ValidationSeverity } from 'dockerfile-utils'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { settings } from '../../runtime/config-keys.ts'
import { projectRoot } from '../support/root.ts'
import { readInstructions } from './containerfile.ts'

const test = suite('container files')
const read = (path: string) => readFileSync(join(projectRoot, path), 'utf8')
const instructions = readInstructions()
const all = (name: string) => instructions.flatMap((one) => (one.name === name ? [one.rest] : []))
const compose = parseDocument(read('compose.yaml'), { strict: true, uniqueKeys: true })
const service = compose.toJS().services.pellet

test('a builder can read the Containerfile', () => {
  const found = validate(read('Containerfile'), { instructionWorkdirRelative: ValidationSeverity.ERROR })
  assert.equal(
    found.map(({ range, message }) => `${range.start.line + 1}: ${message}`),
    [],
  )
  assert.is(all('FROM').length, 2)
})

test('what it copies exists and is sent to the builder', () => {
  const ignored = read('.dockerignore')
  for (const rest of all('COPY').filter((copy) => !copy.startsWith('--from')))
    for (const source of rest.split(/\s+/).slice(0, -1)) {
      assert.ok(existsSync(join(projectRoot, source)), source)
      const [top] = source.split('/')
      assert.match(ignored, new RegExp(`^!${top!.replaceAll('.', String.raw`\.`)}$`, 'm'))
    }
  for (const [, source] of ignored.matchAll(/^!(.+)$/gm)) assert.ok(existsSync(join(projectRoot, source!)), source)
})

test('what the code reads beside itself is there, whatever is mounted over the project', () => {
  const copied = all('COPY').flatMap((copy) => (copy.endsWith(' models/') ? copy.split(/\s+/).slice(0, -1) : []))
  const code = ['models/catalog.ts', 'cli/new/plan.ts'].map((file) => read(`runtime/${file}`)).join()
  const named = [...code.matchAll(/'(?:[./]+models\/)?([\w.]+\.(?:yaml|onnx))'/g)].map(([, file]) => `models/${file}`)
  assert.equal(copied.toSorted(), [...new Set(named)].toSorted())
})

test('it runs as nobody in particular, checks its health, and starts what package.json names', () => {
  const last = instructions.findLastIndex(({ name }) => name === 'USER')
  assert.match(instructions[last]!.rest, /^[1-9]\d*:[1-9]\d*$/)
  assert.ok(instructions.slice(last).every(({ name }) => !['RUN', 'COPY', 'ADD'].includes(name)))
  const { bin, scripts } = JSON.parse(read('package.json'))
  assert.match(read('Containerfile'), `ln -s /opt/pellet/${bin.pellet} /usr/local/bin/pellet`)
  assert.match(read('Containerfile'), `chmod +x ${bin.pellet}`, 'npm does that only where it installs')
  assert.equal([all('ENTRYPOINT'), all('CMD')], [['["pellet"]'], ['["start"]']])
  for (const [, script] of read('Containerfile').matchAll(/npm run (\w+)/g)) assert.ok(scripts[script!], script)
  const [image] = all('HEALTHCHECK').map((check) => JSON.parse(/CMD (\[.*\])$/.exec(check)![1]!))
  assert.equal(['CMD', ...image], service.healthcheck.test, 'compose.yaml says the same')
})

test('compose.yaml is YAML without a word twice, and gives the container no more than it needs', () => {
  assert.equal([compose.errors, compose.warnings], [[], []])
  assert.ok(service.devices.includes('/dev/hailo0:/dev/hailo0'))
  const { read_only, cap_drop, security_opt, privileged, user, network_mode } = service
  assert.equal(
    { read_only, cap_drop, security_opt, privileged, user, network_mode },
    {
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      privileged: undefined,
      user: undefined,
      network_mode: undefined,
    },
  )
  assert.ok(service.ports.every((port: string) => port.startsWith('127.0.0.1:')))
  // What may be written outlives the container, or is in memory.
  const data = /PELLET_DATA=(\S+)/.exec(read('Containerfile'))![1]!
  assert.equal(all('VOLUME'), [data])
  assert.ok(service.volumes.includes(`data:${data}`))
  assert.ok(service.tmpfs.some((mount: string) => mount.startsWith('/tmp:')))
})

test('the settings that both files name exist', () => {
  const named = `${read('Containerfile')}\n${read('compose.yaml')}`.matchAll(/PELLET_([A-Z_]+)/g)
  for (const [, name] of named) assert.ok(name === 'ROOT' || Object.hasOwn(settings, name!.toLowerCase()), name)
})

test.run()

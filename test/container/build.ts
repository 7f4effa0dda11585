/**
 * What can be tried of the Containerfile without a builder of images: its first stage runs in a folder as it is written, the
 * second one's files are put together beside it, and the starter functions are called on that. `npm run container`.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { projectRoot } from '../support/root.ts'
import { readInstructions, type Instruction } from './containerfile.ts'

const folder = temporaryFolder()
const stages = toStages(readInstructions())
const variables: Record<string, string> = {}

console.log('building')
runStage(stages[0]!, join(folder, 'build'), true)
runStage(stages[1]!, join(folder, 'image'), false)
console.log(`node_modules: ${sizeOf(join(folder, 'image/opt/pellet/node_modules'))}`)

const env = { PATH: process.env['PATH']!, ...variables, PELLET_PORT: '0', PELLET_LOG_LEVEL: 'info' }
const bin = join(folder, 'image/opt/pellet/dist/runtime/cli/main.js')
// What it reads beside its code.
const project = join(folder, 'project')
mkdirSync(project)
execFileSync(bin, ['new', 'detector', 'mine', '--root', project], { env, stdio: ['ignore', 'ignore', 'inherit'] })
const { stderr } = spawnSync(bin, ['pull'], { env, encoding: 'utf8' })
if (!stderr.includes('the catalogue has')) throw new Error(stderr)
const token = execFileSync(bin, ['token', 'create', '--scope', 'invoke'], { env, encoding: 'utf8' }).trim()
const child = spawn(bin, ['start'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
try {
  const url = await listening()
  const authorization = `Bearer ${token}`
  for (const [path, sample] of [
    ['/v1/depth/estimate', 'room_1.jpg'],
    ['/v1/detect', 'faces_1.jpg'],
    ['/infer', 'imu_walk.json'],
  ] as const) {
    const body = readFileSync(join(projectRoot, 'models/samples', sample))
    const type = sample.endsWith('.json') ? 'application/json' : 'image/jpeg'
    const without = await fetch(url + path, { method: 'POST', body, headers: { 'content-type': type } })
    const answer = await fetch(url + path, { method: 'POST', body, headers: { 'content-type': type, authorization } })
    const text = await answer.text()
    console.log(`${path}: ${without.status} without a token, ${answer.status} with one: ${text.slice(0, 100)}`)
    if (without.status !== 401 || answer.status !== 200) process.exitCode = 1
  }
} finally {
  const ended = once(child, 'exit')
  child.kill()
  const [code] = await ended
  if (code !== 0) process.exitCode = 1
}

// --- internal ---

function toStages(instructions: Instruction[]): Instruction[][] {
  const starts = instructions.flatMap(({ name }, index) => (name === 'FROM' ? [index] : []))
  return starts.map((start, index) => instructions.slice(start + 1, starts[index + 1]))
}

/** @param isRun whether RUN is carried out: in the last stage it speaks of the image's own system, which this one is not */
function runStage(stage: Instruction[], root: string, isRun: boolean): void {
  let workdir = root
  const inImage = (path: string) => (path.startsWith('/') ? join(root, path) : join(workdir, path))
  for (const { name, rest } of stage) {
    if (name === 'WORKDIR') mkdirSync((workdir = join(root, rest)), { recursive: true })
    if (name === 'COPY') copy(rest, inImage)
    if (name === 'RUN' && isRun) execFileSync('/bin/sh', ['-ec', rest], { cwd: workdir, stdio: 'inherit' })
    if (name === 'ENV')
      for (const [, key, value] of rest.matchAll(/(\w+)=(\S+)/g))
        variables[key!] = value!.startsWith('/') ? join(root, value!) : value!
  }
}

function copy(rest: string, inImage: (path: string) => string): void {
  const words = rest.split(/\s+/)
  const isFromBuild = words[0]!.startsWith('--from')
  const paths = isFromBuild ? words.slice(1) : words
  const target = paths.at(-1)!
  for (const source of paths.slice(0, -1)) {
    const from = isFromBuild ? join(folder, 'build', source) : join(projectRoot, source)
    // What is copied into a folder keeps its name.
    const to = target.endsWith('/') ? join(inImage(target), basename(source)) : inImage(target)
    cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  }
}

function sizeOf(path: string): string {
  return execFileSync('du', ['-sh', path], { encoding: 'utf8' }).split('\t')[0]!
}

async function listening(): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const { msg } = JSON.parse(line) as { msg: string }
    if (msg.startsWith('listening on ')) {
      child.stdout!.resume()
      return msg.slice('listening on '.length).replace('0.0.0.0', '127.0.0.1')
    }
  }
  throw new Error('Pellet ended before it listened')
}

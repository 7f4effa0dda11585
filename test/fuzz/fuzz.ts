/**
 * Bad input, made by a seeded generator, against a real Pellet with the starter deployments.
 *
 *   npm run fuzz [-- --seed 1 --requests 500 --rounds 3 --route depth --only 17 --width 6]
 *
 * `--requests`: to each route, over all rounds. `--route`: only those whose name has this part. `--only`: the request of
 * that number alone, as a failure names it. A failure's requests are written to test/out/fuzz.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePorts } from '../support/ports.ts'
import { RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { projectRoot } from '../support/root.ts'
import { createGenerator } from './generator.ts'
import { fuzzProject, targets as allTargets } from './project.ts'
import { goodAnswers, runRound, type Finding, type RoundResult } from './round.ts'
import { look, settle, type Holdings } from './watch.ts'

const options = {
  seed: { type: 'string', default: '1' },
  requests: { type: 'string', default: '500' },
  rounds: { type: 'string', default: '3' },
  route: { type: 'string', default: '' },
  only: { type: 'string' },
  width: { type: 'string', default: '6' },
} as const
/** What main may hold more after the last round than after the one that warmed it up. */
const maxGrowthBytes = 15 * 2 ** 20
/** A connection may be closing; what leaks with requests is thousands. */
const spareDescriptors = 3

const { values } = parseArgs({ options })
const [seed, requests, rounds, width] = [values.seed, values.requests, values.rounds, values.width].map(Number) as [
  number,
  number,
  number,
  number,
]
const targets = allTargets.filter(({ name }) => name.includes(values.route))
const generator = await createGenerator(seed)
const [port] = await freePorts(1)
const pellet = await RunningPellet.start(fuzzProject(port!))
const place = { generator, targets, ownUrl: `http://127.0.0.1:${port}` }
const problems: string[] = []
const tally = new Map<string, number>()
try {
  await pellet.rowWhen('tcn', ({ state }) => state === 'ready', 60_000)
  await (values.only === undefined ? runAll() : runOne(Number(values.only)))
} finally {
  await pellet.stop()
}
console.log(`\n${problems.length === 0 ? 'No problem found.' : `${problems.length} problems (seed ${seed}).`}`)
process.exitCode = problems.length === 0 ? 0 : 1

// --- internal ---

async function runOne(number: number): Promise<void> {
  report(await runRound(pellet, { ...place, from: number, count: 1, width: 1 }))
  show('after', await look(pellet))
}

async function runAll(): Promise<void> {
  if (values.route === '') await expectAllRoutes()
  const expected = await goodAnswers(pellet, targets, place.ownUrl)
  const perRound = Math.ceil(requests / rounds)
  console.log(
    `${targets.length} routes, ${generator.kinds.length} kinds of requests, seed ${seed}: ${perRound} to each route in each of ${rounds} rounds`,
  )
  show('at first', await look(pellet))
  // Numbers beyond the rounds' own.
  await round('warm-up', requests + perRound, Math.min(perRound, 60), expected)
  const warm = await look(pellet)
  for (let at = 0; at < rounds; at++) await round(`round ${at + 1}`, at * perRound, perRound, expected)
  // Main's idle connections to itself take a few seconds to go.
  const quiet = async () => (await look(pellet)).descriptors <= warm.descriptors
  await until(quiet, 'as few open files as after the warm-up', 15_000).catch(() => {})
  compare(warm, await look(pellet))
  printTally()
}

/** A route that is documented and not among the targets would never be tried. */
async function expectAllRoutes(): Promise<void> {
  const { paths } = (await (await fetch(`${pellet.url}/openapi.json`)).json()) as { paths: Record<string, object> }
  const known = new Set(targets.map(({ method, path }) => `${method} ${path.replace(/^(\/results\/).*/, '$1{id}')}`))
  for (const [path, methods] of Object.entries(paths))
    for (const method of Object.keys(methods)) {
      const route = `${method.toUpperCase()} ${path}`
      if (!known.has(route))
        problem(`${route}: expected it among the routes that are tried, found it in /openapi.json alone`)
    }
}

async function round(name: string, from: number, count: number, expected: Map<string, string>): Promise<void> {
  const startedAt = performance.now()
  const logged = pellet.log.length
  const result = await runRound(pellet, { ...place, from, count, width })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  report(result)
  if (pellet.hasEnded()) throw new Error(`the main process has ended: ${pellet.text().slice(-4000)}`)
  console.log(
    `${name}: ${count * targets.length} requests in ${seconds} s, the slowest ${Math.round(result.slowestMs)} ms`,
  )
  const costly = [...result.spentMs].sort(([, a], [, b]) => b - a).slice(0, 5)
  console.log(`  most time: ${costly.map(([kind, ms]) => `${kind} ${Math.round(ms / 1000)} s`).join(', ')}`)
  showEndings(logged)
  show('  loaded', await look(pellet))
  const found = await goodAnswers(pellet, targets, place.ownUrl)
  for (const [target, text] of expected)
    if (found.get(target) !== text)
      problem(
        `${name}: a good request to ${target}: expected ${text.slice(0, 200)}, found ${found.get(target)?.slice(0, 200)}`,
      )
  await settle(pellet)
  show('  unloaded', await look(pellet))
}

function report({ findings, tally: counts }: RoundResult): void {
  for (const finding of findings) {
    const file = save(finding)
    const { target, number, kind, problem: what } = finding
    problem(
      `${target}: ${kind}: ${what}\n    again: npm run fuzz -- --seed ${seed} --route '${target}' --only ${number}; sent: ${file}`,
    )
  }
  for (const [name, count] of counts) tally.set(name, (tally.get(name) ?? 0) + count)
}

function problem(text: string): void {
  problems.push(text)
  console.log(`PROBLEM ${text}`)
}

/** What was sent, byte for byte; at most the first megabyte. */
function save({ target, number, request }: Finding): string {
  const folder = join(projectRoot, 'test/out/fuzz')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${seed}-${target.replaceAll(/[^\w]+/g, '-')}-${number}.bin`)
  const parts = request.steps.map((step) => {
    if (typeof step === 'string') return Buffer.from(`\n[${step}]\n`)
    return 'send' in step ? Buffer.from(step.send) : Buffer.from(`\n[wait ${step.waitMs} ms]\n`)
  })
  writeFileSync(file, Buffer.concat(parts).subarray(0, 2 ** 20))
  return file.slice(projectRoot.length + 1)
}

function compare(before: Holdings, after: Holdings): void {
  const grown = after.mainBytes - before.mainBytes
  console.log(`main grew by ${megabytes(grown)} over ${rounds} rounds`)
  if (grown > maxGrowthBytes)
    problem(`main: expected at most 15 MB more than after the warm-up, found ${megabytes(grown)}`)
  if (after.crashes > 0) {
    const lines = pellet.log.filter(({ msg }) => /^gone|load failed/.test(msg)).slice(-20)
    problem(
      `isolates: expected no crash, found ${after.crashes}\n${lines.map((line) => JSON.stringify(line)).join('\n')}`,
    )
  }
  if (after.descriptors > before.descriptors + spareDescriptors)
    problem(`main: expected ${before.descriptors} open files, found ${after.descriptors}`)
  const left = after.files.filter((file) => !before.files.includes(file))
  if (left.length > 0) problem(`data folder: expected no more files, found ${left.join(', ')}`)
}

/** Why isolates ended since the last look. */
function showEndings(from: number): void {
  for (const { msg, deployment } of pellet.log.slice(from))
    if (/^gone: (?!.*was unloaded)/.test(msg)) console.log(`  ${deployment}: ${msg}`)
}

function show(when: string, { mainBytes, isolateBytes, isolates, descriptors, crashes }: Holdings): void {
  console.log(
    `${when}: main ${megabytes(mainBytes)}, ${isolates} isolates ${megabytes(isolateBytes)}, ${descriptors} descriptors, ${crashes} crashes`,
  )
}

function printTally(): void {
  console.log('\nanswers:')
  for (const [name, count] of [...tally].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`${String(count).padStart(8)}  ${name}`)
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`
}

import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../runtime/errors.ts'
import { createProject, type CliResult } from '../support/pellet.ts'
import { Random } from '../support/random.ts'
import { Estate, type Expected } from './estate.ts'
import { createMarks } from './marks.ts'
import type { ChaosOptions, ChaosResult } from './report.ts'

const injuries: Record<string, (file: string, random: Random) => void> = {
  'a flipped bit': (file, random) => {
    const bytes = readFileSync(file)
    if (bytes.length > 0) bytes[random.integer(0, bytes.length - 1)]! ^= 1 << random.integer(0, 7)
    writeFileSync(file, bytes)
  },
  'a cut': (file, random) => truncateSync(file, random.integer(0, Math.max(0, statSync(file).size - 1))),
  'nothing left': (file) => truncateSync(file, 0),
  'a folder in its place': (file) => {
    rmSync(file)
    mkdirSync(file)
  },
  // Root may read anything: what nobody can read is a link that leads to itself.
  'not readable': (file) => {
    rmSync(file)
    symlinkSync(file, file)
  },
  'not there': (file) => rmSync(file),
}

/**
 * Damages one file of what Pellet keeps after the other, before a start and under a running Pellet.
 * @param isVictim a path in the data folder
 */
export async function damageFiles(
  { seed, rounds, onRound }: ChaosOptions,
  isVictim: (file: string) => boolean = () => true,
): Promise<ChaosResult> {
  const startedAt = performance.now()
  const random = new Random(seed)
  const marks = await createMarks(2)
  const source = new Estate()
  await source.start()
  try {
    for (const mark of marks) {
      const end = await source.deployer.deploy(mark)
      if (end.type === 'failed') throw new Error(end.message)
    }
    await source.keepJob()
    const { code, stderr } = await source.pellet.cli('token', 'create', '--name', 'laptop')
    if (code !== 0) throw new Error(stderr)
    const wrong = await source.look({ live: [2], mayFail: false })
    if (wrong.length > 0) throw new Error(wrong.join('\n'))
  } finally {
    await source.stop()
  }
  const files = filesOf(source.dataFolder).filter(isVictim)
  // Each file once, in any order, before any of them comes again.
  const order = files.map((file) => ({ file, at: random.next() })).sort((a, b) => a.at - b.at)
  const violations: string[] = []
  let refused = 0
  for (let round = 0; round < rounds; round++) {
    onRound?.(round)
    const file = order[round % order.length]!.file
    const [what, injure] = random.pick(Object.entries(injuries))
    const isRunning = random.chance(0.5)
    const folder = createProject({})
    cpSync(source.folder, folder, { recursive: true })
    const estate = new Estate(folder)
    estate.jobs = [...source.jobs]
    const note = (problems: string[]) =>
      void violations.push(
        ...problems.map((one) => `${file}, ${what}${isRunning ? ', under a running Pellet' : ''}: ${one}`),
      )
    try {
      if (isRunning) {
        await estate.start()
        await estate.look(mayFail)
        injure(join(estate.dataFolder, file), random)
        // What is only read when it is loaded is read now.
        for (const name of ['text', 'leaf']) await estate.pellet.admin('POST', `/api/deployments/${name}/unload`)
        // A bundle is written anew by the next start; until then its function cannot be loaded.
        const isOwed = (one: string) => !(file.startsWith('bundles/') && /leaf.*load_failed/.test(one))
        note((await lookAround(estate)).filter(isOwed))
        await estate.stop()
      } else injure(join(estate.dataFolder, file), random)
      await estate.start()
      note(await lookAround(estate))
      const isServing = (await estate.look({ live: [2], mayFail: false })).length === 0
      if (!isServing) refused++
      // The same once more mends it, or says what to do.
      const end = await estate.deployer.deploy(marks[1]!)
      if (end.type === 'failed') {
        // What cannot even be replaced is named, for somebody to remove it.
        if (end.code !== 'storage_failed' || !end.message.includes(file))
          note([`cannot be mended by a deploy: ${end.code} ${end.message}`])
      } else note((await estate.look({ live: [2], mayFail: false })).filter((one) => one.startsWith('text')))
    } catch (error) {
      note([`${messageOf(error)}\n${estate.pellet.text().slice(-1500)}`])
    } finally {
      await estate.stop('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    }
  }
  const facts = [
    `${files.length} files`,
    `${Object.keys(injuries).length} injuries`,
    `${refused} times something was refused until it was deployed again`,
  ]
  return { name: 'damage', rounds, facts, violations, tookMs: performance.now() - startedAt }
}

// --- internal ---

/** Never the revision before, nor the dropped file that is shadowed. */
const mayFail: Expected = { live: [2], mayFail: true }

/** All routes, and the listings. */
async function lookAround(estate: Estate): Promise<string[]> {
  const { pid } = estate.pellet
  const problems = await estate.look(mayFail)
  for (const [command, wanted] of Object.entries({
    list: /text/,
    'history text': /text/,
    'token list': /token|laptop|damaged/,
  })) {
    const result: CliResult = await estate.pellet.cli(...command.split(' '))
    if (result.code > 1 || (result.code === 1 && !/expected|cannot/.test(result.stderr)))
      problems.push(`pellet ${command}: ${result.code} ${result.stderr}`)
    if (!wanted.test(`${result.stdout}${result.stderr}`))
      problems.push(`pellet ${command} does not speak of ${wanted.source}: ${result.stdout}${result.stderr}`)
  }
  if (estate.pellet.hasEnded() || estate.pellet.pid !== pid) problems.push('main has ended')
  const defects = estate.pellet.log.filter(({ level, code }) => level === 'fatal' || code === 'internal_error')
  return [...problems, ...defects.map(({ msg }) => `log: ${msg}`)]
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => statSync(join(folder, file)).isFile())
    .sort()
}

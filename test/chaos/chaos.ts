// @not-a-test: `npm run chaos` does harm to Pellets again and again, and prints what became of them.
import { parseArgs } from 'node:util'
import { damageFiles } from './damage.ts'
import { deployUnderLoad } from './deploys.ts'
import { fillDisk, withOwnMounts } from './disk.ts'
import { killAnywhere } from './kills.ts'
import { killPulls } from './pulls.ts'
import { toReport, type ChaosOptions, type ChaosResult } from './report.ts'
import { restartUnderLoad } from './restarts.ts'
import { stopUnderLoad } from './signals.ts'

/** How often each is done, unless `--rounds` says. */
const harms: Record<string, { rounds: number; run(options: ChaosOptions): Promise<ChaosResult> }> = {
  signals: { rounds: 100, run: stopUnderLoad },
  restarts: { rounds: 100, run: restartUnderLoad },
  deploys: { rounds: 50, run: deployUnderLoad },
  kills: { rounds: 100, run: killAnywhere },
  pulls: { rounds: 100, run: killPulls },
  damage: { rounds: 60, run: damageFiles },
  disk: { rounds: 20, run: (options) => withOwnMounts(options, fillDisk) },
}

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    rounds: { type: 'string' },
  },
})
const seed = wholeNumber('seed', values.seed)
const chosen = values.only?.split(',') ?? Object.keys(harms)
for (const name of chosen)
  if (!Object.hasOwn(harms, name)) misused(`--only: expected ${Object.keys(harms).join(', ')}, found ${name}`)

const isWatched = process.stderr.isTTY
const results: ChaosResult[] = []
for (const name of chosen) {
  const { rounds: usual, run } = harms[name]!
  const rounds = values.rounds === undefined ? usual : wholeNumber('rounds', values.rounds)
  const result = await run({
    seed,
    rounds,
    ...(isWatched && {
      onRound: (round: number) => void process.stderr.write(`\r${name}: ${round + 1} of ${rounds} `),
    }),
  })
  if (isWatched) process.stderr.write('\r\u001B[K')
  results.push(result)
  for (const violation of result.violations.slice(0, 20)) console.error(`${name}: ${violation}`)
  if (result.violations.length > 0)
    console.error(`Once more: npm run chaos -- --only ${name} --seed ${seed} --rounds ${rounds}\n`)
}
console.log(toReport(results))
process.exitCode = results.some(({ violations }) => violations.length > 0) ? 1 : 0

// --- internal ---

function wholeNumber(flag: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  return misused(`--${flag}: expected a whole number above 0, found ${text}`)
}

function misused(message: string): never {
  console.error(message)
  process.exit(2)
}

// @not-a-test: `npm run fairness` measures how long one who asks now and then waits beside a flood, when only one of both can be loaded.
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { toMarkdown } from '../bench/table.ts'
import { cases, measure, type Measured } from './fairness-case.ts'

const { values } = parseArgs({ options: { duration: { type: 'string', default: '60' } } })
const durationMs = Number(values.duration) * 1000
if (!(durationMs > 0)) {
  console.error(`--duration: expected seconds, found ${values.duration}`)
  process.exit(2)
}

const alone = await measure({ name: 'the flood alone', hasQuiet: false }, Math.min(durationMs, 15_000))
const rows: string[][] = [['the flood alone', '', '', '', '', '', '', alone.floodPerSecond.toFixed(0)]]
let isBroken = false
for (const one of cases) {
  const measured = await measure(one, durationMs)
  rows.push(toRow(one.name, measured))
  isBroken ||= measured.longestMs > measured.boundMs
  console.error(rows.at(-1)!.join('  '))
}
console.log(
  `\n${cpus()[0]!.model.trim()}, ${cpus().length} cores, Node ${process.version}; ${values.duration} s for each case.\n`,
)
console.log(toMarkdown(['case', 'asked', 'p50 s', 'p99 s', 'longest s', 'bound s', 'held', 'flood, requests/s'], rows))
if (isBroken) process.exitCode = 1

// --- internal ---

function toRow(name: string, { waitsMs, longestMs, boundMs, floodPerSecond }: Measured): string[] {
  const sorted = [...waitsMs].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
  const seconds = [at(0.5), at(0.99), longestMs, boundMs].map((ms) => (ms / 1000).toFixed(2))
  return [name, String(sorted.length), ...seconds, longestMs <= boundMs ? 'yes' : 'NO', floodPerSecond.toFixed(0)]
}

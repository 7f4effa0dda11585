// @not-a-test: `npm run soak` drives a storm of requests at a Pellet with too little memory and prints what became of them.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseBytes } from '../../runtime/units.ts'
import { projectRoot } from '../support/root.ts'
import { createPlan } from './plan.ts'
import { plotSoak } from './plot.ts'
import { toReport } from './report.ts'
import { memoryForThree, soak } from './storm.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '5000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    memory: { type: 'string', default: memoryForThree },
    callers: { type: 'string', default: '12' },
  },
})
const seed = wholeNumber('seed')
const requests = wholeNumber('requests')
console.log(`Soak: ${requests} requests, --seed ${seed}, --memory ${values.memory}\n`)
const isWatched = process.stderr.isTTY
const result = await soak({
  plan: createPlan(seed, requests),
  callers: wholeNumber('callers'),
  memory: values.memory,
  sampleEveryMs: 500,
  ...(isWatched && { onProgress: (done: number) => void process.stderr.write(`\r${done} of ${requests} `) }),
})
if (isWatched) process.stderr.write('\r\u001B[K')
console.log(toReport(result))

const folder = join(projectRoot, 'test/out')
mkdirSync(folder, { recursive: true })
const title = `Soak: ${requests} requests to 10 deployments under ${values.memory}, seed ${seed}`
writeFileSync(join(folder, 'soak.svg'), plotSoak(result, title, parseBytes(values.memory)))
console.log('Plot: test/out/soak.svg')

const { violations } = result
for (const violation of violations.slice(0, 20)) console.error(`\n${violation}`)
if (violations.length > 0) {
  console.error(`\n${violations.length} violations. Once more: npm run soak -- --requests ${requests} --seed ${seed}`)
  writeFileSync(join(folder, 'soak.log'), result.log)
  console.error('Log: test/out/soak.log')
  process.exitCode = 1
} else console.log('All answers were right, and all refusals as documented.')

// --- internal ---

function wholeNumber(name: 'seed' | 'requests' | 'callers'): number {
  const value = Number(values[name])
  if (Number.isInteger(value) && value > 0) return value
  console.error(`--${name}: expected a whole number above 0, found ${values[name]}`)
  process.exit(2)
}

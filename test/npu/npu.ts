// @not-a-test: `npm run npu` lets the simulated NPU do all that an NPU may do wrong, and prints what became of the callers.
import { parseArgs } from 'node:util'
import { keepLog } from '../chaos/report.ts'
import { messageOf } from '../../runtime/errors.ts'
import { proveFrames } from './frames.ts'
import { statusRows } from './status-rows.ts'
import { tryStatuses } from './statuses.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    frames: { type: 'string', default: '10000' },
  },
})
const [seed, frames] = [wholeNumber('seed', values.seed), wholeNumber('frames', values.frames)]
const proofs: Record<string, () => Promise<string[]>> = { statuses, frames: framesOfAll }
for (const name of values.only?.split(',') ?? Object.keys(proofs)) {
  if (!Object.hasOwn(proofs, name)) misused(`--only: expected ${Object.keys(proofs).join(', ')}, found ${name}`)
  const startedAt = performance.now()
  console.log(`\n${name}\n`)
  const violations = await proofs[name]!()
  console.log(`\n${violations.length} violations, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  for (const violation of violations.slice(0, 20)) console.error(violation)
  if (violations.length > 0) process.exitCode = 1
}

// --- internal ---

async function statuses(): Promise<string[]> {
  try {
    await tryStatuses(statusRows, (line) => console.log(`- ${line}`))
    return []
  } catch (error) {
    return [messageOf(error)]
  }
}

async function framesOfAll(): Promise<string[]> {
  const { facts, violations, log } = await proveFrames({
    seed,
    frames,
    onPhase: (name) => console.error(`${name} ...`),
  })
  console.log(facts.map((fact) => `- ${fact}`).join('\n'))
  if (violations.length > 0)
    console.error(
      `\nLog: ${keepLog('npu', log)}\nOnce more: npm run npu -- --only=frames --seed ${seed} --frames ${frames}`,
    )
  return violations
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  return misused(`--${flag}: expected a whole number above 0, found ${text}`)
}

function misused(message: string): never {
  console.error(message)
  process.exit(2)
}

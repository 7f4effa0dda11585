import { defineCommand } from 'citty'
import { CliError } from '../cli-error.ts'
import type { Finding } from '../doctor/facts.ts'
import { projectArgs, readConfigOrInstalled } from '../settings.ts'
import { toSnakeCase } from '../snake-case.ts'

export default defineCommand({
  meta: {
    name: 'doctor',
    description:
      'Look at the NPU and all that it needs: driver, firmware, HailoRT, permissions, models\n' +
      'What is wrong is told with what mends it. Changes nothing. With sudo it also sees the programs of other users.',
  },
  args: {
    ...projectArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    // `pellet --help` looks at all commands: what this one needs is loaded when it runs.
    const { gatherFacts } = await import('../doctor/gather.ts')
    const { diagnose } = await import('../doctor/diagnose.ts')
    const facts = await gatherFacts(await readConfigOrInstalled({ ...args }), { ...args })
    const findings = diagnose(facts)
    const isWell = findings.every(({ level }) => level !== 'fail')
    if (args.json) console.log(JSON.stringify(toSnakeCase({ isWell, findings, facts }), null, 2))
    else console.log(toText(findings))
    if (!isWell) throw new CliError('')
  },
})

// --- internal ---

/** A line for each, and below what is wrong what mends it. */
function toText(findings: Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = findings.flatMap(({ level, check, found, mend }) => [
    `${level.padEnd(4)}  ${check.padEnd(width)}  ${found}`,
    ...(mend === undefined ? [] : [`${' '.repeat(width + 8)}mend: ${mend}`]),
  ])
  const count = findings.filter(({ level }) => level === 'fail').length
  if (count > 0) lines.push('', `${count} problem${count === 1 ? '' : 's'} found.`)
  return lines.join('\n')
}

import { defineCommand } from 'citty'
import type { ListRow } from '../../http/admin.ts'
import { formatDuration } from '../../units.ts'
import { callJson } from '../client.ts'
import { toFallbacks, toFiles, toPorts, toTable } from '../table.ts'
import { readTarget, targetArgs } from '../target.ts'

export default defineCommand({
  meta: { name: 'list', description: 'What is deployed, and what could not be, with the reasons' },
  args: { ...targetArgs, json: { type: 'boolean', description: 'Print JSON' } },
  async run({ args }) {
    const rows = await callJson<ListRow[]>(await readTarget({ ...args }), 'GET', '/api/deployments')
    if (args.json) return console.log(JSON.stringify(rows, null, 2))
    if (rows.length === 0)
      return console.log(
        'Nothing is deployed: pellet deploy puts something here; so does a file in functions/ or manifests/, with the next start or with pellet dev.',
      )
    const cells = rows.map((row) => [
      row.name,
      row.state,
      row.model ?? '-',
      row.engine ?? '-',
      row.revision ?? '-',
      row.age_s === null ? '-' : formatDuration(row.age_s * 1000),
      row.keep_alive_s === null ? '-' : formatDuration(row.keep_alive_s < 0 ? -1 : row.keep_alive_s * 1000),
      row.routes.join(', ') || '-',
      toPorts(row.listen),
      row.source,
      toFiles(row.origin),
    ])
    console.log(toTable(headings, cells))
    for (const line of toFallbacks(rows)) console.log(`\n${line}`)
    for (const row of rows) {
      const { name, shadows } = row
      if (shadows) console.log(`\n${name} was deployed, and shadows ${toFiles(shadows)}, until pellet delete ${name}`)
      for (const { problem } of row.listen) if (problem !== null) console.log(`\n${row.name}: ${problem}`)
      if (row.problems.length > 0)
        console.log(`\n${headingOf(row)}:\n${row.problems.map((problem) => `  ${problem}`).join('\n')}`)
    }
  },
})

// --- internal ---

const headings = [
  'NAME',
  'STATE',
  'MODEL',
  'ENGINE',
  'REVISION',
  'AGE',
  'KEEP_ALIVE',
  'ROUTES',
  'PORTS',
  'ORIGIN',
  'FROM',
]

function headingOf({ name, state, revision, is_outdated }: ListRow): string {
  if (is_outdated) return `${name} keeps serving revision ${revision} until this is mended`
  return `${name} is ${state === 'refused' ? state : 'not deployed'}`
}

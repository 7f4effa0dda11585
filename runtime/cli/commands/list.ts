import { defineCommand } from 'citty'
import type { ListRow } from '../../http/admin.ts'
import { formatDuration } from '../../units.ts'
import { callJson } from '../client.ts'
import { toPorts, toTable } from '../table.ts'
import { readTarget, targetArgs } from '../target.ts'

export default defineCommand({
  meta: { name: 'list', description: 'What is deployed, and what could not be, with the reasons' },
  args: { ...targetArgs, json: { type: 'boolean', description: 'Print JSON' } },
  async run({ args }) {
    const rows = await callJson<ListRow[]>(await readTarget({ ...args }), 'GET', '/api/deployments')
    if (args.json) return console.log(JSON.stringify(rows, null, 2))
    if (rows.length === 0)
      return console.log(
        'Nothing is deployed: put a function into functions/ or a manifest into manifests/, and start Pellet anew, or use pellet dev.',
      )
    const cells = rows.map((row) => [
      row.name,
      row.state,
      row.model ?? '-',
      row.engine ?? '-',
      row.revision ?? '-',
      row.keep_alive_s === null ? '-' : formatDuration(row.keep_alive_s < 0 ? -1 : row.keep_alive_s * 1000),
      row.routes.join(', ') || '-',
      toPorts(row.listen),
      [row.origin.manifest, row.origin.function].filter(Boolean).join(' + '),
    ])
    console.log(
      toTable(['NAME', 'STATE', 'MODEL', 'ENGINE', 'REVISION', 'KEEP_ALIVE', 'ROUTES', 'PORTS', 'FROM'], cells),
    )
    for (const row of rows) {
      for (const { problem } of row.listen) if (problem !== null) console.log(`\n${row.name}: ${problem}`)
      if (row.problems.length > 0)
        console.log(`\n${headingOf(row)}:\n${row.problems.map((problem) => `  ${problem}`).join('\n')}`)
    }
  },
})

// --- internal ---

function headingOf({ name, state, revision, is_outdated }: ListRow): string {
  if (is_outdated) return `${name} keeps serving revision ${revision} until this is mended`
  return `${name} is ${state === 'refused' ? state : 'not deployed'}`
}

import { defineCommand } from 'citty'
import type { PsRow } from '../../http/admin.ts'
import { formatBytes, formatDuration } from '../../units.ts'
import { callJson } from '../client.ts'
import { toPorts, toTable } from '../table.ts'
import { readTarget, targetArgs } from '../target.ts'

export default defineCommand({
  meta: { name: 'ps', description: 'State, memory and requests of every deployment' },
  args: { ...targetArgs, json: { type: 'boolean', description: 'Print JSON' } },
  async run({ args }) {
    const rows = await callJson<PsRow[]>(await readTarget({ ...args }), 'GET', '/api/ps')
    if (args.json) return console.log(JSON.stringify(rows, null, 2))
    console.log(rows.length === 0 ? 'Nothing is deployed; pellet list says what was refused.' : toPsTable(rows))
  },
})

const headings = [
  'NAME',
  'STATE',
  'ENGINE',
  'MODEL',
  'MEMORY',
  'IN FLIGHT',
  'QUEUED',
  'LOADS',
  'LAST USED',
  'EXPIRES IN',
  'PORTS',
]

export function toPsTable(rows: PsRow[]): string {
  const cells = rows.map((row) => [
    row.name,
    row.state,
    row.engine,
    row.model,
    row.memory_bytes === 0 ? '-' : formatBytes(row.memory_bytes),
    String(row.in_flight),
    String(row.queued),
    String(row.loads),
    row.last_used_s === null ? '-' : `${formatSeconds(-row.last_used_s)} ago`,
    row.expires_in_s === null ? '-' : formatSeconds(row.expires_in_s),
    toPorts(row.listen),
  ])
  const errors = rows
    .filter((row) => row.last_error !== null && row.state !== 'ready')
    .map((row) => `\n${row.name}: ${row.last_error}`)
  return toTable(headings, cells) + errors.join('')
}

// --- internal ---

function formatSeconds(seconds: number): string {
  return formatDuration(Math.max(0, Math.round(seconds)) * 1000)
}

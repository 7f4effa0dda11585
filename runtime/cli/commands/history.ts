import { defineCommand } from 'citty'
import type { HistoryRow } from '../../deploys/protocol.ts'
import { formatBytes, formatDuration } from '../../units.ts'
import { callJson } from '../client.ts'
import { toFiles, toTable } from '../table.ts'
import { readTarget, targetArgs } from '../target.ts'

export default defineCommand({
  meta: { name: 'history', description: 'The revisions of a deployment that are kept, newest first' },
  args: {
    name: { type: 'positional', description: 'Name of the deployment', required: true },
    ...targetArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const path = `/api/deployments/${encodeURIComponent(args.name)}/revisions`
    const rows = await callJson<HistoryRow[]>(await readTarget({ ...args }), 'GET', path)
    if (args.json) return console.log(JSON.stringify(rows, null, 2))
    if (rows.length === 0) return console.log(`No revision of ${args.name} was ever deployed here.`)
    console.log(toTable(headings, rows.map(toCells)))
  },
})

// --- internal ---

const headings = ['REVISION', 'STATE', 'DEPLOYED', 'BY', 'MODEL', 'SIZE', 'ROUTES', 'FROM']

function toCells({
  revision,
  isLive,
  deployedAtMs,
  by,
  model,
  sizeBytes,
  routes,
  origin,
  isDamaged,
}: HistoryRow): string[] {
  return [
    revision.slice(0, 12),
    isDamaged ? 'damaged' : isLive ? 'live' : '-',
    `${formatDuration(Math.max(0, Date.now() - deployedAtMs))} ago`,
    by,
    model,
    formatBytes(sizeBytes),
    routes.join(', '),
    toFiles(origin),
  ]
}

import { defineCommand } from 'citty'
import type { CacheRow, Removal } from '../../results/cache-rows.ts'
import { formatBytes, formatDuration } from '../../units.ts'
import { CliError } from '../cli-error.ts'
import { callJson } from '../client.ts'
import { toTable } from '../table.ts'
import { readTarget, targetArgs } from '../target.ts'

export default defineCommand({
  meta: {
    name: 'cache',
    description: 'Kept answers: what there is (stats), or remove them (clear); of one deployment or of all',
  },
  args: {
    action: { type: 'positional', description: 'stats or clear', required: true, valueHint: '<stats|clear>' },
    name: { type: 'positional', description: 'Name of the deployment', required: false, valueHint: '[name]' },
    ...targetArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const { action, name, json } = args
    const method = Object.hasOwn(methods, action) ? methods[action]! : undefined
    if (!method) throw new CliError(`cache: expected stats or clear, found ${action}\nTry: pellet cache --help`, 2)
    const path = name === undefined ? '/api/cache' : `/api/cache/${encodeURIComponent(name)}`
    const answer = await callJson(await readTarget({ ...args }), method, path)
    if (json) return console.log(JSON.stringify(answer, null, 2))
    if (action === 'stats') return console.log(toText(answer as CacheRow[]))
    const { entries, bytes } = answer as Removal
    console.log(`removed ${entries} answer${entries === 1 ? '' : 's'}, ${formatBytes(bytes)}`)
  },
})

// --- internal ---

const methods: Record<string, string> = { stats: 'GET', clear: 'DELETE' }
const headings = ['NAME', 'ENTRIES', 'SIZE', 'MAX', 'TTL', 'HITS', 'MISSES', 'BYPASSED', 'HIT RATE', 'OLDEST']

function toText(rows: CacheRow[]): string {
  if (rows.length === 0) return 'No deployment keeps its answers; write cache: { ttl: 10m } into a manifest.'
  const cells = rows.map((row) => [
    row.name,
    String(row.entries),
    formatBytes(row.bytes),
    formatBytes(row.max_bytes),
    formatDuration(row.ttl_s * 1000),
    String(row.hits),
    String(row.misses),
    String(row.bypassed),
    row.hit_rate === null ? '-' : `${(row.hit_rate * 100).toFixed(1)} %`,
    row.oldest_s === null ? '-' : `${formatDuration(row.oldest_s * 1000)} ago`,
  ])
  return toTable(headings, cells)
}

import { defineCommand } from 'citty'
import type { About, PsRow } from '../../http/admin.ts'
import { durationForms, formatBytes, formatDuration, parseDuration } from '../../units.ts'
import { CliError } from '../cli-error.ts'
import { callJson } from '../client.ts'
import { toFallbacks, toPorts, toTable } from '../table.ts'
import { readTarget, targetArgs } from '../target.ts'
import { watch } from '../watch.ts'

export default defineCommand({
  meta: { name: 'ps', description: 'State, memory and requests of every deployment' },
  args: {
    ...targetArgs,
    watch: { type: 'boolean', alias: 'w', description: 'Go on until Ctrl+C; with --json a line each time' },
    interval: { type: 'string', description: 'How often, with --watch (default: 1s)', valueHint: 'duration' },
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const intervalMs = toInterval(args.watch, args.interval)
    const target = await readTarget({ ...args })
    const ask = () => callJson<PsRow[]>(target, 'GET', '/api/ps')
    if (!args.watch) {
      const rows = await ask()
      return console.log(args.json ? JSON.stringify(rows, null, 2) : toText(rows))
    }
    await watch({
      intervalMs,
      separator: args.json ? '' : '\n',
      ask: async () => {
        const [rows, about] = await Promise.all([ask(), callJson<About>(target, 'GET', '/api/about')])
        return { text: args.json ? JSON.stringify(rows) : toText(rows), startedAtMs: about.started_at_ms }
      },
    })
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
    row.last_used_s === null ? '-' : `${formatSeconds(row.last_used_s)} ago`,
    row.expires_in_s === null ? '-' : formatSeconds(row.expires_in_s),
    toPorts(row.listen),
  ])
  const errors = rows
    .filter((row) => row.last_error !== null && row.state !== 'ready')
    // Some say already whom they are about.
    .map(({ name, last_error: error }) => (error!.startsWith(`${name}: `) ? error! : `${name}: ${error}`))
  return [toTable(headings, cells), ...errors, ...toFallbacks(rows)].join('\n')
}

// --- internal ---

const shortestIntervalMs = 100

function toText(rows: PsRow[]): string {
  return rows.length === 0 ? 'Nothing is deployed; pellet list says what was refused.' : toPsTable(rows)
}

function toInterval(isWatch: boolean | undefined, interval: string | undefined): number {
  if (interval === undefined) return 1000
  if (!isWatch) throw new CliError('ps: expected --interval with --watch, found it alone', 2)
  try {
    const ms = parseDuration(interval)
    if (ms >= shortestIntervalMs) return ms
  } catch {}
  throw new CliError(
    `ps: expected --interval as ${durationForms}, 100ms at least, found ${JSON.stringify(interval)}`,
    2,
  )
}

function formatSeconds(seconds: number): string {
  return formatDuration(Math.max(0, Math.round(seconds)) * 1000)
}

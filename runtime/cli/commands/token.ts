import { defineCommand } from 'citty'
import type { TokenRow } from '../../auth/token-store.ts'
import { parseScopes, scopes } from '../../auth/scopes.ts'
import type { CreatedToken } from '../../http/tokens.ts'
import { formatDuration, parseDuration } from '../../units.ts'
import { CliError } from '../cli-error.ts'
import { projectArgs, readConfigOrInstalled } from '../settings.ts'
import { toTable } from '../table.ts'
import { openTokens } from '../token-access.ts'

export default defineCommand({
  meta: {
    name: 'token',
    description: 'Tokens for calls over TCP: make one (create), list them, end one at once (revoke)',
  },
  args: {
    action: {
      type: 'positional',
      description: 'create, list or revoke',
      required: true,
      valueHint: '<create|list|revoke>',
    },
    token: { type: 'positional', description: 'To revoke: its id or name', required: false, valueHint: '[id|name]' },
    name: {
      type: 'string',
      description: 'To create: what it is for, e.g. laptop (default: its id)',
      valueHint: 'name',
    },
    scope: {
      type: 'string',
      description: `To create: some of ${scopes.join(', ')}; deploy includes the others (default: read,invoke)`,
      valueHint: 'scopes',
    },
    expires: { type: 'string', description: 'To create: how long it is valid (default: for ever)', valueHint: '90d' },
    ...projectArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const { action, token, name, scope, expires, json } = args
    if (!['create', 'list', 'revoke'].includes(action))
      throw misused(`expected create, list or revoke, found ${action}`)
    const extra = action === 'create' ? undefined : [name, scope, expires].find((flag) => flag !== undefined)
    if (extra !== undefined) throw misused(`${action}: expected no --name, --scope or --expires, found one`)
    if (action !== 'revoke' && token !== undefined) throw misused(`${action}: expected no more words, found ${token}`)
    if (action === 'revoke' && token === undefined) throw misused('revoke: expected the id or name of a token')
    if (process.env['PELLET_TO'])
      throw misused(
        'expected no PELLET_TO, found one: tokens are made on the machine that Pellet runs on; call it there',
      )
    const wish = { name, scopes: toScopes(scope ?? 'read,invoke'), expiresInMs: toAge(expires) }
    const tokens = await openTokens(await readConfigOrInstalled({ ...args }))
    if (action === 'create') printNew(await tokens.create(wish), json)
    else if (action === 'revoke') {
      const row = await tokens.revoke(token!)
      if (json) console.log(JSON.stringify(row, null, 2))
      else console.log(`${row.name} (${row.id}) is revoked: from now on it opens nothing`)
    } else {
      const rows = await tokens.rows()
      console.log(json ? JSON.stringify(rows, null, 2) : toText(rows))
    }
  },
})

// --- internal ---

function misused(message: string): CliError {
  return new CliError(`token: ${message}\nTry: pellet token --help`, 2)
}

function toScopes(text: string) {
  try {
    return parseScopes(text.split(',').map((scope) => scope.trim()))
  } catch (error) {
    throw misused(`--scope: ${(error as Error).message}`)
  }
}

/** undefined: it never expires. */
function toAge(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  try {
    const ms = parseDuration(text)
    if (ms === -1) return undefined
    if (ms > 0) return ms
  } catch {
    // Said below, for all that is no duration.
  }
  throw misused(`--expires: expected a duration such as 12h or 90d, found ${JSON.stringify(text)}`)
}

/** The token alone on stdout, so that a script can take it. */
function printNew({ token, ...row }: CreatedToken, json: boolean | undefined): void {
  if (json) return console.log(JSON.stringify({ token, ...row }, null, 2))
  console.log(token)
  const until = row.expires_at === null ? 'does not expire' : `is valid until ${row.expires_at}`
  console.error(
    `${row.name} (${row.id}): scopes ${row.scopes.join(', ')}; it ${until}. Keep it now: it is not shown again.`,
  )
}

function toText(rows: TokenRow[]): string {
  if (rows.length === 0) return 'There is no token; pellet token create makes one.'
  const ago = (time: string | null) =>
    time === null ? '-' : `${formatDuration(Math.max(0, Date.now() - Date.parse(time)))} ago`
  const cells = rows.map((row) => [
    row.name,
    row.id,
    row.scopes.join(', ') || '-',
    ago(row.created_at),
    row.state === 'valid' ? (row.expires_at === null ? 'never' : toRest(row.expires_at)) : row.state,
    ago(row.last_used_at),
  ])
  return toTable(['NAME', 'ID', 'SCOPES', 'CREATED', 'EXPIRES', 'LAST USED'], cells)
}

function toRest(time: string): string {
  return `in ${formatDuration(Math.max(0, Date.parse(time) - Date.now()))}`
}

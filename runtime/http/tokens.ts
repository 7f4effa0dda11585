import { getRouterParam, type H3, type H3Event } from 'h3/node'
import { TokenError, type TokenRow, type TokenWish } from '../auth/token-store.ts'
import { parseScopes } from '../auth/scopes.ts'
import { PelletError } from '../errors.ts'
import type { Pellet } from '../pellet.ts'

/** What `POST /api/tokens` answers, once. */
export interface CreatedToken extends TokenRow {
  token: string
}

/**
 * `/api/tokens`: on the unix socket only. A token that could make tokens would outlive its own end.
 * @param isRemote over TCP: all is refused
 */
export function registerTokens(app: H3, pellet: Pellet, isRemote: boolean): void {
  if (isRemote) {
    const refuse = () => {
      throw new PelletError(
        'forbidden',
        'tokens: expected a call on the machine that Pellet runs on (pellet token ...), found one over TCP',
      )
    }
    app.all('/api/tokens', refuse)
    app.all('/api/tokens/**', refuse)
    return
  }
  app.get('/api/tokens', () => pellet.tokens.rows())
  app.post('/api/tokens', (event: H3Event) =>
    refusing(async () => {
      const { token, row } = await pellet.tokens.create(toWish(await event.req.json().catch(() => undefined)))
      pellet.log.info({ token: row.id }, `token ${row.name} made, for ${row.scopes.join(', ')}`)
      return { token, ...row } satisfies CreatedToken
    }),
  )
  app.delete('/api/tokens/:id', (event: H3Event) =>
    refusing(async () => {
      const row = await pellet.tokens.revoke(getRouterParam(event, 'id', { decode: true }) ?? '')
      pellet.log.info({ token: row.id }, `token ${row.name} revoked`)
      return row
    }),
  )
}

// --- internal ---

function toWish(body: unknown): TokenWish {
  const { name, scopes, expires_in_s: ageS } = (body ?? {}) as Record<string, unknown>
  if (name !== undefined && typeof name !== 'string') throw new TokenError('name: expected text')
  if (ageS !== undefined && !(typeof ageS === 'number' && ageS > 0 && ageS <= maxAgeS))
    throw new TokenError('expires_in_s: expected a number of seconds above 0')
  return { name, scopes: parseScopes(scopes), expiresInMs: ageS === undefined ? undefined : ageS * 1000 }
}

/** A hundred years. */
const maxAgeS = 36_525 * 86_400

/** What the asker has got wrong is told to him. */
async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof TokenError || error instanceof RangeError)
      throw new PelletError('invalid_request', error.message)
    throw error
  }
}

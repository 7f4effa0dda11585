import { getRouterParam, type H3, type H3Event } from 'h3/node'
import { TokenError, type TokenRow } from '../auth/token-store.ts'
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
      const { name, scopes, expires_in_s } = toWish(await event.req.json().catch(() => undefined))
      const wish = { name, scopes: parseScopes(scopes), expiresInMs: expires_in_s && expires_in_s * 1000 }
      const { token, row } = await pellet.tokens.create(wish)
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

interface Wish {
  name?: string
  scopes: unknown
  expires_in_s?: number
}

function toWish(body: unknown): Wish {
  const { name, scopes, expires_in_s } = (body ?? {}) as Record<string, unknown>
  if (name !== undefined && typeof name !== 'string') throw new TokenError('name: expected text')
  if (expires_in_s !== undefined && !(typeof expires_in_s === 'number' && expires_in_s > 0 && expires_in_s < maxAgeS))
    throw new TokenError('expires_in_s: expected a number of seconds above 0')
  return { scopes, ...(name !== undefined && { name }), ...(expires_in_s !== undefined && { expires_in_s }) }
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

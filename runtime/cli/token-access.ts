import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { TokenRow, TokenWish } from '../auth/token-store.ts'
import { adminSocketPath, type Config } from '../config.ts'
import type { CreatedToken } from '../http/tokens.ts'
import { isInUse } from '../socket-folder.ts'
import { CliError } from './cli-error.ts'
import { call, callJson } from './client.ts'
import { ConnectionError, RefusalError } from './client-errors.ts'

/** The tokens of a project. */
export interface TokenAccess {
  rows(): Promise<TokenRow[]>
  create(wish: TokenWish): Promise<CreatedToken>
  revoke(idOrName: string): Promise<TokenRow>
}

/** By the socket of the Pellet that runs there, for which all takes effect at once; else in its data folder. */
export function openTokens(config: Config): TokenAccess {
  const shown = adminSocketPath(config)
  const target = { shown, socketPath: shown }
  const running: TokenAccess = {
    rows: () => callJson(target, 'GET', '/api/tokens'),
    create: ({ name, scopes, expiresInMs }) =>
      callJson(target, 'POST', '/api/tokens', {
        name,
        scopes,
        ...(expiresInMs !== undefined && { expires_in_s: expiresInMs / 1000 }),
      }),
    revoke: (idOrName) => callJson(target, 'DELETE', `/api/tokens/${encodeURIComponent(idOrName)}`),
  }
  const orInFolder = async <T>(work: (access: TokenAccess) => Promise<T>): Promise<T> => {
    try {
      await call(target, 'GET', '/api/about', { answerMs: startMs })
      return await work(running)
    } catch (error) {
      if (!isNobodyThere(error)) throw error
      // It has read its tokens, and would not hear of what becomes of them in the folder.
      if (await isInUse(config.dataFolder))
        throw new CliError(
          `${shown}: expected an answer of the Pellet that runs here, found none; nothing was changed, try again`,
        )
      return work(await openFolder(config))
    }
  }
  return {
    rows: () => orInFolder((access) => access.rows()),
    create: (wish) => orInFolder((access) => access.create(wish)),
    revoke: (idOrName) =>
      orInFolder(async (access) => {
        const row = await access.revoke(idOrName)
        // One that was started meanwhile may have read it before it was gone.
        if (access !== running && (await isInUse(config.dataFolder))) await running.revoke(row.id).catch(ignoreUnknown)
        return row
      }),
  }
}

// --- internal ---

function ignoreUnknown(error: unknown): void {
  if (!(error instanceof RefusalError)) throw error
}

/** What a Pellet that systemd starts for this request may take until it answers. */
const startMs = 8000

/** No Pellet runs, or the one that systemd starts for the socket ends at once because it has no token yet. */
function isNobodyThere(error: unknown): boolean {
  const { code = '' } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
  return (
    error instanceof ConnectionError && ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'].includes(code)
  )
}

async function openFolder({ dataFolder }: Config): Promise<TokenAccess> {
  const [{ createDataStore, formatDamage }, { TokenStore, TokenError }] = await Promise.all([
    import('../storage/storage.ts'),
    import('../auth/token-store.ts'),
  ])
  becomeOwnerOf(dataFolder)
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
  const storage = createDataStore({ folder: dataFolder, onDamaged: (damage) => console.error(formatDamage(damage)) })
  const tokens = await TokenStore.open(storage, (message) => console.error(message))
  const told = (error: unknown) => {
    throw error instanceof TokenError ? new CliError(error.message) : error
  }
  return {
    rows: async () => tokens.rows(),
    create: (wish) =>
      tokens.create(wish).then(({ token, row }) => {
        console.error(`no Pellet runs here now; the next one on ${dataFolder} accepts the token`)
        return { token, ...row }
      }, told),
    revoke: (idOrName) => tokens.revoke(idOrName).catch(told),
  }
}

/** What root writes into the folder of the service's user, that user must be able to read. */
function becomeOwnerOf(folder: string): void {
  if (process.geteuid?.() !== 0) return
  const found = statSync(folder, { throwIfNoEntry: false }) ?? statSync(dirname(folder), { throwIfNoEntry: false })
  if (!found || found.uid === 0) return
  process.setegid!(found.gid)
  process.seteuid!(found.uid)
}

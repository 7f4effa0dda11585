import type { Config } from '../config.ts'
import { isLoopback } from './loopback.ts'

/**
 * Why Pellet may not listen on these addresses: beyond loopback it needs a token, or the word that everybody may call.
 * @param warn is told of tokens that cannot be read
 */
export async function bindProblem(
  { dataFolder, public: isPublic, requireToken }: Pick<Config, 'dataFolder' | 'public' | 'requireToken'>,
  hosts: readonly string[],
  warn: (message: string) => void,
): Promise<string | undefined> {
  if (isPublic && requireToken) return 'public, require_token: expected one of them, found both'
  const beyond = hosts.find((host) => !isLoopback(host))
  if (isPublic || (beyond === undefined && !requireToken)) return undefined
  // The start of most projects does not wait for these.
  const { createDataStore, formatDamage } = await import('../storage/storage.ts')
  const { TokenStore } = await import('./token-store.ts')
  const storage = createDataStore({ folder: dataFolder, onDamaged: (damage) => warn(formatDamage(damage)) })
  const tokens = await TokenStore.open(storage, warn)
  await storage.dispose()
  if (tokens.size > 0) return undefined
  const where =
    beyond === undefined ? 'require_token: expected a token' : `host: expected a loopback address, found ${beyond}`
  return `${where}. Make a token first (pellet token create), which callers must then send; or let everybody on that network use the functions (public: true in pellet.yaml, or --public)`
}

import type { Storage } from 'unstorage'
import { parseScopes, type Scope } from './scopes.ts'
import { DamagedEntry } from '../storage/atomic-fs.ts'
import { createToken, hasDigest, tokenIn } from './token.ts'

/** A token as people see it. Times are ISO 8601. */
export interface TokenRow {
  id: string
  name: string
  /** A damaged one opens nothing; all that is known of it is its id. */
  state: 'valid' | 'expired' | 'damaged'
  scopes: Scope[]
  created_at: string | null
  /** null: never. */
  expires_at: string | null
  /** null: not yet. Written down every ten minutes and at stop. */
  last_used_at: string | null
}

/** What a new token is to be. */
export interface TokenWish {
  /** At most 64 letters, digits, `.`, `_`, `-`. @default its id */
  name?: string | undefined
  scopes: Scope[]
  /** @default never */
  expiresInMs?: number | undefined
}

/** Who asks, or why that is not known. For the log; callers are told nothing of it. */
export type Verdict = { holder: TokenRecord } | { reason: string }

/** What is kept of a token: never the token itself. */
export interface TokenRecord {
  id: string
  name: string
  scopes: Scope[]
  digest: string
  createdAtMs: number
  expiresAtMs: number | null
}

/** A name or id that does not fit. */
export class TokenError extends Error {}

/** The tokens of a data folder, each an entry of the mount `tokens:`. What is kept there is read once, and then its own. */
export class TokenStore {
  readonly #storage: Storage
  readonly #onIgnored: (message: string) => void
  readonly #now: () => number
  readonly #records = new Map<string, TokenRecord>()
  readonly #damaged = new Set<string>()
  #usedAtMs = new Map<string, number>()
  /** By id: what ends with the token. */
  readonly #ends = new Map<string, Set<() => void>>()
  #savedAtMs: number
  /** Changes come one after the other: two may want one name. */
  #last: Promise<unknown> = Promise.resolve()

  /** A store that has read what is kept; see its constructor. */
  static async open(storage: Storage, onIgnored: (message: string) => void, now = Date.now): Promise<TokenStore> {
    const store = new TokenStore(storage, onIgnored, now)
    await store.load()
    return store
  }

  /** @param onIgnored is told of each record that cannot be read or makes no sense; such a token is not accepted */
  constructor(storage: Storage, onIgnored: (message: string) => void, now = Date.now) {
    this.#storage = storage
    this.#onIgnored = onIgnored
    this.#now = now
    this.#savedAtMs = now()
  }

  /** Reads what is kept, once. Until then it accepts nothing. */
  async load(): Promise<void> {
    const storage = this.#storage
    const keys = await storage.getKeys('tokens').catch((error: Error) => {
      this.#onIgnored(`tokens: none is accepted: ${error.message}`)
      return []
    })
    for (const key of keys) {
      const id = key.slice('tokens:'.length)
      if (id === usedKey) continue
      // Calls without a token go on, whatever has become of one.
      const record = await storage.getItem(key).catch((error: Error) => error)
      if (isRecord(record, id)) this.#records.set(id, record)
      else if (record !== null) {
        this.#damaged.add(id)
        const end = `so it opens nothing; pellet token revoke ${id} removes it, then make another`
        this.#onIgnored(`token ${id}: its record cannot be used (${problemOf(record)}), ${end}`)
      }
    }
    const used = await storage.getItem<Record<string, unknown>>(`tokens:${usedKey}`).catch(() => null)
    for (const [id, atMs] of Object.entries(used ?? {})) if (isTime(atMs)) this.#usedAtMs.set(id, atMs)
  }

  /** How many are accepted now. */
  get size(): number {
    return [...this.#records.values()].filter((record) => !this.#isExpired(record)).length
  }

  rows(): TokenRow[] {
    const nothing = { scopes: [], created_at: null, expires_at: null, last_used_at: null }
    return [
      ...[...this.#records.values()].toSorted((a, b) => a.createdAtMs - b.createdAtMs).map((one) => this.#toRow(one)),
      ...[...this.#damaged].map((id): TokenRow => ({ id, name: id, state: 'damaged', ...nothing })),
    ]
  }

  /**
   * Makes a token that is accepted from now on. It is told here and never again.
   * @throws TokenError for a name that is taken or no name
   */
  create({ name, scopes, expiresInMs }: TokenWish): Promise<{ token: string; row: TokenRow }> {
    return this.#inTurn(async () => {
      const { id, token, digest } = createToken()
      const record: TokenRecord = {
        id,
        name: name ?? id,
        scopes: parseScopes(scopes),
        digest,
        createdAtMs: this.#now(),
        expiresAtMs: expiresInMs === undefined ? null : this.#now() + expiresInMs,
      }
      this.#checkName(record)
      await this.#storage.setItem(`tokens:${id}`, record)
      this.#records.set(id, record)
      return { token, row: this.#toRow(record) }
    })
  }

  /** Ends a token by its id or name, at once. @throws TokenError where there is none */
  revoke(idOrName: string): Promise<TokenRow> {
    return this.#inTurn(async () => {
      const row = this.rows().find(({ id, name }) => id === idOrName || name === idOrName)
      if (!row) {
        const known = this.rows().map(({ id, name }) => (id === name ? id : `${name} (${id})`))
        const expected =
          known.length > 0 ? `expected one of ${known.join(', ')}` : 'expected one that exists, and there is none'
        throw new TokenError(`token: ${expected}, found ${JSON.stringify(idOrName.slice(0, 100))}`)
      }
      // Whatever becomes of the file, this process accepts it no more.
      this.#records.delete(row.id)
      this.#damaged.delete(row.id)
      for (const end of this.#ends.get(row.id) ?? []) end()
      await this.#storage.removeItem(`tokens:${row.id}`)
      return row
    })
  }

  /** Whose token an `Authorization` header carries. About two microseconds, whatever it carries. */
  verify(authorization: string | undefined): Verdict {
    const presented = tokenIn(authorization)
    if (!presented) return { reason: authorization === undefined ? 'no token' : 'something that is no token' }
    const record = this.#records.get(presented.id)
    // An unknown id costs as much as a wrong token.
    const isRight = hasDigest(presented.token, record?.digest ?? noDigest)
    if (!record) return { reason: `the token ${presented.id}, which does not exist or was revoked` }
    if (!isRight) return { reason: `a wrong token with the id of ${record.name}` }
    if (this.#isExpired(record)) return { reason: `the token ${record.name} (${record.id}), which has expired` }
    this.#usedAtMs.set(record.id, this.#now())
    if (this.#now() - this.#savedAtMs > saveEveryMs) void this.save()
    return { holder: record }
  }

  /**
   * Calls `end` when a token that was accepted is revoked or expires.
   * @returns what gives that up
   */
  untilEnd({ id, expiresAtMs }: TokenRecord, end: () => void): () => void {
    const ends = this.#ends.get(id) ?? new Set()
    this.#ends.set(id, ends.add(end))
    const leftMs = expiresAtMs === null ? Infinity : expiresAtMs - this.#now()
    const timer = leftMs <= maxTimerMs ? setTimeout(end, leftMs).unref() : undefined
    return () => {
      clearTimeout(timer)
      ends.delete(end)
    }
  }

  /** Writes down when tokens were used last. Losing that is no harm. */
  async save(): Promise<void> {
    this.#savedAtMs = this.#now()
    const used = [...this.#usedAtMs].filter(([id]) => this.#records.has(id))
    if (used.length > 0)
      await this.#storage.setItem(`tokens:${usedKey}`, Object.fromEntries(used)).catch(() => undefined)
  }

  // --- internal ---

  #toRow(record: TokenRecord): TokenRow {
    const { id, name, scopes, createdAtMs, expiresAtMs } = record
    const iso = (ms: number | null | undefined) => (ms == null ? null : new Date(ms).toISOString())
    return {
      id,
      name,
      state: this.#isExpired(record) ? 'expired' : 'valid',
      scopes,
      created_at: iso(createdAtMs),
      expires_at: iso(expiresAtMs),
      last_used_at: iso(this.#usedAtMs.get(id)),
    }
  }

  #isExpired({ expiresAtMs }: TokenRecord): boolean {
    return expiresAtMs !== null && this.#now() >= expiresAtMs
  }

  #checkName({ id, name }: TokenRecord): void {
    if (!/^[\w.-]{1,64}$/.test(name))
      throw new TokenError(
        `name: expected at most 64 letters, digits, ".", "_" or "-", found ${JSON.stringify(name.slice(0, 100))}`,
      )
    const other = this.rows().find((row) => row.name === name || row.id === name)
    if (other) throw new TokenError(`name: expected a new one, found that of the token ${other.id}; revoke that first`)
    if (this.#records.has(id)) throw new TokenError('id: found one that exists by chance; try again')
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work)
    this.#last = next.catch(() => undefined)
    return next
  }
}

// --- internal ---

const usedKey = 'last-used'
const saveEveryMs = 10 * 60_000
const noDigest = '0'.repeat(64)

/** Of a later one Node makes one that rings at once. */
const maxTimerMs = 2 ** 31 - 1

/** Beyond it there are no dates. */
const maxTimeMs = 8.64e15

function isTime(time: unknown): time is number {
  return typeof time === 'number' && Math.abs(time) <= maxTimeMs
}

function problemOf(record: unknown): string {
  if (record instanceof DamagedEntry) return record.damage.reason
  return record instanceof Error ? record.message : 'it makes no sense'
}

function isRecord(value: unknown, id: string): value is TokenRecord {
  const record = value as TokenRecord | null
  if (typeof record !== 'object' || record === null || record.id !== id || typeof record.name !== 'string') return false
  try {
    parseScopes(record.scopes)
  } catch {
    return false
  }
  return (
    typeof record.digest === 'string' &&
    /^[0-9a-f]{64}$/.test(record.digest) &&
    isTime(record.createdAtMs) &&
    (record.expiresAtMs === null || isTime(record.expiresAtMs))
  )
}

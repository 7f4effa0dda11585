import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A new token, and what may be kept of it. */
export interface NewToken {
  /** Eight hex digits: names the token where it itself must not be told. */
  id: string
  /** `pellet_<id>_<64 hex digits>`: a form that secret scanners can look for. */
  token: string
  /** Hex sha256 of the whole token. */
  digest: string
}

/**
 * A token of 256 random bits. Kept is its sha256 only, without a salt and without many rounds: these make guessing dear
 * where people choose what is guessed, and nobody guesses 256 random bits.
 */
export function createToken(): NewToken {
  const id = randomBytes(4).toString('hex')
  const token = `pellet_${id}_${randomBytes(32).toString('hex')}`
  return { id, token, digest: digestOf(token).toString('hex') }
}

/** The token in an `Authorization` header, and its id; undefined where there is none of the right form. */
export function tokenIn(authorization: string | undefined): { id: string; token: string } | undefined {
  if (authorization === undefined || authorization.length > maxHeaderLength) return undefined
  const [, token, id] = pattern.exec(authorization) ?? []
  return token === undefined || id === undefined ? undefined : { id, token }
}

/** Compares in constant time. @param digest hex sha256, as kept */
export function hasDigest(token: string, digest: string): boolean {
  return timingSafeEqual(digestOf(token), Buffer.from(digest, 'hex'))
}

// --- internal ---

const pattern = /^bearer +(pellet_([0-9a-f]{8})_[0-9a-f]{64}) *$/i
const maxHeaderLength = 200

function digestOf(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}

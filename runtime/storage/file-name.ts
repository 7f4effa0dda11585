import { createHash } from 'node:crypto'

/** Most file systems end at 255 bytes. */
const maxNameLength = 200
/** So that the header of a file, which holds the key, has a bound. */
const maxKeyLength = 10_000
const hashPrefix = '%%'

/**
 * A key as a file name in one flat folder: no two keys share one (also where `A` and `a` are the same file), none is
 * `..`, hidden or a path. `a:b` becomes `a%3ab`; a name that would be too long becomes a hash.
 * @throws Error for a key that is empty, no well-formed Unicode or longer than 10,000 characters
 */
export function toFileName(key: string): string {
  if (key === '' || key.length > maxKeyLength || /\p{Surrogate}/u.test(key)) {
    const found = JSON.stringify(key.slice(0, 100))
    throw new Error(`Storage key ${found}: expected well-formed text of 1 to ${maxKeyLength} characters.`)
  }
  let name = ''
  for (const byte of Buffer.from(key)) {
    const char = String.fromCharCode(byte)
    const literal = name === '' ? /[a-z0-9_-]/ : /[a-z0-9._-]/
    name += literal.test(char) ? char : `%${byte.toString(16).padStart(2, '0')}`
  }
  return name.length <= maxNameLength ? name : `${hashPrefix}${createHash('sha256').update(key).digest('hex')}`
}

/** Is this the name of a file that only says in its header which key it belongs to? */
export function isHashed(name: string): boolean {
  return name.startsWith(hashPrefix)
}

/** The key of a file name; undefined for a hash, and for a file that `toFileName` did not name. */
export function fromFileName(name: string): string | undefined {
  try {
    const key = decodeURIComponent(name)
    return toFileName(key) === name ? key : undefined
  } catch {
    return undefined
  }
}

import { createHash } from 'node:crypto'

/** Most file systems end at 255 bytes. */
const maxNameLength = 200

/**
 * A key as a file name in one flat folder: no two keys share one (also where `A` and `a` are the same file), none is
 * `..`, hidden or a path. `a:b` becomes `a%3ab`; a name that would be too long becomes a hash.
 * @throws Error for a key that is not well-formed Unicode
 */
export function toFileName(key: string): string {
  if (key === '' || !key.isWellFormed()) {
    throw new Error(`Storage key ${JSON.stringify(key)}: expected well-formed text that is not empty.`)
  }
  let name = ''
  for (const byte of Buffer.from(key)) {
    const char = String.fromCharCode(byte)
    const literal = name === '' ? /[a-z0-9_-]/ : /[a-z0-9._-]/
    name += literal.test(char) ? char : `%${byte.toString(16).padStart(2, '0')}`
  }
  return name.length <= maxNameLength ? name : `%%${createHash('sha256').update(key).digest('hex')}`
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

import type { ManifestPath } from './issues.ts'

/**
 * Where the parts of a function file's own manifest stand in its text, from 1. It is there as a literal nearly always;
 * where it is made otherwise, nothing is said rather than something wrong.
 * @param value the manifest that came of it
 */
export function locateInSource(text: string, value: unknown) {
  const keys = Object.keys((value ?? {}) as object)
  const start = [...text.matchAll(/\bmanifest\s*:\s*(?=\{)/g)].map((found) => found.index + found[0].length)
  const literals = start.map((at) => new LiteralReader(text).read(at))
  const literal = literals.find(
    ({ entries }) => entries !== undefined && [...entries.keys()].every((key) => keys.includes(key)),
  )
  return (path: ManifestPath, part: 'key' | 'value' = 'value') => {
    if (!literal) return undefined
    let [at, node] = [literal.at, literal]
    for (const [depth, key] of path.entries()) {
      const entry = node.entries?.get(String(key))
      if (!entry) break
      node = entry.value
      at = depth === path.length - 1 && part === 'value' ? node.at : entry.at
    }
    const before = text.slice(0, at).split('\n')
    return { line: before.length, column: before.at(-1)!.length + 1 }
  }
}

// --- internal ---

/** A value in the text; an object and an array have entries, by key or index. */
interface Literal {
  at: number
  entries?: Map<string, { at: number; value: Literal }>
}

/** Reads the outline of an object literal, in one pass; what it does not know it steps over. */
class LiteralReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  read(at: number): Literal {
    this.#at = at
    return this.#value()
  }

  // --- internal ---

  #value(): Literal {
    const at = this.#at
    const closing = { '{': '}', '[': ']' }[this.#text[at] ?? '']
    const entries = closing && this.#entries(closing)
    // The rest of an expression, such as `as const`.
    this.#skipExpression()
    return { at, ...(entries && { entries }) }
  }

  #entries(closing: string): Literal['entries'] {
    const entries: Literal['entries'] = new Map()
    do {
      this.#at++
      this.#skip(space)
      const at = this.#at
      const key = closing === ']' ? [String(entries.size)] : this.#skip(keyPattern)?.slice(1).filter(Boolean)
      if (this.#text[this.#at] === closing) break
      if (key === undefined) this.#skipExpression()
      else entries.set(key[0] ?? '', { at, value: this.#value() })
    } while (this.#text[this.#at] === ',')
    // Any other than the closing bracket is none that belongs here: what follows is not read.
    this.#at = this.#text[this.#at] === closing ? this.#at + 1 : this.#text.length
    return entries
  }

  /** To the comma or bracket that ends it. */
  #skipExpression(): void {
    for (let depth = 0; this.#at < this.#text.length;) {
      if (this.#skip(space)?.[0] || this.#skip(string)) continue
      const next = this.#text[this.#at] ?? ''
      if ('([{'.includes(next)) depth++
      else if (depth === 0 && ',)]}'.includes(next)) return
      else if (')]}'.includes(next)) depth--
      this.#at++
    }
  }

  #skip(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    this.#at += found?.[0].length ?? 0
    return found
  }
}

const space = /(?:\s|\/\/.*|\/\*[^]*?\*\/)*/y
const string = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[^]|[^`\\])*`/y
const keyPattern = /(?:'([^'\n]*)'|"([^"\n]*)"|([\w$]+))\s*:\s*/y

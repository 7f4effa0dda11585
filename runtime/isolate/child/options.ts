import { z } from '#zod'
import { PelletError, type ErrorDetail } from '../../errors.ts'

/** Where an option came from. JSON keeps its types, the others bring text. */
export type OptionSource = 'body' | 'form' | 'query' | 'header'

/** Reads the options that a function's `input` names from a request. */
export interface OptionReader {
  /** Values for the options that the request may leave out. */
  defaults: Record<string, unknown>
  /**
   * The options that the request gives, checked. A body wins over the query, the query over headers.
   * @throws PelletError `invalid_option` with a detail for each option that is wrong
   */
  read(sources: [OptionSource, Record<string, unknown>][], known: Record<string, unknown>): Record<string, unknown>
  /** JSON Schema of the options as they may be sent. */
  schema: Record<string, unknown>
}

export function createOptionReader(input: z.ZodRawShape): OptionReader {
  const schema = z.toJSONSchema(z.object(input), { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>
  const properties = (schema['properties'] ?? {}) as Record<string, { type?: string }>
  const keys = Object.keys(input)
  const defaults: Record<string, unknown> = {}
  const required: string[] = []
  for (const key of keys) {
    const empty = z.safeParse(input[key]!, undefined)
    if (!empty.success) required.push(key)
    else if (empty.data !== undefined) defaults[key] = empty.data
  }

  function read(sources: [OptionSource, Record<string, unknown>][], known: Record<string, unknown>) {
    const given: Record<string, unknown> = {}
    const details: ErrorDetail[] = []
    for (const key of keys) {
      const found = sources.find(([, values]) => values[key] !== undefined)
      if (!found) {
        if (required.includes(key) && !(key in known))
          details.push({ loc: ['body', key], msg: 'expected a value, found none', type: 'missing' })
        continue
      }
      const [source, values] = found
      const value = source === 'body' ? values[key] : fromText(String(values[key]), properties[key]?.type)
      const parsed = z.safeParse(input[key]!, value)
      if (parsed.success) given[key] = parsed.data
      else {
        const loc = [source === 'form' ? 'body' : source, key]
        for (const issue of parsed.error.issues)
          details.push({ loc: [...loc, ...(issue.path as (string | number)[])], msg: issue.message, type: issue.code })
      }
    }
    if (details.length > 0) {
      const text = details.map(({ loc, msg }) => `${loc.slice(1).join('.')}: ${msg}`).join('; ')
      throw new PelletError('invalid_option', text, { details })
    }
    return given
  }
  return { defaults, read, schema }
}

// --- internal ---

/** Text of a form, query or header as the type that the option takes; what does not convert stays text and is refused. */
function fromText(text: string, type: string | undefined): unknown {
  if (type === 'number' || type === 'integer') {
    // Number('') is 0 and would pass for a value.
    const number = text.trim() === '' ? Number.NaN : Number(text)
    return Number.isNaN(number) ? text : number
  }
  if (type === 'boolean') {
    const word = text.trim().toLowerCase()
    return ['true', '1', 'yes', 'on'].includes(word) ? true : ['false', '0', 'no', 'off'].includes(word) ? false : text
  }
  if (type === 'array' || type === 'object') {
    try {
      return JSON.parse(text)
    } catch {
      return type === 'array' ? text.split(',') : text
    }
  }
  return text
}

import { z } from '#zod'
import { PelletError, type ErrorDetail } from '../../errors.ts'

/** Where an option came from. JSON keeps its types, the others bring text. */
export type OptionSource = 'body' | 'form' | 'query' | 'header'

/** Reads the options that a function's `input` names from a request. */
export interface OptionReader {
  /** Of all options. */
  names: ReadonlySet<string>
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
  const properties = (schema['properties'] ?? {}) as Record<string, JsonSchema>
  const keys = Object.keys(input)
  const types = new Map(keys.map((key) => [key, typesOf(properties[key])]))
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
      const found = sources.find(
        ([source, values]) => Object.hasOwn(values, key) && isGiven(values[key], source, input[key]!),
      )
      if (!found) {
        if (required.includes(key) && !Object.hasOwn(known, key))
          details.push({ loc: ['body', key], msg: 'expected a value, found none', type: 'missing' })
        continue
      }
      const [source, values] = found
      if (!isSmall(values[key])) {
        const msg = `expected at most ${maxValues} values in an option, found more`
        details.push({ loc: [source === 'form' ? 'body' : source, key], msg, type: 'too_big' })
        continue
      }
      const readings = source === 'body' ? [values[key]] : readingsOf(String(values[key]), types.get(key)!)
      const results = readings.map((reading) => z.safeParse(input[key]!, reading))
      const parsed = results.find(({ success }) => success) ?? results[0]!
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
  return { names: new Set(keys), defaults, read, schema }
}

// --- internal ---

interface JsonSchema {
  type?: string | string[]
  anyOf?: JsonSchema[]
  oneOf?: JsonSchema[]
}

/**
 * Clients in Python send null for what they do not give, forms and DeepStack's clients an empty field; an option that takes
 * just that is given it.
 */
function isGiven(value: unknown, source: OptionSource, schema: z.core.$ZodType): boolean {
  const isNothing = value === undefined || value === null || (value === '' && source !== 'body')
  return !isNothing || (value !== undefined && z.safeParse(schema, value).success)
}

/**
 * What an option may be made of, lists in lists and all. Each value that is wrong becomes an issue of a kilobyte: what is
 * large is input, which steps read themselves.
 */
const maxValues = 10_000
/** A longer text is no list. */
const maxListLength = 100_000

function isSmall(value: unknown): boolean {
  let count = 1
  const open = [value]
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next !== 'object' || next === null) continue
    const inner: unknown[] = Array.isArray(next) ? next : Object.values(next)
    count += inner.length
    if (count > maxValues) return false
    open.push(...inner)
  }
  return true
}

/** The JSON types that an option takes, through unions. */
function typesOf(schema: JsonSchema | undefined): Set<string> {
  const types = new Set([schema?.type ?? []].flat())
  for (const branch of [...(schema?.anyOf ?? []), ...(schema?.oneOf ?? [])])
    for (const type of typesOf(branch)) types.add(type)
  return types
}

/** Number() takes '' for 0, and hexadecimals. */
const numberPattern = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const booleans: Record<string, boolean> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false,
}

/**
 * What the text of a form, query or header may stand for, the likeliest first. What is of no type that the option takes
 * stays text, and is refused as such.
 */
function readingsOf(text: string, types: Set<string>): unknown[] {
  const word = text.trim()
  const readings: unknown[] = []
  if (types.has('string')) readings.push(text)
  if ((types.has('number') || types.has('integer')) && numberPattern.test(word)) readings.push(Number(word))
  if (types.has('boolean') && Object.hasOwn(booleans, word.toLowerCase())) readings.push(booleans[word.toLowerCase()])
  if (types.has('null') && word === 'null') readings.push(null)
  const mayBeList = text.length <= maxListLength
  if (mayBeList && (types.has('array') || types.has('object'))) {
    try {
      readings.push(JSON.parse(text))
    } catch {
      // Not JSON; a list may also be written with commas.
    }
  }
  if (mayBeList && types.has('array'))
    readings.push(text.split(',').map((item) => (numberPattern.test(item.trim()) ? Number(item) : item)))
  return readings.length > 0 ? readings : [text]
}

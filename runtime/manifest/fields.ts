import { z } from '#zod'
import {
  byteForms,
  bytesPattern,
  countForms,
  countPattern,
  durationForms,
  durationPattern,
  formatBytes,
  formatDuration,
  parseBytes,
  parseCount,
  parseDuration,
} from '../units.ts'

/*
 * The schema's building blocks. Every `error` here is what was expected, as the middle of "expected ..., found ...";
 * after a "; " it may say what to do. `findings.ts` puts the sentence together.
 */

/**
 * A key that may be left out, described for editors: its unit, and what its absence means. A string in `fallback` is
 * said as it is; `{ value }` is also given to editors as the default.
 */
export function key<Schema extends z.ZodType>(schema: Schema, about: string, fallback: string | { value: unknown }) {
  if (typeof fallback === 'string') return schema.optional().meta({ description: `${about} Default: ${fallback}.` })
  const { value } = fallback
  return schema.optional().meta({ description: `${about} Default: ${String(value)}.`, default: value })
}

/** A mapping that takes these keys and no others; the known keys travel in the message of an unknown one. */
export function mapping<Shape extends z.core.$ZodLooseShape>(shape: Shape, expected: string) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(' ') : expected),
  })
}

/** A mapping with names of one's own. */
export function namedMap<Value extends z.core.SomeType>(
  name: RegExp,
  nameExpected: string,
  value: Value,
  expected: string,
) {
  return z.record(z.string().regex(name, { error: nameExpected }), value, { error: expected })
}

export function text(expected: string, pattern?: RegExp) {
  const schema = z.string({ error: expected })
  return pattern ? schema.regex(pattern, { error: expected }) : schema.min(1, { error: expected, abort: true })
}

export function oneOf<const Words extends readonly string[]>(words: Words) {
  return z.enum(words, { error: `one of ${words.join(', ')}` })
}

export function flag() {
  return z.boolean({ error: 'true or false' })
}

export function whole(min: number, max?: number) {
  const error = max === undefined ? `a whole number of ${min} or more` : `a whole number from ${min} to ${max}`
  return z
    .int({ error })
    .min(min, { error })
    .max(max ?? Number.MAX_SAFE_INTEGER, { error })
}

/** A duration in milliseconds from `minMs` to `maxMs`, or -1 where `forever`. */
export function duration({ minMs, maxMs, forever }: { minMs: number; maxMs: number; forever: boolean }) {
  const range = forever ? '' : ` from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`
  const end = forever ? ', 0 for at once or -1 for ever' : ''
  const error = `a duration${range}, such as ${durationForms}${end}`
  return scalar(durationPattern, error, (value) => {
    const ms = parseDuration(value)
    return ms === -1 ? forever : ms >= minMs && ms <= maxMs
  })
}

export function bytes(min: number) {
  const error = `a size ${min > 1 ? `of ${formatBytes(min)} or more` : 'above 0'}, such as ${byteForms}`
  return scalar(bytesPattern, error, (value) => parseBytes(value) >= min)
}

export function count() {
  return scalar(countPattern, `a count above 0, such as ${countForms}`, (value) => parseCount(value) > 0)
}

/** For refinements over several keys: they run although one of the keys is wrong, so that all errors are told at once. */
export function whenMapping({ value }: { value: unknown }): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Options and defaults: whatever JSON can say. */
export function jsonMap(expected: string) {
  return z
    .record(z.string(), z.unknown(), { error: expected })
    .superRefine((value, context) => reportUnsafe(value, [], context))
}

/** For refinements: whatever JSON can say, at most 16 levels of it. */
export function reportUnsafe(value: unknown, path: (string | number)[], context: z.RefinementCtx): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return
  const refuse = (message: string) => void context.addIssue({ code: 'custom', path, message })
  if (path.length > 16) return refuse('at most 16 levels of lists and mappings')
  if (Array.isArray(value)) return value.forEach((item, i) => reportUnsafe(item, [...path, i], context))
  const prototype: unknown = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined
  if (prototype !== null && prototype !== Object.prototype)
    return refuse(typeof value === 'number' ? 'a finite number' : 'a value that JSON can hold')
  for (const [key, item] of Object.entries(value as object)) reportUnsafe(item, [...path, key], context)
}

// --- internal ---

function scalar(pattern: RegExp, error: string, accepts: (value: string | number) => boolean) {
  return z
    .union([z.number({ error }), z.string({ error }).regex(pattern, { error })], { error })
    .refine((value) => tried(() => accepts(value)), { error })
}

function tried(accepts: () => boolean): boolean {
  try {
    return accepts()
  } catch {
    return false
  }
}

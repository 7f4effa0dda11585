import { z } from '#zod'
import { defaults } from './defaults.ts'
import { key, mapping, oneOf, reportUnsafe, text, whenMapping, whole } from './fields.ts'
import { statusPattern } from './paths.ts'

const routeExpected =
  'GET and a path such as "GET /health": letters, digits and -._~, no parameters, no slash at the end'
const answerExpected =
  'a mapping, which is the body, or a list of cases such as [{ when: loading, code: 503, body: {} }, { body: {} }]'

/** HTTP gives these no body (RFC 9110, 15.3.5, 15.3.6, 15.4.5), and a case has one. */
const bodiless = new Set([204, 205, 304])
const code = whole(200, 599).refine((value) => !bodiless.has(value), { error: 'a status code that may have a body' })

const statusCase = mapping(
  {
    when: key(
      oneOf(['ready', 'not_ready', 'loading', 'failed']),
      'The case answers while this holds. loading: the preload runs. failed: the preload or the last load failed. not_ready: one of these. ready: neither. Not in the last case.',
      'always',
    ),
    code: key(code, 'Status code of the answer, 200 to 599.', { value: defaults.code }),
    body: key(
      z.unknown().superRefine((value, context) => reportUnsafe(value, [], context)),
      'The body: any JSON, in which `$model` and the like stand for values.',
      'none',
    ),
  },
  'a case: a mapping with body, and when and code where they are wanted',
)
  .refine(({ body }) => body !== undefined, { error: 'a case with a body, which may be any JSON', when: whenMapping })
  .meta({ required: ['body'] })

const cases = z.array(statusCase, { error: answerExpected }).min(1, { error: 'at least one case' })

const body = z
  .record(z.string(), z.unknown(), { error: answerExpected })
  .superRefine((value, context) => reportUnsafe(value, [], context))
  .refine((value) => !isCase(value), { error: 'a body; a case stands in a list, put - before it', when: whenMapping })

/** What each variable is and how the cases follow each other is left to `statusFindings`. */
export const statusMap = z.record(
  text(routeExpected, statusPattern),
  z.union([cases, body], { error: answerExpected }),
  { error: 'a mapping of routes to answers such as GET /health: { status: ok, model: $model }' },
)

export type StatusInput = z.input<typeof statusMap>

// --- internal ---

/** `{ code: 503, body: {} }` where a body was expected: hardly a body of that look. */
function isCase(value: Record<string, unknown>): boolean {
  const keys = Object.keys(value)
  return keys.length > 1 && 'body' in value && keys.every((name) => Object.hasOwn(statusCase.shape, name))
}

import type { ErrorShape } from '../manifest/manifest.ts'
import type { JsonSchema } from './route-options.ts'

const text = { type: 'string' }
const place = { type: 'array', items: { type: ['string', 'integer'] }, description: 'Where, e.g. ["body", "x", 3]' }
const details = { type: 'array', items: object({ loc: place, msg: text, type: text }) }

/** The bodies of error answers, by `errors:` in the manifest; error-body.ts writes them. */
export const errorSchemas: Record<ErrorShape, JsonSchema> = {
  pellet: object({
    error: {
      ...object({ code: text, message: text, status: { type: 'integer' }, request_id: text }, { details }),
      description: 'code is stable, message is for people',
    },
  }),
  text: object({ error: text }),
  object: object({
    error: object({ message: text, type: { enum: ['invalid_request', 'internal_error'] }, code: text }),
  }),
  detail: object({ detail: { anyOf: [text, details] } }),
  deepstack: object({ success: { const: false }, error: text }),
}

// --- internal ---

function object(required: Record<string, JsonSchema>, optional: Record<string, JsonSchema> = {}): JsonSchema {
  return { type: 'object', properties: { ...required, ...optional }, required: Object.keys(required) }
}

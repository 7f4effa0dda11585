import type { StatusBody } from '../manifest/manifest.ts'
import { toStatusParts, type StatusVariable } from '../manifest/status-variables.ts'
import type { JsonSchema } from './route-options.ts'

/** What a status body looks like once its variables are filled in. */
export function toStatusSchema(body: StatusBody): JsonSchema {
  if (typeof body === 'string') {
    const parts = toStatusParts(body)
    const [first] = parts
    if (parts.length === 1 && typeof first === 'object') return variableSchemas[first.variable as StatusVariable]
    return parts.some((part) => typeof part === 'object') ? text : { const: parts.join('') }
  }
  if (Array.isArray(body)) return { type: 'array', prefixItems: body.map(toStatusSchema) }
  if (typeof body === 'object' && body !== null) {
    const properties = Object.fromEntries(Object.entries(body).map(([key, value]) => [key, toStatusSchema(value)]))
    return { type: 'object', properties, required: Object.keys(properties) }
  }
  return { const: body }
}

// --- internal ---

const text = { type: 'string' }
const flag = { type: 'boolean' }
const count = { type: 'integer', minimum: 0 }

const variableSchemas: Record<StatusVariable, JsonSchema> = {
  name: text,
  model: text,
  engine: text,
  device: { type: ['string', 'null'] },
  version: text,
  revision: text,
  digest: text,
  digest_short: text,
  loaded: flag,
  ready: flag,
  state: { enum: ['cold', 'loading', 'ready', 'draining', 'failed'] },
  uptime_s: { type: 'number' },
  inferences: count,
  errors: count,
  last_error: { type: ['string', 'null'] },
  latency_ms: { type: ['number', 'null'] },
}

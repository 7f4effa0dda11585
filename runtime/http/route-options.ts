import type { Deployment } from '../deployments/deployment.ts'
import type { Route } from '../manifest/manifest.ts'

/** JSON Schema, draft 2020-12, as OpenAPI 3.1 takes it. */
export type JsonSchema = { [key: string]: unknown }

/** An option that a request to a route may set. */
export interface RouteOption {
  name: string
  /** With the default of this route, where there is one. */
  schema: JsonSchema
  isRequired: boolean
}

/** The options of a route, with the defaults that hold for it: the route's own go over those of its steps and the function's. */
export function optionsOf({ input }: Deployment, { pre, post, input: given }: Route): RouteOption[] {
  const properties = (input['properties'] ?? {}) as Record<string, JsonSchema>
  const required = (input['required'] ?? []) as string[]
  const defaults = Object.assign({}, ...[...pre, ...post].map(({ options }) => options), given) as JsonSchema
  return Object.entries(properties).map(([name, written]) => {
    // A reference into the function's own schema leads nowhere here.
    const schema = JSON.stringify(written).includes('"$ref"') ? {} : written
    const isGiven = Object.hasOwn(defaults, name)
    return {
      name,
      schema: isGiven ? { ...schema, default: defaults[name] } : schema,
      isRequired: required.includes(name) && !isGiven,
    }
  })
}

/** Whether a route reads a picture in the ways that are built in. */
export function takesPicture({ pre }: Route): boolean {
  return pre[0]?.step === 'image.decode'
}

/** What an option takes, for people, e.g. `number, 0 to 1` or `numpy | image | both`. */
export function describeSchema(schema: JsonSchema): string {
  const branches = (schema['anyOf'] ?? schema['oneOf']) as JsonSchema[] | undefined
  if (branches) return branches.map(describeSchema).join(' or ')
  if (Array.isArray(schema['enum'])) return schema['enum'].map((value) => toText(value)).join(' | ')
  if ('const' in schema) return toText(schema['const'])
  const type = [schema['type'] ?? 'any value'].flat().join(' or ')
  const items = schema['items'] as JsonSchema | undefined
  const what = type === 'array' && items ? `list of ${describeSchema(items)}` : type
  return [what, ...boundsOf(schema)].join(', ')
}

// --- internal ---

function toText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function boundsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string[] {
  const bounds: string[] = []
  // JavaScript's own largest and smallest integers, which zod puts in, bound nothing that people would write.
  const isBound = (value: unknown) => typeof value === 'number' && Math.abs(value) < Number.MAX_SAFE_INTEGER
  if (isBound(minimum) && isBound(maximum)) return [`${minimum} to ${maximum}`]
  if (isBound(minimum)) bounds.push(`at least ${minimum}`)
  if (isBound(exclusiveMinimum)) bounds.push(`above ${exclusiveMinimum}`)
  if (isBound(maximum)) bounds.push(`at most ${maximum}`)
  if (isBound(exclusiveMaximum)) bounds.push(`below ${exclusiveMaximum}`)
  return bounds
}

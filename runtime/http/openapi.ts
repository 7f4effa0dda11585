import { shownEngine, usedEntry, type Deployment } from '../deployments/deployment.ts'
import { errorCodes, type ErrorCode } from '../errors.ts'
import type { ErrorShape, Route, StatusRoute } from '../manifest/manifest.ts'
import { toStatus } from '../error-body.ts'
import { errorSchemas } from './error-schemas.ts'
import { acceptedResponse, batchOperations, jobsTag, preferParameter, resultOperations } from './openapi-jobs.ts'
import { optionsOf, takesPicture, type JsonSchema, type RouteOption } from './route-options.ts'
import { toStatusSchema } from './status-schema.ts'

/** A deployment and where its status routes stand: '' on its own ports, `/f/{name}` on the main one. */
export interface ApiPart {
  deployment: Deployment
  statusPrefix: string
}

/** An OpenAPI 3.1 document of deployments as they stand on one port, made of what their manifests say. */
export function toOpenApi(title: string, version: string, parts: ApiPart[]): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {}
  const shapes = new Set<ErrorShape>()
  for (const { deployment, statusPrefix } of parts) {
    const { name, manifest } = deployment
    if (manifest.routes.length > 0) shapes.add(manifest.errors)
    for (const route of manifest.routes)
      (paths[route.path] ??= {})[route.method.toLowerCase()] = {
        ...operation(name, route.method, route.path),
        ...toInference(deployment, route),
      }
    for (const route of manifest.status) {
      const path = statusPrefix + route.path
      ;(paths[path] ??= {})['get'] ??= { ...operation(name, 'GET', path), ...toStatusOperation(route) }
    }
    // Batches stand on the main port only.
    if (statusPrefix === '') continue
    for (const [path, batch] of batchOperations(deployment, errorResponses(manifest.errors, true)))
      (paths[path] ??= {})['post'] ??= batch
  }
  if (shapes.size > 0) paths['/results/{id}'] = resultOperations()
  return {
    openapi: '3.1.0',
    info: { title, version },
    servers: [{ url: '/' }],
    tags: [
      ...parts.map(({ deployment }) => ({ name: deployment.name, description: describeModel(deployment) })),
      ...(shapes.size > 0 ? [jobsTag] : []),
    ],
    // Whether one is asked for is a matter of the listener: see docs/http.md.
    security: [{}, { token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: Object.fromEntries([...shapes].map((shape) => [`error-${shape}`, errorSchemas[shape]])),
    },
  }
}

/** e.g. `scrfd_2.5g_bnkps on onnxruntime, licence MIT` */
export function describeModel(deployment: Deployment): string {
  const entry = usedEntry(deployment)
  return `${entry.name} on ${shownEngine(deployment)}${entry.license ? `, licence: ${entry.license}` : ''}`
}

// --- internal ---

const pictureTypes = ['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif', 'image/tiff']
/** Codes that only requests with pictures meet. */
const pictureCodes = new Set<ErrorCode>(['invalid_image', 'url_input_disabled', 'url_input_refused', 'image_too_large'])
/** Codes of what is no inference route. */
const otherCodes = new Set<ErrorCode>([
  'job_interrupted',
  'not_found',
  'method_not_allowed',
  'invalid_manifest',
  'not_ready',
])

function operation(name: string, method: string, path: string) {
  const id = [name, method.toLowerCase(), ...path.split(/[^A-Za-z0-9]+/).filter(Boolean)].join('_')
  return { operationId: id, summary: `${name}: ${method} ${path}`, tags: [name] }
}

function toInference(deployment: Deployment, route: Route): JsonSchema {
  const options = optionsOf(deployment, route)
  const isPicture = takesPicture(route)
  const hasBody = route.method !== 'GET' && route.method !== 'DELETE'
  // The query may carry every option, so none of them is required there: a body may have it.
  const parameters = options.map(({ name, schema, isRequired }) => ({
    name,
    in: 'query',
    required: isRequired && !hasBody,
    schema,
  }))
  return {
    parameters: [...parameters, preferParameter],
    ...(hasBody && {
      requestBody: { required: isPicture, content: isPicture ? pictureBodies(options) : bodies(options) },
    }),
    responses: {
      200: {
        description: 'The result, as JSON unless Accept asks for another type that the function offers',
        headers: { 'X-Request-Id': { schema: { type: 'string' } }, 'Server-Timing': { schema: { type: 'string' } } },
        content: { 'application/json': { schema: {} } },
      },
      202: acceptedResponse,
      ...errorResponses(deployment.manifest.errors, isPicture),
    },
  }
}

function bodies(options: RouteOption[]): JsonSchema {
  const schema = withProperties({}, options)
  return { 'application/json': { schema }, 'multipart/form-data': { schema } }
}

function pictureBodies(options: RouteOption[]): JsonSchema {
  const image = { type: 'string', contentEncoding: 'base64', description: 'The picture as base64 or a data URI' }
  const url = { type: 'string', description: 'Where the picture is, where `allow_urls` permits it' }
  const json = withProperties({ image, image_url: url }, options)
  const form = withProperties({ image: { type: 'string', contentMediaType: 'application/octet-stream' } }, options)
  return {
    'application/json': { schema: { ...json, anyOf: [{ required: ['image'] }, { required: ['image_url'] }] } },
    'multipart/form-data': { schema: { ...form, required: ['image', ...((form['required'] as string[]) ?? [])] } },
    ...Object.fromEntries(pictureTypes.map((type) => [type, { schema: { type: 'string', contentMediaType: type } }])),
  }
}

/** An object of these members and the options; what else a function reads is its own affair. */
function withProperties(members: Record<string, JsonSchema>, options: RouteOption[]): JsonSchema {
  const required = options.filter(({ isRequired }) => isRequired).map(({ name }) => name)
  const properties = { ...members, ...Object.fromEntries(options.map(({ name, schema }) => [name, schema])) }
  return { type: 'object', properties, ...(required.length > 0 && { required }) }
}

/** Every error that the route may answer, by status, in the deployment's shape. */
function errorResponses(shape: ErrorShape, isPicture: boolean): Record<string, JsonSchema> {
  const meanings = new Map<number, string[]>()
  for (const code of Object.keys(errorCodes) as ErrorCode[]) {
    if (otherCodes.has(code) || (!isPicture && pictureCodes.has(code))) continue
    const status = toStatus(errorCodes[code].status, shape)
    meanings.set(status, [...(meanings.get(status) ?? []), `${code}: ${errorCodes[code].meaning}`])
  }
  const schema = { $ref: `#/components/schemas/error-${shape}` }
  const later = { 'Retry-After': { description: 'Seconds', schema: { type: 'integer' } } }
  const entries = [...meanings].map(([status, lines]): [string, JsonSchema] => [
    String(status),
    {
      description: lines.join('\n'),
      ...((status === 429 || status === 503) && { headers: later }),
      content: { 'application/json': { schema } },
    },
  ])
  return Object.fromEntries(entries)
}

function toStatusOperation({ cases }: StatusRoute): JsonSchema {
  const byCode = new Map<number, StatusRoute['cases']>()
  for (const one of cases) byCode.set(one.code, [...(byCode.get(one.code) ?? []), one])
  const responses = [...byCode].map(([code, same]): [string, JsonSchema] => {
    const schemas = same.map(({ body }) => toStatusSchema(body))
    const description = same.map(({ when }) => (when ? `When ${when.replace('_', ' ')}` : 'Else')).join('; ')
    const schema = schemas.length === 1 ? schemas[0] : { anyOf: schemas }
    return [
      String(code),
      { description: cases.length === 1 ? 'Always' : description, content: { 'application/json': { schema } } },
    ]
  })
  return { responses: Object.fromEntries(responses) }
}

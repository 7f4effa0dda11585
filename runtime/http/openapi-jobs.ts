import type { Deployment } from '../deployments/deployment.ts'
import type { JsonSchema } from './route-options.ts'
import { batchesOf } from './route-table.ts'

/** What a caller may prefer; every inference route knows it. */
export const preferParameter: JsonSchema = {
  name: 'Prefer',
  in: 'header',
  required: false,
  description:
    'respond-async: 202 with the place of the result; with wait=N the answer itself, where it comes within N seconds',
  schema: { type: 'string' },
}

/** The answer to `Prefer: respond-async`. */
export const acceptedResponse: JsonSchema = {
  description: 'Accepted: the result will be at Location',
  headers: { Location: { schema: { type: 'string' } }, 'Retry-After': { schema: { type: 'integer' } } },
  content: {
    'application/json': { schema: { type: 'object', properties: { id: text(), state: state(), result: text() } } },
  },
}

/** `/results/{id}`, as OpenAPI operations. */
export function resultOperations(): JsonSchema {
  const parameters = [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }]
  const unknown = { description: 'not_found: no such job, or not any more' }
  return {
    get: {
      operationId: 'get_result',
      summary: 'The result of a job',
      tags: [jobsTag.name],
      parameters,
      responses: {
        202: {
          description: 'It is under way',
          headers: { 'Retry-After': { schema: { type: 'integer' } } },
          content: { 'application/json': { schema: progress() } },
        },
        default: { description: 'What the request was answered with: its status, its type, its body' },
        404: unknown,
      },
    },
    delete: {
      operationId: 'delete_result',
      summary: 'Cancels a job, or forgets its result',
      tags: [jobsTag.name],
      parameters,
      responses: { 204: { description: 'It is gone' }, 404: unknown },
    },
  }
}

export const jobsTag = { name: 'jobs', description: 'Requests whose answers are fetched later' }

/** The batches of a deployment's routes, by path. */
export function batchOperations(deployment: Deployment, errors: JsonSchema): [path: string, operation: JsonSchema][] {
  const { name } = deployment
  return batchesOf(deployment).map(({ path, batch }) => [
    path,
    {
      operationId: [name, 'post', ...path.split(/[^A-Za-z0-9]+/).filter(Boolean)].join('_'),
      summary: `${name}: many requests of ${batch.method} ${batch.path} in one`,
      tags: [name],
      parameters: [preferParameter],
      requestBody: {
        required: true,
        content: {
          'application/x-ndjson': { schema: { description: 'One JSON request per line' } },
          'multipart/form-data': {
            schema: { description: 'One file per item; text fields before the first are options for all' },
          },
        },
      },
      responses: {
        200: { description: 'One line per item, in order', content: { 'application/x-ndjson': { schema: line() } } },
        202: acceptedResponse,
        ...errors,
      },
    },
  ])
}

// --- internal ---

function text(): JsonSchema {
  return { type: 'string' }
}

function state(): JsonSchema {
  return { enum: ['waiting', 'running'] }
}

function progress(): JsonSchema {
  const items = { type: 'object', properties: { done: { type: 'integer' }, total: { type: 'integer' } } }
  const properties = {
    id: text(),
    deployment: text(),
    route: text(),
    state: state(),
    elapsed_s: { type: 'number' },
    items,
  }
  return { type: 'object', properties }
}

function line(): JsonSchema {
  const error = { type: 'object', properties: { code: text(), message: text() } }
  const properties = { index: { type: 'integer' }, status: { type: 'integer' }, answer: {}, error }
  return { type: 'object', properties, required: ['index', 'status'] }
}

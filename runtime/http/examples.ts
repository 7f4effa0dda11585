import type { Deployment } from '../deployments/deployment.ts'
import type { Route } from '../manifest/manifest.ts'
import { shellWord } from '../shell.ts'
import { optionsOf, takesPicture, type RouteOption } from './route-options.ts'

/** Calls of a route that can be pasted into a shell, where a `photo.jpg` is at hand. */
export function examplesOf(deployment: Deployment, route: Route, origin: string): string[] {
  const url = `${origin}${route.path}`
  const method = route.method === 'POST' ? '' : ` -X ${route.method}`
  const options = optionsOf(deployment, route)
  // What must be given, and one of the others to show how.
  const shown = options.filter(({ isRequired }) => isRequired)
  const other = options.find(({ schema, isRequired }) => !isRequired && exampleOf({ schema }) !== undefined)
  if (other) shown.push(other)
  if (route.method === 'GET' || route.method === 'DELETE') return [`curl${method} ${shellWord(url + toQuery(shown))}`]
  if (!takesPicture(route)) return [jsonCall(method, url, shown)]
  const fields = shown.map((option) => ` -F ${shellWord(`${option.name}=${asText(option)}`)}`).join('')
  const members = shown.map((option) => `,${JSON.stringify(option.name)}:${JSON.stringify(exampleOf(option))}`).join('')
  // Through a pipe: a picture is longer than an argument may be.
  const json = `printf ${shellWord(`{"image":"%s"${members.replaceAll('%', '%%')}}`)} "$(base64 < photo.jpg | tr -d '\\n')" |`
  return [
    `curl${method} -F image=@photo.jpg${fields} ${url}`,
    `curl${method} -H 'Content-Type: image/jpeg' --data-binary @photo.jpg ${shellWord(url + toQuery(shown))}`,
    `${json}\n  curl${method} -H 'Content-Type: application/json' --data-binary @- ${url}`,
  ]
}

// --- internal ---

function jsonCall(method: string, url: string, options: RouteOption[]): string {
  const body = JSON.stringify(Object.fromEntries(options.map((option) => [option.name, exampleOf(option)])))
  return `curl${method} -H 'Content-Type: application/json' -d ${shellWord(body)} ${url}`
}

function toQuery(options: RouteOption[]): string {
  const query = options.map((option) => `${encodeURIComponent(option.name)}=${encodeURIComponent(asText(option))}`)
  return query.length > 0 ? `?${query.join('&')}` : ''
}

/** A value that the option takes: its default, else what its schema gives away. */
function exampleOf({ schema }: Pick<RouteOption, 'schema'>): unknown {
  if (schema['default'] !== undefined) return schema['default']
  if (Array.isArray(schema['enum'])) return schema['enum'][0]
  if ('const' in schema) return schema['const']
  const type = [schema['type']].flat()[0]
  if (type === 'number' || type === 'integer') return schema['minimum'] ?? schema['maximum'] ?? 1
  return { boolean: true, string: 'text', array: [], object: {} }[String(type)]
}

function asText(option: RouteOption): string {
  const value = exampleOf(option)
  return typeof value === 'string' ? value : JSON.stringify(value ?? null)
}

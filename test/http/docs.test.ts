import { execFile, spawnSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering, colourModel, identityModel } from '../deployments/tiny.ts'
import { RunningPellet } from '../support/pellet.ts'
import { freePort } from '../support/ports.ts'
import { projectRoot } from '../support/root.ts'
import { call, callJson } from './raw.ts'

const test = suite('what Pellet says of its routes')
let pellet: RunningPellet
let alone: string

const options = `
  top: z.number().int().min(1).max(100).default(5),
  mode: z.enum(['one', 'two']).default('one'),
  limit: z.number().gt(0).optional(),
  word: z.string().default("it's <b>"),
  both: z.union([z.boolean(), z.number()]).optional(),
  any: z.array(z.string()).optional(),`

test.before(async () => {
  const port = await freePort()
  alone = `http://127.0.0.1:${port}`
  const status = `'GET /health': { ok: '$ready', "quote'": '<script>alert(1)</script>', list: [1, '$inferences'] },
    'GET /ready': [{ when: 'loading', code: 503, body: 'later' }, { when: 'failed', code: 503, body: { why: '$last_error' } }, { body: true }]`
  const picture = `
import { defineFunction, step, z } from 'pellet'
export default defineFunction({
  manifest: {
    model: { onnx: { file: 'colours.onnx', license: 'MIT <or so>' } },
    pre: ['image.decode', 'image.resize', 'tensor'],
    routes: { 'POST /v1/colours': ['answer'], 'PUT /v1/colours': { post: ['answer'], input: { top: 7 } } },
    status: { ${status} }, errors: 'deepstack', listen: ${port},
  },
  input: { ${options} },
  steps: { answer: step.outputs((out, context) => ({ options: context.options })) },
})`
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'models/colours.onnx': colourModel(),
    'functions/colours.ts': picture,
    'functions/fields.ts': answering('return { fields: request.fields, n: context.options.n }', {
      manifest: `routes: { 'POST /v1/fields': {}, 'GET /v1/fields': {} }, status: { 'GET /': { two: 2 } }`,
      input: 'n: z.number().min(2)',
    }),
  })
  copyFileSync(join(projectRoot, 'models/samples/street_1.jpg'), join(pellet.folder, 'photo.jpg'))
})
test.after(async () => {
  await pellet.stop()
})

const get = (url: string, headers: Record<string, string> = {}) => call(url, { method: 'GET', headers })

/** All of a document's references lead somewhere, and its operations are complete. */
function check(document: any): string[] {
  assert.match(document.openapi, /^3\.1\.\d$/)
  assert.ok(document.info.title && document.info.version)
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    const { $ref } = value as { $ref?: string }
    if ($ref !== undefined) {
      assert.match($ref, /^#\//)
      const parts = $ref.slice(2).split('/')
      assert.ok(
        parts.reduce((place: any, part) => place?.[part], document),
        $ref,
      )
    }
    for (const one of Object.values(value)) visit(one)
  }
  visit(document)
  const ids = new Set<string>()
  const tags = new Set(document.tags.map(({ name }: { name: string }) => name))
  return Object.entries<any>(document.paths).flatMap(([path, item]) => {
    assert.match(path, /^\//)
    return Object.entries<any>(item).map(([method, operation]) => {
      assert.ok(['get', 'post', 'put', 'patch', 'delete'].includes(method), method)
      assert.not(ids.has(operation.operationId), operation.operationId)
      ids.add(operation.operationId)
      for (const tag of operation.tags) assert.ok(tags.has(tag))
      assert.ok(Object.keys(operation.responses).length > 0)
      for (const [status, { description, content }] of Object.entries<any>(operation.responses)) {
        assert.match(status, /^(?:[1-5]\d\d|default)$/)
        assert.ok(description && Object.values<any>(content ?? {}).every(({ schema }) => schema))
      }
      for (const one of operation.parameters ?? [])
        assert.ok(one.name && one.schema && ['query', 'header', 'path'].includes(one.in))
      for (const one of Object.values<any>(operation.requestBody?.content ?? {})) assert.ok(one.schema)
      return `${method.toUpperCase()} ${path}`
    })
  })
}

test('the OpenAPI document of a deployment has its routes, options, errors and status routes', async () => {
  const { json, headers } = await get(`${alone}/openapi.json`)
  assert.is(headers['content-type'], 'application/json')
  const jobs = ['DELETE /results/{id}', 'GET /results/{id}']
  assert.equal(check(json).sort(), [
    ...jobs.slice(0, 1),
    'GET /health',
    'GET /ready',
    ...jobs.slice(1),
    'POST /v1/colours',
    'PUT /v1/colours',
  ])
  const { post, put } = json.paths['/v1/colours']
  const bodies = post.requestBody.content
  assert.ok(post.requestBody.required)
  const { top, mode, limit } = bodies['application/json'].schema.properties
  assert.equal(
    [top.default, top.minimum, top.maximum, mode.enum, limit.default],
    [5, 1, 100, ['one', 'two'], undefined],
  )
  assert.equal(bodies['application/json'].schema.anyOf, [{ required: ['image'] }, { required: ['image_url'] }])
  assert.equal(bodies['multipart/form-data'].schema.required, ['image'])
  assert.ok(bodies['image/jpeg'] && bodies['image/png'])
  assert.is(put.requestBody.content['application/json'].schema.properties.top.default, 7, "the route's own")
  const names = post.parameters.map(({ name }: { name: string }) => name)
  assert.equal(names, ['top', 'mode', 'limit', 'word', 'both', 'any', 'Prefer'])
  assert.ok(post.responses[202].headers.Location)
  for (const status of [400, 413, 422, 429, 500, 503, 504])
    assert.equal(post.responses[status].content['application/json'].schema, {
      $ref: '#/components/schemas/error-deepstack',
    })
  assert.not.ok(post.responses[415], 'these clients get a 400')
  assert.ok(post.responses[429].headers['Retry-After'])
})

test('status routes are described with the types of their variables', async () => {
  const { paths } = (await get(`${alone}/openapi.json`)).json
  const health = paths['/health'].get.responses[200].content['application/json'].schema
  assert.equal(health.properties.ok, { type: 'boolean' })
  assert.equal(health.required, ['ok', "quote'", 'list'])
  assert.equal(health.properties.list.prefixItems, [{ const: 1 }, { type: 'integer', minimum: 0 }])
  const ready = paths['/ready'].get.responses
  assert.equal(Object.keys(ready), ['200', '503'])
  assert.equal(ready[503].content['application/json'].schema.anyOf, [
    { const: 'later' },
    { type: 'object', properties: { why: { type: ['string', 'null'] } }, required: ['why'] },
  ])
})

test('on the main port the document has all deployments, as they stand there', async () => {
  const { json } = await get(`${pellet.url}/openapi.json`)
  const routes = check(json)
  for (const route of [
    'POST /v1/colours',
    'POST /v1/fields',
    'GET /v1/fields',
    'GET /f/colours/health',
    'GET /f/fields/',
    'POST /f/fields/batch',
    'POST /f/fields/v1/fields/batch',
    'POST /f/colours/batch',
    'GET /results/{id}',
  ])
    assert.ok(routes.includes(route), route)
  for (const route of routes.filter((one) => /^GET \/(?!results)/.test(one) && !one.includes('fields')))
    assert.is((await get(pellet.url + route.slice(4))).status, 200, route)
  const fields = json.paths['/v1/fields']
  assert.equal(fields.post.requestBody.content['application/json'].schema.required, ['n'])
  assert.is(fields.post.responses[413] !== undefined, true)
  assert.not.match(JSON.stringify(fields), 'invalid_image', 'it takes no picture')
  assert.is(fields.get.requestBody, undefined)
  assert.is(fields.get.parameters[0].required, true)
})

test('errors that really come have the shape that the document promises', async () => {
  const { components } = (await get(`${pellet.url}/openapi.json`)).json
  const bad = (await callJson(`${pellet.url}/v1/fields`, { n: 1 })).json
  const schema = components.schemas['error-pellet']
  assert.equal(Object.keys(bad), schema.required)
  for (const key of schema.properties.error.required) assert.ok(key in bad.error, key)
  const deepstack = (await callJson(`${alone}/v1/colours`, {})).json
  assert.equal(Object.keys(deepstack), components.schemas['error-deepstack'].required)
})

test('the page loads nothing from elsewhere, runs nothing, and takes nothing of a manifest for HTML', async () => {
  for (const base of [alone, pellet.url]) {
    const { status, headers, text } = await get(`${base}/docs`)
    assert.is(status, 200)
    assert.match(headers['content-type'] as string, 'text/html')
    assert.match(headers['content-security-policy'] as string, "default-src 'none'")
    assert.not.match(text, /<script|<img|<iframe|@import|url\(|MIT <or/i)
    for (const [, target] of text.matchAll(/(?:href|src)="([^"]*)"/g)) assert.match(target!, /^(?:\/|#|data:,)/)
    assert.match(text, 'name="viewport"')
    assert.match(text, /POST<\/span> \/v1\/colours/)
    assert.match(text, 'integer, 1 to 100')
    assert.match(text, 'one | two')
  }
  const { text } = await get(`${pellet.url}/docs`)
  assert.match(text, /GET<\/span> \/f\/colours\/health/)
  assert.match(text, 'POST /f/colours/batch')
})

test('a Host that is none does not get into the page', async () => {
  const { text } = await get(`${alone}/docs`, { host: '"><script>x' })
  assert.not.match(text, '<script>')
  assert.match(text, `${alone}/v1/colours`)
  assert.match((await get(`${alone}/docs`, { host: 'pi.local:5001' })).text, 'http://pi.local:5001/v1/colours')
})

const withCurl = spawnSync('curl', ['--version']).status === 0 ? test : test.skip
withCurl('its examples work when they are pasted into a shell', async () => {
  for (const base of [alone, pellet.url]) {
    const { text } = await get(`${base}/docs`)
    const examples = [...text.matchAll(/<pre>([^<]*)<\/pre>/g)].map(([, html]) => unescape(html!))
    assert.ok(examples.length >= 8, String(examples.length))
    for (const example of examples) {
      const { code, stdout } = await run(example.replaceAll(/\bcurl /g, 'curl -sf '))
      assert.is(code, 0, example)
      assert.ok(JSON.parse(stdout) !== undefined, example)
    }
  }
})

function unescape(html: string): string {
  return html.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
}

function run(command: string): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    execFile('sh', ['-c', command], { cwd: pellet.folder }, (error, stdout) =>
      resolve({ code: error ? Number(error.code) : 0, stdout }),
    )
  })
}

test.run()

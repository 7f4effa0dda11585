import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { formatManifestJsonSchema, toManifestJsonSchema } from '../../runtime/manifest/json-schema.ts'
import { formatIssue, valueAt } from '../../runtime/manifest/issues.ts'
import { normalizeManifest } from '../../runtime/manifest/normalize.ts'
import { readManifest } from '../../runtime/manifest/read.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'
import { statusVariables } from '../../runtime/manifest/status-variables.ts'
import { projectRoot } from '../support/root.ts'
import { brokenModel } from './broken-model.ts'
import { brokenProbe } from './broken-probe.ts'
import { brokenStatus } from './broken-status.ts'
import { broken } from './broken.ts'

interface JsonSchema {
  description?: string
  default?: unknown
  pattern?: string
  properties?: Record<string, JsonSchema>
  additionalProperties?: JsonSchema | boolean
  anyOf?: JsonSchema[]
  items?: JsonSchema
}

const example = readFileSync(join(projectRoot, 'manifests/example.yaml'), 'utf8')
const page = readFileSync(join(projectRoot, 'docs/manifest.md'), 'utf8')
const jsonSchema = toManifestJsonSchema() as JsonSchema
const keys = keysOf(jsonSchema)

const schema = suite('manifests/schema.json')

schema('is what the code says; `npm run schema` writes it', () => {
  assert.is(readFileSync(join(projectRoot, 'manifests/schema.json'), 'utf8'), formatManifestJsonSchema())
})

schema('describes every key, with its default', () => {
  assert.ok(keys.size > 40, `${keys.size} keys`)
  for (const [key, { description, default: value }] of keys) {
    assert.match(description ?? '', /^[A-Z].* Default: .+\.$/, key)
    if (value !== undefined) assert.ok(description!.endsWith(`Default: ${value}.`), key)
  }
})

schema('has patterns that editors can compile', () => {
  const patterns = [...JSON.stringify(jsonSchema).matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)]
  assert.ok(patterns.length > 5)
  for (const [, pattern] of patterns) assert.not.throws(() => new RegExp(JSON.parse(pattern!) as string, 'u'))
})

schema('accepts the example and refuses most of what the check refuses', () => {
  const validator = z.fromJSONSchema(toManifestJsonSchema() as Parameters<typeof z.fromJSONSchema>[0])
  assert.ok(validator.safeParse(readManifest('example.yaml', example).value).success)
  const rows = Object.values({ ...broken, ...brokenModel, ...brokenStatus, ...brokenProbe }).flat()
  const values = rows.map(([text]) => readManifest('f.yaml', text).value).filter((value) => value !== undefined)
  const refused = values.filter((value) => !validator.safeParse(value).success)
  assert.ok(refused.length > values.length * 0.65, `${refused.length} of ${values.length}`)
})

const documentation = suite('manifests/example.yaml and docs/manifest.md')

documentation('the example is right, and begins with the line that editors read', () => {
  assert.ok(example.startsWith('# yaml-language-server: $schema=schema.json\n'))
  const source = readManifest('manifests/example.yaml', example)
  assert.equal(source.issues.map(formatIssue), [])
  const normalized = normalizeManifest(source.value as ManifestInput, { name: 'example', written: source })
  assert.equal(normalized.issues.map(formatIssue), [])
})

documentation('the example has every key, where there is a default with it', () => {
  const { value } = readManifest('manifests/example.yaml', example)
  for (const [key, { default: fallback }] of keys) {
    const last = key.split('.').at(-1)!
    // Each stands in the place of another.
    if (key === 'route' || key === 'probe.body') {
      assert.match(example, new RegExp(`^ *# ${last}: `, 'm'))
      continue
    }
    const parts = key.startsWith('routes.{')
      ? ['routes', 'POST /v1/best', last]
      : key.startsWith('status.{')
        ? ['status', 'GET /health/ready', last === 'body' ? 1 : 0, last]
        : key.split('.')
    assert.is.not(valueAt(value, parts), undefined, key)
    if (fallback !== undefined && last !== 'code') assert.is(valueAt(value, parts), fallback, key)
  }
})

documentation('the example has a comment on every key, and its default', () => {
  const lines = example.split('\n')
  const { locate } = readManifest('manifests/example.yaml', example)
  for (const [key, { default: fallback }] of keys) {
    if (fallback === undefined || key.startsWith('status.{')) continue
    const { line } = locate(key.split('.'), 'key')!
    let first = line - 1
    while (lines[first - 1]!.trim().startsWith('#')) first--
    assert.match(lines.slice(first, line - 1).join(' '), new RegExp(`Default: ${String(fallback)}\\b`), key)
  }
})

documentation('the page lists the keys of the schema, each with its default, and no others', () => {
  const rows = new Map(
    [...page.matchAll(/^\| `([^`]+)` \| (.*?) \| .+ \|$/gm)].map(([, key, fallback]) => [key!, fallback!]),
  )
  assert.equal([...rows.keys()].sort(), [...keys.keys()].sort())
  for (const [key, { default: fallback }] of keys) {
    if (fallback !== undefined) assert.is(rows.get(key), `\`${fallback}\``, key)
  }
})

documentation('the page tells of every variable of status bodies, and of no others', () => {
  const told = [...page.matchAll(/^- (`\$.+) \(.+\): /gm)].flatMap(([, names]) => [...names!.matchAll(/`\$(\w+)`/g)])
  assert.equal(told.map(([, name]) => name).sort(), [...statusVariables].sort())
})

documentation('the manifests on the page are right', () => {
  const blocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text!)
  assert.ok(blocks.length >= 3)
  for (const block of blocks) assert.equal(readManifest('docs/manifest.md', block).issues.map(formatIssue), [])
})

schema.run()
documentation.run()

// --- internal ---

/** Keys by their dotted path; those of a chip's entry are those of `model.onnx` and left out. */
function keysOf(node: JsonSchema, prefix = ''): Map<string, JsonSchema> {
  const found = new Map<string, JsonSchema>()
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    const path = prefix + name
    found.set(path, child)
    if (prefix !== 'model.hef.') for (const [key, value] of keysOf(child, `${path}.`)) found.set(key, value)
  }
  for (const branch of node.anyOf ?? []) for (const [key, value] of keysOf(branch, prefix)) found.set(key, value)
  if ((prefix === 'routes.' || prefix === 'status.') && typeof node.additionalProperties === 'object')
    for (const [key, value] of keysOf(node.additionalProperties, `${prefix}{route}.`)) found.set(key, value)
  if (prefix.startsWith('status.{') && node.items)
    for (const [key, value] of keysOf(node.items, prefix)) found.set(key, value)
  return found
}

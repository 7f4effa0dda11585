import { z } from '#zod'
import { manifestSchema } from './schema.ts'

/**
 * The JSON Schema of what people write, for editors. Draft 7, which the YAML language server knows best. It says less
 * than the check: which routes are Pellet's own, for one, is left to `pellet validate`.
 */
export function toManifestJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(manifestSchema, {
    target: 'draft-7',
    io: 'input',
    override: ({ jsonSchema }) => {
      // zod spells out what every integer in JavaScript is; it only clutters what editors show.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
    },
  })
  const description = 'A deployment of Pellet: model, steps, routes, keep_alive and limits. See docs/manifest.md.'
  return { $schema, title: 'Pellet manifest', description, ...schema }
}

/** The text of `manifests/schema.json`. */
export function formatManifestJsonSchema(): string {
  return `${JSON.stringify(toManifestJsonSchema(), null, 2)}\n`
}

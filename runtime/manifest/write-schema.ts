/** Writes `manifests/schema.json` (`npm run schema`). Run from `dist/runtime/manifest`. */
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { formatManifestJsonSchema } from './json-schema.ts'

writeFileSync(resolve(import.meta.dirname, '../../../manifests/schema.json'), formatManifestJsonSchema())

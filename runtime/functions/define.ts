import type { z } from 'zod'
import type { ManifestInput } from '../manifest/schema.ts'
import type { Step } from '../steps/step.ts'

/** What a function file exports by default. */
export interface FunctionDefinition {
  /** Defaults for the manifest; a file in `manifests/` overrides them key by key. */
  manifest?: ManifestInput
  /** The options that a request may set, as a zod shape with defaults. Names are matched as written. */
  input?: z.ZodRawShape
  /** Steps by the name that manifests use. A name of a built-in step is refused. */
  steps?: Record<string, Step>
}

/**
 * Declares a function: `export default defineFunction({ ... })`.
 * @throws TypeError when a step was not made by `step`, or an input is no zod schema
 */
export function defineFunction(definition: FunctionDefinition): FunctionDefinition {
  for (const [name, value] of Object.entries(definition.steps ?? {})) {
    if (typeof value?.run !== 'function')
      throw new TypeError(`steps.${name}: expected a step made by step.outputs(...) or its kin, found ${typeof value}`)
  }
  for (const [name, value] of Object.entries(definition.input ?? {})) {
    if (typeof value !== 'object' || value === null || !('_zod' in value))
      throw new TypeError(`input.${name}: expected a zod schema such as z.number().default(5), found ${typeof value}`)
  }
  return definition
}

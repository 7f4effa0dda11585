import type { TensorInfo } from '../../engines/engine.ts'
import type { Draft, Task } from './draft.ts'
import { valuesText } from './model.ts'

/** `functions/NAME.ts`. */
export function functionText({ name, file, model }: Task, { summary, imports, source }: Draft): string {
  const values = `import { ${imports.values.join(', ')} } from 'pellet'`
  const types = imports.types?.length ? `\nimport type { ${imports.types.join(', ')} } from 'pellet'` : ''
  const shapes = model
    ? `The model, ${file}:${listed('takes', model.inputs)}${listed('gives', model.outputs)}`
    : `There is no model yet: it is expected in the models folder as ${file}.`
  return `${values}${types}

/**
 * ${summary}.
 *
 * ${shapes}
 *
 * The manifest, ${name}.yaml, says which model, which steps in which order, and which route.
 */
${source}
`
}

// --- internal ---

function listed(verb: string, values: readonly TensorInfo[]): string {
  return `\n * ${verb} ${values.map((value) => valuesText([value])).join(`,\n * ${' '.repeat(verb.length)} `)}`
}

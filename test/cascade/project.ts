import { answering, colourModel, identityModel } from '../deployments/tiny.ts'
import type { ProjectFiles } from '../support/pellet.ts'

/** The step `call` with its options, as a manifest in a function file has it. */
export function calling(options: Record<string, unknown>): Record<string, unknown> {
  return { call: options }
}

/**
 * A function whose post chain is `answer`, the body of an arrow function `(request, context)`, and what follows it: the
 * result of `answer` is what a `call` gets.
 */
export function cascade(answer: string, behind: unknown[], manifest = '', head = ''): string {
  return answering(answer, {
    manifest: `post: ${JSON.stringify(['answer', ...behind])}, ${manifest}`,
    head,
  })
}

/** Functions by name, on the model `identity.onnx`; `colours.onnx` says the mean of each channel of a picture of 8 x 8. */
export function cascadeProject(functions: Record<string, string>, others: ProjectFiles = {}): ProjectFiles {
  const files: ProjectFiles = {
    'models/identity.onnx': identityModel(),
    'models/colours.onnx': colourModel(),
    ...others,
  }
  for (const [name, source] of Object.entries(functions)) files[`functions/${name}.ts`] = source
  return files
}

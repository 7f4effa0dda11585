import type { Draft, Task } from './draft.ts'

export interface ManifestOptions {
  /** Where the JSON Schema for editors lies, from the manifest; undefined: nowhere. */
  schema: string | undefined
  /** Whether there is a file of labels. */
  hasLabels: boolean
}

/** `manifests/NAME.yaml`. */
export function manifestText(
  { name, file, chip, model }: Task,
  { summary, manifest }: Draft,
  { schema, hasLabels }: ManifestOptions,
): string {
  const { entry, takesLabels, classes, pre, post } = manifest
  const comment = model ? '' : '   # CHECK: there is none yet. Put it into the models folder, or write its name here.'
  const count = classes === undefined ? 'each class' : `each of the ${classes} classes`
  return [
    ...(schema === undefined ? [] : [`# yaml-language-server: $schema=${schema}`]),
    `# ${summary}.`,
    `name: ${name}`,
    `function: ${name}`,
    '',
    'model:',
    ...(chip ? hefLines(chip, file, entry) : onnxLines(file, comment, entry)),
    '',
    ...(takesLabels
      ? [
          `${hasLabels ? '' : '# '}files: { labels: ${name}.txt }   # in the models folder: a name for ${count}, a line each`,
          '',
        ]
      : []),
    `route: POST /v1/${name}`,
    `pre: ${pre}`,
    `post: ${post}`,
    'keep_alive: 5m   # how long the model stays loaded after the last request',
    '',
  ].join('\n')
}

// --- internal ---

function onnxLines(file: string, comment: string, entry: readonly string[]): string[] {
  return ['  onnx:', `    file: ${scalar(file)}${comment}`, ...entry.map((line) => `    ${line}`)]
}

function hefLines(chip: string, file: string, entry: readonly string[]): string[] {
  return [
    '  hef:',
    `    ${chip}:`,
    `      file: ${scalar(file)}`,
    ...entry.map((line) => `      ${line}`),
    '  # The same network as ONNX runs where there is no such chip: onnx: { file: NAME.onnx, mean: ..., std: ... }',
  ]
}

/** A YAML string, in quotes where it needs them. */
function scalar(text: string): string {
  return /^[A-Za-z_][\w./-]*$/.test(text) ? text : JSON.stringify(text)
}

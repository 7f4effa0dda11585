import type { Draft, Task } from './draft.ts'

export interface ManifestOptions {
  /** Where the JSON Schema for editors lies, from the manifest; undefined: nowhere. */
  schema: string | undefined
  /** Whether there is a file of labels. */
  hasLabels: boolean
}

/** `manifests/NAME.yaml`. */
export function manifestText(
  { name, file, hef, model }: Task,
  { summary, manifest }: Draft,
  { schema, hasLabels }: ManifestOptions,
): string {
  const { entry, takesLabels, classes, pre, post } = manifest
  const comment =
    model && !hef ? '' : '   # CHECK: there is none yet. Put it into the models folder, or write its name here.'
  const count = classes === undefined ? 'each class' : `each of the ${classes} classes`
  return [
    ...(schema === undefined ? [] : [`# yaml-language-server: $schema=${schema}`]),
    `# ${summary}.`,
    `name: ${name}`,
    `function: ${name}`,
    '',
    'model:',
    ...(hef
      ? [
          '  # For the NPU. This version of Pellet cannot run it yet, and takes the ONNX model below.',
          '  hef:',
          `    ${hef.chip}: ${scalar(hef.file)}`,
        ]
      : []),
    '  onnx:',
    `    file: ${scalar(file)}${comment}`,
    ...entry.map((line) => `    ${line}`),
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

/** A YAML string, in quotes where it needs them. */
function scalar(text: string): string {
  return /^[A-Za-z_][\w./-]*$/.test(text) ? text : JSON.stringify(text)
}

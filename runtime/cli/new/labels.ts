import type { ModelShape } from './model.ts'

/** Names of the classes where the model's metadata have all of them: Ultralytics' exports do, `names: {0: 'person', ...}`. */
export function labelsOf({ metadata }: ModelShape, classes: number | undefined): string[] | undefined {
  const labels: string[] = []
  for (const [, index, single, double] of (metadata['names'] ?? '').matchAll(
    /(\d+): (?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g,
  ))
    labels[Number(index)] = (single ?? double ?? '').replaceAll(/\\(.)/g, '$1')
  const isWhole = labels.length > 0 && labels.length === classes
  // oxlint-disable-next-line no-control-regex
  const isLine = (label: string | undefined) => label?.trim() && !/[\u0000-\u001f]/.test(label)
  return isWhole && Array.from(labels).every(isLine) ? labels : undefined
}

import type { HailoChip } from '../../../ffi/hef/arch.ts'
import type { ImageInput } from '../../steps/image-input.ts'
import type { ModelShape } from './model.ts'

/** What a function is written from. */
export interface Task {
  name: string
  /** The file of the model, as the manifest names it. */
  file: string
  /** What the model is compiled for; undefined: an ONNX model. */
  chip: HailoChip | undefined
  /** Undefined where there is no model yet. */
  model: ModelShape | undefined
  /** It came with Pellet: how it wants its pixels is known. */
  isStarter: boolean
}

/** What is written about one kind of function; texts end without a line break. */
export interface Draft {
  /** What it does, for the heads of the files: `What is in a picture`. */
  summary: string
  /** The function file below its imports. */
  imports: { values: string[]; types?: string[] }
  source: string
  manifest: {
    /** Keys of the model's entry below `file`, with comments. */
    entry: string[]
    /** Whether the answer names classes, and how many there are; undefined: not known. */
    takesLabels?: boolean
    classes?: number | undefined
    pre: string
    post: string
  }
  test: {
    title: string
    /** What is posted: the picture of the test, or JSON made by an expression; `example`, a short one for people to paste. */
    body: 'picture' | { json: string; example: string }
    /** Added to the path. */
    query?: string
    /** Statements that look at `answer`. */
    checks: string[]
  }
}

/** `out.logits`, or `out['input.1']` where the name is no word. */
export function member(object: string, name: string): string {
  return key(name) === name ? `${object}.${name}` : `${object}[${quoted(name)}]`
}

/** `logits`, or `'input.1'` where the name is no word. */
export function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name)
}

/** A JavaScript string as this project writes it. */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(/^"(.*)"$/, (_, inner: string) =>
    inner.includes("'") ? `"${inner}"` : `'${inner.replaceAll('\\"', '"')}'`,
  )
}

/** Lines of a manifest that say how pixels become the model's numbers. */
export function pixelLines(
  picture: ImageInput | undefined,
  { mean, std, takers, channels }: PixelScale,
  { isStarter }: Task,
): string[] {
  const isWhole = picture !== undefined && /int/.test(picture.type)
  if (isWhole) return ['# The model takes whole numbers, 0 to 255: pixels go in as they are.', ...(channels ?? [])]
  const fits = (value: number | number[]) => (Array.isArray(value) && picture?.channels === 1 ? value[0]! : value)
  const text = (value: number | number[]) => JSON.stringify(fits(value)).replaceAll(',', ', ')
  return [
    ...(isStarter
      ? ['# The model takes (pixel - mean) / std, pixels from 0 to 255.']
      : [
          `# CHECK: the model takes (pixel - mean) / std, pixels from 0 to 255. These are the numbers of ${takers};`,
          '# look up what yours was trained with.',
        ]),
    `mean: ${text(mean)}`,
    `std: ${text(std)}`,
    ...(channels ?? []),
  ]
}

export interface PixelScale {
  mean: number | number[]
  std: number | number[]
  /** What takes these numbers, e.g. `YOLOX`. */
  takers: string
  channels?: string[]
}

/** A step with options where the model leaves its picture's size open. */
export function sizedStep(step: string, picture: ImageInput | undefined, side: number, options: string[] = []): string {
  const all = [
    ...(picture && picture.width === undefined ? [`width: ${side}`] : []),
    ...(picture && picture.height === undefined ? [`height: ${side}`] : []),
    ...options,
  ]
  return all.length === 0 ? step : `{ ${step}: { ${all.join(', ')} } }`
}

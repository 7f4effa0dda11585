import type { ModelShape } from './model.ts'
import { valuesText } from './model.ts'
import { givesProbabilities, layoutOf, layouts, pictureOf, rowsOf } from './shapes.ts'

export const kinds = ['classifier', 'detector', 'embedding', 'tensor'] as const
export type Kind = (typeof kinds)[number]

/** The kind that a model's inputs and outputs speak for, and why, as a sentence's end. */
export function guessKind(model: ModelShape): { kind: Kind; why: string } {
  const picture = pictureOf(model)
  if (!picture) return { kind: 'tensor', why: `it takes no picture alone, but ${valuesText(model.inputs)}` }
  const layout = layoutOf(model, picture)
  if (layout) return { kind: 'detector', why: `it takes a picture and gives ${layouts[layout.kind]}` }
  const row = rowsOf(model)[0]
  if (!row)
    return { kind: 'tensor', why: `it gives neither a row of numbers nor boxes, but ${valuesText(model.outputs)}` }
  const { output, length } = row
  const gives = `it takes a picture and gives ${length} numbers`
  if (givesProbabilities(output)) return { kind: 'classifier', why: `${gives} that are probabilities` }
  if (isUsualDimension(length) || /embed|feature|latent/i.test(output.name))
    return { kind: 'embedding', why: `${gives}, as embeddings often have; say classifier where they are classes` }
  return { kind: 'classifier', why: `${gives}; say embedding where they are no classes` }
}

// --- internal ---

/** Vectors are as long as a power of two or three of them; numbers of classes rarely are. */
function isUsualDimension(length: number): boolean {
  let rest = length
  while (rest % 2 === 0) rest /= 2
  return length >= 64 && (rest === 1 || rest === 3)
}

import { callStep } from './call.ts'
import { imageSteps } from './image.ts'
import { outputSteps } from './outputs.ts'
import type { Step } from './step.ts'
import { tensorStep } from './tensor.ts'

export { warmUp } from './sharp.ts'

/** The steps that every manifest can name, by name. */
export const builtinSteps: Record<string, Step> = {
  ...imageSteps,
  tensor: tensorStep,
  ...outputSteps,
  call: callStep,
}

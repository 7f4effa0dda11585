import type { Hef, HefQuantization, HefTensor } from '../../ffi/hef/types.ts'
import { PelletError } from '../errors.ts'
import type { Quantisation } from '../tensor.ts'
import type { TensorInfo } from './engine.ts'

/**
 * What a model takes and gives when HailoRT runs it, as its HEF says: quantised, and with a batch of one before the shape.
 * Outputs that are boxes are packed frames: rows of `1 + 5 * boxes` floats, one for each class.
 * @param shown what messages call the file
 * @throws PelletError `load_failed` where HailoRT would want to be told more than Pellet does
 */
export function tensorsOfHef(
  { networkGroups }: Pick<Hef, 'networkGroups'>,
  shown: string,
): { inputs: TensorInfo[]; outputs: TensorInfo[] } {
  const [group] = networkGroups
  if (!group || networkGroups.length > 1) {
    const names = networkGroups.map(({ name }) => name).join(', ')
    const found = group ? `${networkGroups.length}: ${names}` : 'none'
    throw new PelletError(
      'load_failed',
      `${shown}: expected a HEF with one network group, found ${found}; compile one.`,
    )
  }
  const toInfo = (tensor: HefTensor) => toTensorInfo(tensor, shown)
  return { inputs: group.inputs.map(toInfo), outputs: group.outputs.map(toInfo) }
}

/** @throws PelletError `load_failed` for boxes with masks, whose size depends on the picture */
export function toTensorInfo({ name, type, order, shape, nms, quantization }: HefTensor, shown: string): TensorInfo {
  if (nms && !shape && order === 'HAILO_NMS_BY_CLASS')
    return { name, type, shape: [nms.classes, 1 + 5 * nms.maxBoxesPerClass] }
  if (!shape)
    throw new PelletError(
      'load_failed',
      `${shown}: "${name}": expected a tensor or boxes by class, found ${order}; Pellet does not read that. ` +
        'Compile the model without its last step, and do that in a step of the function.',
    )
  const [height, width, features] = shape
  const dims = order === 'NC' ? [1, features] : order === 'NHW' ? [1, height, width] : [1, height, width, features]
  return { name, type, shape: dims, ...(quantization && { quant: toQuantisation(quantization) }) }
}

// --- internal ---

function toQuantisation({ scales, zeroPoints }: HefQuantization): Quantisation {
  return { scale: single(scales), zeroPoint: single(zeroPoints) }
}

function single(values: readonly number[]): number | readonly number[] {
  return values.length === 1 ? values[0]! : values
}

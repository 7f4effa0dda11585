import type { HailoChip } from '../hef/arch.ts'
import { archOfWord, refusalOn } from '../hef/arch.ts'
import type { ElementType, FormatOrder } from '../hef/formats.ts'
import { HefError, readHef, type Hef, type HefNetworkGroup, type HefTensor } from '../hef/hef.ts'

/**
 * What the simulated device is told of a HEF before it loads it (describe.c has the lines): its inputs and outputs, and how
 * the outputs are filled; or with which status HailoRT would refuse it on this chip.
 */
export async function describeHef(bytes: Uint8Array, chip: HailoChip): Promise<string> {
  let hef: Hef
  try {
    hef = await readHef(bytes)
  } catch (error) {
    if (!(error instanceof HefError)) throw error
    return refuse(isHefOfToday(bytes) ? corrupted : notSupported, error.message)
  }
  if (!hef.arch.runsOn.includes(chip))
    return refuse(notCompatible, `the HEF is for ${archOfWord(hef.arch.word).name}, the device is a ${chip}`)
  const reason = refusalOn(chip, hef)
  return reason === undefined ? hef.networkGroups.map(describeGroup).join('\n') : refuse(notSupported, reason)
}

// --- internal ---

/** hailort.h: HAILO_HEF_FILE_CORRUPTED, HAILO_HEF_NOT_SUPPORTED, HAILO_HEF_NOT_COMPATIBLE_WITH_DEVICE, HAILO_NOT_IMPLEMENTED. */
const [corrupted, notSupported, notCompatible, notImplemented] = [91, 92, 93, 7]

const refuse = (status: number, message: string) => `refuse ${status} ${message.replaceAll('\n', ' ')}`

/** Its first bytes are those of a HEF with a header that HailoRT knows: then it is damaged or cut off. */
function isHefOfToday(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 8))
  return head.length === 8 && head.readUInt32BE(0) === 0x01_48_45_46 && head.readUInt32BE(4) <= 3
}

/** Pages of a Raspberry Pi 5 have so many bytes. */
const pageBytes = 16 * 1024

function describeGroup({ name, networks, inputs, outputs }: HefNetworkGroup): string {
  const unsized = outputs.find(({ frameBytes }) => frameBytes === undefined)
  if (unsized) return refuse(notImplemented, `${unsized.name} has boxes with masks, which the simulated device has not`)
  let slotBytes = 0
  const place = (tensor: HefTensor) => {
    const offset = slotBytes
    slotBytes += Math.ceil(tensor.frameBytes! / pageBytes) * pageBytes
    return { offset, tensor }
  }
  const [ins, outs] = [inputs.map(place), outputs.map(place)]
  const info = { queue: 32, slot_bytes: slotBytes, inputs: ins.map(toEdge), outputs: outs.map(toEdge) }
  return [
    `network ${name}`,
    ...(networks.length === 1 ? networks.map((network) => `alias ${network}`) : []),
    ...ins.map(({ offset, tensor }) => `in ${offset} ${tensor.frameBytes} ${tensor.name}`),
    ...outs.map(({ offset, tensor }) => `out ${offset} ${tensor.frameBytes} ${fillOf(tensor)} ${tensor.name}`),
    `slot ${slotBytes}`,
    `info ${JSON.stringify(info)}`,
  ].join('\n')
}

function fillOf({ order, type, nms }: HefTensor): string {
  if (order === 'HAILO_NMS_BY_CLASS' && nms) return `boxes:${nms.classes}:${nms.maxBoxesPerClass}`
  return type === 'float32' ? 'unit' : 'bytes'
}

/** As pn_info of pellet_npu.h has it. */
function toEdge({ offset, tensor }: { offset: number; tensor: HefTensor }) {
  const { name, frameBytes, shape = [0, 0, 0], type, order, quantization, nms } = tensor
  const { scales, zeroPoints, min, max } = quantization ?? { scales: [1], zeroPoints: [0], min: 0, max: 0 }
  return {
    name,
    offset,
    bytes: frameBytes,
    h: shape[0],
    w: shape[1],
    c: shape[2],
    type: types.indexOf(type) + 1,
    order: orders[order],
    quant: scales.map((scale, index) => [zeroPoints[index], scale, min, max]),
    ...(order === 'HAILO_NMS_BY_CLASS' &&
      nms && { nms: [nms.classes, nms.maxBoxesPerClass, nms.classes * nms.maxBoxesPerClass, 0] }),
  }
}

/** hailo_format_type_t, from 1. */
const types: ElementType[] = ['uint8', 'uint16', 'float32']

/** hailo_format_order_t. */
const orders: Record<FormatOrder, number> = {
  NHWC: 1,
  NHCW: 2,
  FCR: 3,
  F8CR: 4,
  NHW: 5,
  NC: 6,
  BAYER_RGB: 7,
  '12_BIT_BAYER_RGB': 8,
  RGB888: 10,
  NCHW: 11,
  YUY2: 12,
  NV12: 13,
  NV21: 14,
  HAILO_YYUV: 15,
  HAILO_YYVU: 16,
  I420: 18,
  HAILO_YYYYUV: 19,
  HAILO_NMS_WITH_BYTE_MASK: 20,
  HAILO_NMS_ON_CHIP: 21,
  HAILO_NMS_BY_CLASS: 22,
}

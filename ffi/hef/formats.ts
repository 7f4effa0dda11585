import { HefError } from './hef-error.ts'

/** How the elements of a tensor lie in memory, in HailoRT's words. */
export type FormatOrder =
  | 'NHWC'
  | 'NHCW'
  | 'FCR'
  | 'F8CR'
  | 'NHW'
  | 'NC'
  | 'BAYER_RGB'
  | '12_BIT_BAYER_RGB'
  | 'RGB888'
  | 'NCHW'
  | 'YUY2'
  | 'NV12'
  | 'NV21'
  | 'I420'
  | 'HAILO_YYUV'
  | 'HAILO_YYVU'
  | 'HAILO_YYYYUV'
  | 'HAILO_NMS_ON_CHIP'
  | 'HAILO_NMS_BY_CLASS'
  | 'HAILO_NMS_WITH_BYTE_MASK'

export type ElementType = 'uint8' | 'uint16' | 'float32'

export const elementBytes: Record<ElementType, number> = { uint8: 1, uint16: 2, float32: 4 }

/** The order on the chip's side, by the compiler's number. @throws HefError */
export function deviceOrder(compilerFormat: number, where: string): FormatOrder {
  const order = deviceOrders[compilerFormat]
  if (order === undefined)
    throw new HefError(`${where}: expected a format of HailoRT 4.23 or 5.2, found ${compilerFormat}`)
  return order
}

/** The order in which HailoRT takes and gives what the chip has in `order`. */
export function hostOrder(order: FormatOrder): FormatOrder {
  return hostOrders[order] ?? order
}

/** By the bytes of an element. @throws HefError */
export function elementTypeOf(bytes: number, where: string): ElementType {
  const type = ([undefined, 'uint8', 'uint16', undefined, 'float32'] as const)[bytes]
  if (type === undefined) throw new HefError(`${where}: expected elements of 1, 2 or 4 bytes, found ${bytes}`)
  return type
}

export const planeOrders: readonly FormatOrder[] = ['NV12', 'NV21', 'I420']

/** By the number in an operation's pad, which is HailoRT's own; undefined: left to HailoRT. */
export const padOrders: readonly (FormatOrder | undefined)[] = [
  undefined,
  'NHWC',
  'NHCW',
  'FCR',
  'F8CR',
  'NHW',
  'NC',
  'BAYER_RGB',
  '12_BIT_BAYER_RGB',
  undefined,
  'RGB888',
  'NCHW',
  'YUY2',
  'NV12',
  'NV21',
  'HAILO_YYUV',
  'HAILO_YYVU',
]

export const padTypes: readonly (ElementType | undefined)[] = [undefined, 'uint8', 'uint16']

// --- internal ---

const deviceOrders: Record<number, FormatOrder> = {
  0: 'NHWC',
  1: 'NHCW',
  2: 'NC',
  3: 'FCR',
  4: 'BAYER_RGB',
  5: 'NHW',
  6: 'HAILO_NMS_ON_CHIP',
  7: 'F8CR',
  8: 'RGB888',
  11: 'YUY2',
  13: 'NHWC',
  14: 'HAILO_YYUV',
  15: 'HAILO_YYVU',
  16: 'HAILO_YYYYUV',
}

const hostOrders: Partial<Record<FormatOrder, FormatOrder>> = {
  NHCW: 'NHWC',
  RGB888: 'NHWC',
  HAILO_YYUV: 'NV12',
  HAILO_YYVU: 'NV21',
  HAILO_YYYYUV: 'I420',
  HAILO_NMS_ON_CHIP: 'HAILO_NMS_BY_CLASS',
}

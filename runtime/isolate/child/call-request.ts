import { toPng8Rgb } from '../../codecs/png.ts'
import { PelletError } from '../../errors.ts'
import type { CallItem } from '../../steps/call.ts'
import type { Pixels } from '../../steps/picture.ts'
import { findImage, type FetchPicture, type ParsedRequest } from './parse.ts'

/**
 * An item of a call as the steps get it: the fields as a JSON body would have them, save that typed arrays stay what they
 * are, and `image` may also be pixels or encoded bytes. Options stand among the fields.
 */
export function toCallRequest(item: CallItem, fetchPicture: FetchPicture): ParsedRequest {
  const { image, ...rest } = item
  if (image instanceof Uint8Array) {
    const files = { image: { name: '', type: '', bytes: image } }
    const input = { fields: rest, files, image: () => findImage({ fields: rest, files }, fetchPicture) }
    return { input, options: [['body', rest]] }
  }
  if (typeof image === 'object' && image !== null) {
    const pixels = toPixels(image as Partial<Pixels>)
    return { input: { fields: rest, files: {}, pixels, image: () => toPng8Rgb(pixels) }, options: [['body', rest]] }
  }
  const input = { fields: item, files: {}, image: () => findImage({ fields: item, files: {} }, fetchPicture) }
  return { input, options: [['body', item]] }
}

// --- internal ---

function toPixels({ data, width, height }: Partial<Pixels>): Pixels {
  const isWhole = Number.isInteger(width) && Number.isInteger(height) && width! > 0 && height! > 0
  if (data instanceof Uint8Array && isWhole && data.length === width! * height! * 3)
    return { data, width: width!, height: height! }
  const found = data instanceof Uint8Array ? `${data.length} bytes for ${width} x ${height}` : 'something else'
  throw new PelletError(
    'invalid_input',
    `image: expected pixels { data, width, height } with 3 bytes for each, or encoded bytes, found ${found}`,
  )
}

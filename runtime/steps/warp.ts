import { roundHalfEven } from './float16.ts'
import type { Pixels, Rgb } from './picture.ts'
import type { Affine } from './similarity.ts'

/**
 * A picture of `width` x `height` into which `matrix` moves the points of `pixels`; where nothing comes from, there is
 * `background`. Points are pixel centres, so that the identity changes nothing. Bilinear: what
 * cv2.warpAffine(INTER_LINEAR, BORDER_CONSTANT) gives, with its positions in 32nds of a pixel (OpenCV,
 * modules/imgproc/src/imgwarp.cpp: WarpAffineInvoker, remapBilinear), since models of faces were trained on such crops.
 * @throws RangeError where the matrix cannot be inverted, or the size is not of whole pixels
 */
export function warp(
  pixels: Pixels,
  matrix: Affine,
  width: number,
  height: number,
  background: number | Rgb = 0,
): Pixels {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1)
    throw new RangeError(`warp: expected a size of whole pixels, 1 x 1 or more, found ${width} x ${height}`)
  const [a, b, tx, c, d, ty] = inverse(matrix)
  const rgb: Rgb = typeof background === 'number' ? [background, background, background] : background
  const data = new Uint8Array(width * height * 3)
  const alongX = Int32Array.from({ length: width }, (_, x) => roundHalfEven(a * x * unit))
  const alongY = Int32Array.from({ length: width }, (_, x) => roundHalfEven(c * x * unit))
  for (let y = 0; y < height; y++) {
    const startX = fixed((b * y + tx) * unit)
    const startY = fixed((d * y + ty) * unit)
    warpRow(data, y * width * 3, pixels, startX, startY, alongX, alongY, rgb)
  }
  return { data, width, height }
}

// --- internal ---

/** Positions are reckoned in 1024ths of a pixel, rounded to 32nds. */
const unit = 1024

function fixed(value: number): number {
  return Math.min(Math.max(roundHalfEven(value), -0x8000_0000), 0x7fff_ffff) + 16
}

function inverse([a, b, tx, c, d, ty]: Affine): Affine {
  const determinant = a * d - b * c
  const [p, q, r, s] = [d / determinant, -b / determinant, -c / determinant, a / determinant]
  const result: Affine = [p, q, -p * tx - q * ty, r, s, -r * tx - s * ty]
  if (!result.every(Number.isFinite))
    throw new RangeError(`warp: expected a matrix that can be inverted, found [${[a, b, tx, c, d, ty].join(', ')}]`)
  return result
}

/** One function of plain integers, which V8 compiles without checks for overflow. */
function warpRow(
  target: Uint8Array,
  start: number,
  { data, width, height }: Pixels,
  startX: number,
  startY: number,
  alongX: Int32Array,
  alongY: Int32Array,
  [red, green, blue]: Rgb,
): void {
  const { imul } = Math
  const row = width * 3
  for (let i = 0, to = start; i < alongX.length; i++, to += 3) {
    const x32 = (startX + alongX[i]!) >> 5
    const y32 = (startY + alongY[i]!) >> 5
    const x = x32 >> 5
    const y = y32 >> 5
    const right = x32 & 31
    const lower = y32 & 31
    if (x >= width || x < -1 || y >= height || y < -1) {
      target[to] = red
      target[to + 1] = green
      target[to + 2] = blue
      continue
    }
    const w00 = imul(32 - right, 32 - lower)
    const w10 = imul(right, 32 - lower)
    const w01 = imul(32 - right, lower)
    const w11 = imul(right, lower)
    const at = imul(y, row) + imul(x, 3)
    if (x >= 0 && x < width - 1 && y >= 0 && y < height - 1) {
      const below = at + row
      target[to] =
        (imul(data[at]!, w00) +
          imul(data[at + 3]!, w10) +
          imul(data[below]!, w01) +
          imul(data[below + 3]!, w11) +
          512) >>
        10
      target[to + 1] =
        (imul(data[at + 1]!, w00) +
          imul(data[at + 4]!, w10) +
          imul(data[below + 1]!, w01) +
          imul(data[below + 4]!, w11) +
          512) >>
        10
      target[to + 2] =
        (imul(data[at + 2]!, w00) +
          imul(data[at + 5]!, w10) +
          imul(data[below + 2]!, w01) +
          imul(data[below + 5]!, w11) +
          512) >>
        10
      continue
    }
    // At the edge, neighbours outside are background.
    const [hasLeft, hasRight, hasUpper, hasLower] = [x >= 0, x < width - 1, y >= 0, y < height - 1]
    for (let channel = 0; channel < 3; channel++) {
      const border = channel === 0 ? red : channel === 1 ? green : blue
      const from = at + channel
      const v00 = hasLeft && hasUpper ? data[from]! : border
      const v10 = hasRight && hasUpper ? data[from + 3]! : border
      const v01 = hasLeft && hasLower ? data[from + row]! : border
      const v11 = hasRight && hasLower ? data[from + row + 3]! : border
      target[to + channel] = (imul(v00, w00) + imul(v10, w10) + imul(v01, w01) + imul(v11, w11) + 512) >> 10
    }
  }
}

import { rasterOf, type Raster } from './raster.ts'

/**
 * Enlarges with the cubic convolution of Keys (1981) with a = -0.5 (Catmull-Rom), edges repeated: what libvips's kernels all
 * come down to when they enlarge. Not left to libvips, since its result is displaced by half a pixel (8.18, resize.c:
 * the affine transform is given `idx` 0.5 and no `odx`), and boxes and landmarks with it.
 */
export function enlarge(source: Raster, width: number, height: number): Raster {
  const columns = cubicTaps(source.width, width)
  const rows = cubicTaps(source.height, height)
  const rowLength = width * 3
  const wide = new Float32Array(source.height * rowLength)
  for (let y = 0, to = 0; y < source.height; y++) {
    const start = source.offset + y * source.yStep
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++, to++) {
        let sum = 0
        for (let tap = x * 4; tap < x * 4 + 4; tap++)
          sum += source.data[start + columns.at[tap]! * source.xStep + channel]! * columns.weight[tap]!
        wide[to] = sum
      }
    }
  }
  // Clamped and rounded when it is stored.
  const data = new Uint8ClampedArray(height * rowLength)
  for (let y = 0, to = 0; y < height; y++) {
    const [a, b, c, d] = [0, 1, 2, 3].map((tap) => rows.at[y * 4 + tap]! * rowLength) as [
      number,
      number,
      number,
      number,
    ]
    const [p, q, r, s] = rows.weight.subarray(y * 4, y * 4 + 4) as unknown as [number, number, number, number]
    for (let i = 0; i < rowLength; i++, to++)
      data[to] = wide[a + i]! * p + wide[b + i]! * q + wide[c + i]! * r + wide[d + i]! * s
  }
  return rasterOf({ data: new Uint8Array(data.buffer), width, height })
}

// --- internal ---

/** The four neighbours of each new pixel's centre, and their weights. */
function cubicTaps(from: number, to: number): { at: Int32Array; weight: Float64Array } {
  const at = new Int32Array(to * 4)
  const weight = new Float64Array(to * 4)
  for (let i = 0; i < to; i++) {
    const center = ((i + 0.5) * from) / to - 0.5
    const floor = Math.floor(center)
    for (let tap = 0; tap < 4; tap++) {
      const neighbour = floor - 1 + tap
      at[i * 4 + tap] = Math.min(Math.max(neighbour, 0), from - 1)
      weight[i * 4 + tap] = keys(Math.abs(center - neighbour))
    }
  }
  return { at, weight }
}

function keys(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
}

import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { colorize, colormapNames, type ColormapName } from '../../runtime/codecs/colormap.ts'

const colormap = suite('colormap')

/** The value of each of the 256 colours: matplotlib takes the part of the range in which a value lies. */
const levels = Float32Array.from({ length: 256 }, (_, i) => i / 256)

/** `colormaps[name](range(256), bytes=True)[:, :3]` of matplotlib 3.11.2: its sha256, and eight of its colours. */
const matplotlib: Record<ColormapName, { sha256: string; colors: number[][] }> = {
  viridis: {
    sha256: '96a1f6f37d4041f953def955ffb8b9ea2110a9b4e3c9b701182d48f7a9774c58',
    colors: [
      [68, 1, 84],
      [68, 2, 85],
      [58, 82, 139],
      [32, 143, 140],
      [32, 144, 140],
      [94, 201, 97],
      [250, 230, 34],
      [253, 231, 36],
    ],
  },
  plasma: {
    sha256: '3c079586af5e937166b831cf38703adbeb1198aa6bb3f176495e231423a3c14c',
    colors: [
      [12, 7, 134],
      [16, 7, 135],
      [126, 3, 167],
      [202, 70, 120],
      [203, 71, 119],
      [248, 149, 64],
      [240, 246, 35],
      [239, 248, 33],
    ],
  },
  magma: {
    sha256: 'e2e7c21b2cdebd6f55d07fae05ea13bb4b4f0908509892384b87c747b9f319f6',
    colors: [
      [0, 0, 3],
      [0, 0, 4],
      [80, 18, 123],
      [181, 54, 121],
      [182, 54, 121],
      [251, 136, 97],
      [251, 250, 189],
      [251, 252, 191],
    ],
  },
  turbo: {
    sha256: '8f5d5edf6af4af0550fd7189cf2626a96a084c245b8aefc59835ba5ab66c3f11',
    colors: [
      [48, 18, 59],
      [49, 21, 66],
      [40, 187, 235],
      [161, 252, 61],
      [164, 252, 59],
      [250, 125, 32],
      [125, 5, 2],
      [122, 4, 2],
    ],
  },
  jet: {
    sha256: 'c1b7b97444ebebfc30a590ce3eada7cffefb868960c6c39fd4ed1ff7a40712e9',
    colors: [
      [0, 0, 127],
      [0, 0, 132],
      [0, 128, 255],
      [121, 255, 125],
      [124, 255, 121],
      [255, 148, 0],
      [132, 0, 0],
      [127, 0, 0],
    ],
  },
}

colormap('has the five that clients know, in the order of the contract', () => {
  assert.equal(colormapNames, ['viridis', 'plasma', 'magma', 'turbo', 'jet'])
})

for (const [name, { sha256, colors }] of Object.entries(matplotlib) as [ColormapName, (typeof matplotlib)['jet']][]) {
  colormap(`${name} has matplotlib's bytes`, () => {
    const pixels = colorsOf(levels, name)
    assert.equal(
      [0, 1, 64, 127, 128, 192, 254, 255].map((i) => pixels[i]),
      colors,
    )
    assert.is(createHash('sha256').update(Uint8Array.from(pixels.flat())).digest('hex'), sha256)
  })
}

colormap('cuts the range into 256 parts, and takes the end colours beyond it', () => {
  const table = colorsOf(levels, 'turbo')
  const beside = Float32Array.of(-1e9, -1e-9, 0, 0.0039062498, 0.00390625, 0.5, 0.99999994, 1, 1.5, Infinity, -Infinity)
  const expected = [0, 0, 0, 0, 1, 128, 255, 255, 255, 255, 0].map((i) => table[i])
  assert.equal(colorsOf(beside, 'turbo'), expected)
})

colormap('NaN is black, wherever it stands among four', () => {
  for (let at = 0; at < 7; at++) {
    const values = new Float32Array(7).fill(1)
    values[at] = NaN
    const expected = Array.from({ length: 7 }, (_, i) => (i === at ? [0, 0, 0] : [253, 231, 36]))
    assert.equal(colorsOf(values, 'viridis'), expected)
  }
})

colormap('colours maps whose pixels are no multiple of four', () => {
  for (const length of [1, 2, 3, 4, 5, 9]) {
    const values = levels.slice(100, 100 + length)
    assert.equal(colorsOf(values, 'magma'), colorsOf(levels, 'magma').slice(100, 100 + length))
  }
})

colormap('takes the range of the values, and the first colour where that is empty', () => {
  const table = colorsOf(levels, 'plasma')
  const map = { data: Float32Array.of(10, 15, 20, 25), width: 2, height: 2 }
  assert.equal(
    toTriples(colorize(map, 'plasma', { min: 10, max: 20 }).data),
    [0, 128, 255, 255].map((i) => table[i]),
  )
  assert.equal(
    toTriples(colorize(map, 'plasma', { min: 10, max: 10 }).data),
    [0, 0, 0, 0].map((i) => table[i]),
  )
})

colormap.run()

// --- internal ---

function colorsOf(data: Float32Array, name: ColormapName): number[][] {
  const pixels = colorize({ data, width: data.length, height: 1 }, name)
  assert.is(pixels.data.length, data.length * 3)
  return toTriples(pixels.data)
}

function toTriples(bytes: Uint8Array): number[][] {
  return Array.from({ length: bytes.length / 3 }, (_, i) => [...bytes.subarray(i * 3, i * 3 + 3)])
}

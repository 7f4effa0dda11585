import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { normalizeMap, quantizeMap, resizeMap, type FloatMap, type MapRegion } from '../../runtime/codecs/map.ts'

const map = suite('map')

map('resizes as cv2.resize(INTER_LINEAR) of OpenCV 5.0 does', () => {
  const small = mapOf(3, [0, 10, -5, 2, 7.5, 100])
  const larger = [
    [0.0, 1.4285714626312256, 5.714285850524902, 10.0, 3.5714285373687744, -2.857142925262451, -5.0],
    [0.20000000298023224, 1.5642857551574707, 5.6571431159973145, 9.75, 7.9285712242126465, 6.107142448425293, 5.5],
    [1.0, 2.107142925262451, 5.428571701049805, 8.75, 25.357141494750977, 41.96428298950195, 47.5],
    [1.7999999523162842, 2.6500000953674316, 5.199999809265137, 7.75, 42.785709381103516, 77.82141876220703, 89.5],
    [2.0, 2.7857143878936768, 5.142857074737549, 7.5, 47.14285659790039, 86.78571319580078, 100.0],
  ]
  assertNear(resizeMap(small, 7, 5).data, larger.flat(), 1e-5)

  const squares = mapOf(
    6,
    Array.from({ length: 30 }, (_, i) => i * i),
  )
  const smaller = [29.5, 46.0, 67.0, 92.5, 397.0, 458.5, 524.5, 595.0]
  assertNear(resizeMap(squares, 4, 2).data, smaller, 1e-5)
})

map('resizes by hand', () => {
  assert.equal([...resizeMap(mapOf(2, [0, 1]), 4, 1).data], [0, 0.25, 0.75, 1])
  assert.equal([...resizeMap(mapOf(1, [0, 1]), 1, 4).data], [0, 0.25, 0.75, 1])
  assert.equal([...resizeMap(mapOf(4, [1, 3, 10, 20]), 2, 1).data], [2, 15])
  assert.equal([...resizeMap(mapOf(2, [0, 4, 8, 12]), 1, 1).data], [6])
  assert.equal([...resizeMap(mapOf(1, [7]), 3, 2).data], [7, 7, 7, 7, 7, 7])
})

map('resizes as the definition says, at any size', () => {
  const random = noise(23)
  for (const [width, height, toWidth, toHeight] of [
    [5, 7, 13, 3],
    [17, 4, 5, 40],
    [32, 32, 31, 33],
    [8, 6, 64, 48],
    [9, 9, 1, 1],
  ] as const) {
    const source = mapOf(width, Array.from({ length: width * height }, random))
    assertNear(resizeMap(source, toWidth, toHeight).data, naive(source, toWidth, toHeight), 1e-6)
    const region = { left: -1.25, top: 0.5, width: width + 0.75, height: height - 2.5 }
    assertNear(resizeMap(source, toWidth, toHeight, region).data, naive(source, toWidth, toHeight, region), 1e-6)
  }
})

map('a constant stays constant, and its range is exact', () => {
  for (const value of [0.1, -3.3, 1e-30, 111.1]) {
    const { data, range } = resizeMap(
      mapOf(
        4,
        Array.from({ length: 12 }, () => value),
      ),
      37,
      19,
    )
    assert.ok(data.every((found) => found === Math.fround(value)))
    assert.equal(range, { min: Math.fround(value), max: Math.fround(value) })
  }
})

map('the range is that of the values', () => {
  const random = noise(5)
  const { data, range } = resizeMap(mapOf(16, Array.from({ length: 160 }, random)), 99, 41)
  assert.equal(range, { min: Math.min(...data), max: Math.max(...data) })
})

map('the same size gives an equal map in other memory', () => {
  const source = mapOf(3, [1, 2, 3, 4, 5, 6])
  const same = resizeMap(source, 3, 2)
  assert.equal(same.data, source.data)
  same.data[0] = 9
  assert.is(source.data[0], 1)
})

map('a region shows the picture inside a letterbox', () => {
  const padded = mapOf(4, [9, 9, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9])
  const shown = resizeMap(padded, 4, 2, { left: 0, top: 1, width: 4, height: 2 })
  assert.equal([...shown.data], [1, 2, 3, 4, 5, 6, 7, 8])
})

map('normalising brings the range to 0 and 1 exactly, and cuts what lies beyond', () => {
  const exact = mapOf(4, [0.3, 0.1, 0.7, 0.2])
  normalizeMap(exact, { min: Math.fround(0.1), max: Math.fround(0.7) })
  assert.is(exact.data[1], 0)
  assert.is(exact.data[2], 1)
  assertNear(exact.data, [1 / 3, 0, 1, 1 / 6], 1e-6)

  const cut = mapOf(5, [-10, 5, 10, 15, 300])
  normalizeMap(cut, { min: 5, max: 15 })
  assert.equal([...cut.data], [0, 0, 0.5, 1, 1])

  const flat = mapOf(2, [3, 3])
  normalizeMap(flat, { min: 3, max: 3 })
  assert.equal([...flat.data], [0, 0])
})

map('quantising rounds to the nearest of 65,536 levels', () => {
  const levels = mapOf(6, [0, 1, 0.5, 1 / 65_535, 1.4 / 65_535, 1.6 / 65_535])
  assert.equal([...quantizeMap(levels)], [0, 65_535, 32_768, 1, 1, 2])
  assert.equal([...quantizeMap(mapOf(4, [2, 4, 6, 8]), { min: 4, max: 6 })], [0, 0, 65_535, 65_535])
  assert.equal([...quantizeMap(mapOf(2, [2, 2]), { min: 2, max: 2 })], [0, 0])
})

map.run()

// --- internal ---

function mapOf(width: number, values: number[]): FloatMap {
  return { data: Float32Array.from(values), width, height: values.length / width }
}

function noise(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
}

/** Four neighbours, each with its weight, for every pixel anew. */
function naive(
  { data, width, height }: FloatMap,
  toWidth: number,
  toHeight: number,
  region: MapRegion = { left: 0, top: 0, width, height },
): number[] {
  const at = (x: number, y: number) =>
    data[Math.min(Math.max(y, 0), height - 1) * width + Math.min(Math.max(x, 0), width - 1)]!
  const values: number[] = []
  for (let row = 0; row < toHeight; row++) {
    for (let column = 0; column < toWidth; column++) {
      const x = region.left + ((column + 0.5) / toWidth) * region.width - 0.5
      const y = region.top + ((row + 0.5) / toHeight) * region.height - 0.5
      const left = Math.floor(x)
      const top = Math.floor(y)
      const right = x - left
      const bottom = y - top
      values.push(
        at(left, top) * (1 - right) * (1 - bottom) +
          at(left + 1, top) * right * (1 - bottom) +
          at(left, top + 1) * (1 - right) * bottom +
          at(left + 1, top + 1) * right * bottom,
      )
    }
  }
  return values
}

function assertNear(found: ArrayLike<number>, expected: ArrayLike<number>, within: number): void {
  assert.is(found.length, expected.length)
  for (let i = 0; i < found.length; i++)
    assert.ok(Math.abs(found[i]! - expected[i]!) <= within, `[${i}]: expected ${expected[i]}, found ${found[i]}`)
}

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { similarity, type Affine } from '../../runtime/steps/similarity.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { distance } from './fixture-steps.ts'

const fit = suite('similarity')
const face = [38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655, 70.7299, 92.2041]

function mapped([a, b, tx, c, d, ty]: Affine, points: ArrayLike<number>): number[] {
  const result: number[] = []
  for (let i = 0; i < points.length; i += 2)
    result.push(a * points[i]! + b * points[i + 1]! + tx, c * points[i]! + d * points[i + 1]! + ty)
  return result
}

function turn(scale: number, degrees: number, tx: number, ty: number): Affine {
  const [c, s] = [scale * Math.cos((degrees * Math.PI) / 180), scale * Math.sin((degrees * Math.PI) / 180)]
  return [c, -s, tx, s, c, ty]
}

const errorOf = (matrix: Affine, from: number[], to: number[]) =>
  mapped(matrix, from).reduce((sum, value, i) => sum + (value - to[i]!) ** 2, 0)

fit('turns, scales and shifts are found again, far from the origin too', () => {
  for (const matrix of [turn(1, 0, 0, 0), turn(2.5, 90, 10, -4), turn(0.01, -135, 1e5, 1e5), turn(30, 179, -7, 0)]) {
    const found = similarity(face, mapped(matrix, face))
    assert.ok(distance(found, matrix) < 1e-9 * Math.max(1, ...matrix.map(Math.abs)), `${found}`)
  }
  assert.equal(similarity(Float32Array.of(1, 2), [4, 8]), [1, 0, 3, 0, 1, 6])
  assert.equal(similarity([0, 0, 2, 0], [1, 1, 1, 5]), [0, -2, 1, 2, 0, 1])
})

fit('no other similarity brings the points nearer', () => {
  const to = face.map((value, i) => value * 0.5 + ((i * 7) % 5) * 3)
  const best = similarity(face, to)
  const least = errorOf(best, face, to)
  for (let i = 0; i < 6; i++) {
    for (const by of [-1e-3, 1e-3]) {
      const [a, , tx, c, , ty] = best
      const other: Affine = [
        [a + by, -c, tx, c, a + by, ty],
        [a, -c - by, tx, c + by, a, ty],
        [a, -c, tx + by, c, a, ty],
        [a, -c, tx, c, a, ty + by],
      ][i % 4] as unknown as Affine
      assert.ok(errorOf(other, face, to) > least)
    }
  }
})

fit('mirrored points are not mirrored back', () => {
  const mirrored = face.map((value, i) => (i % 2 === 0 ? 112 - value : value))
  const [a, b, , c, d] = similarity(mirrored, face)
  assert.ok(a * d - b * c > 0)
  assert.is(a, d)
  assert.is(b, -c)
})

fit('points that are all one are shifted only', () => {
  assert.equal(similarity([5, 6, 5, 6, 5, 6], [1, 1, 2, 2, 3, 3]), [1, -0, -3, 0, 1, -4])
})

fit('points that do not fit are refused', () => {
  for (const [from, to] of [
    [[], []],
    [[1], [1]],
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
    [
      [1, 2, 3, 4],
      [1, 2],
    ],
  ] as const)
    assert.throws(() => similarity(from, to), /expected two lists of as many points, x and y for each, found \d and \d/)
  assert.throws(() => similarity([1, NaN], [1, 2]), /expected finite coordinates/)
  assert.throws(() => similarity([1, 2], [Infinity, 2]), /expected finite coordinates/)
})

testWithShared(fit, 'faces of the reference get the matrices of the reference', () => {
  const truth = JSON.parse(readFileSync(sharedData('truth/recognition.json')!, 'utf8')) as {
    images: Record<string, { kps: [number, number][]; affine_2x3: [number[], number[]] }>
  }
  assert.is(Object.keys(truth.images).length, 6)
  for (const [name, { kps, affine_2x3 }] of Object.entries(truth.images)) {
    const points = kps.flat()
    const found = mapped(similarity(points, face), points)
    // The reference's points were rounded to 3 decimals when they were written down.
    assert.ok(distance(found, mapped(affine_2x3.flat() as unknown as Affine, points)) < 2e-3, name)
  }
})

fit.run()

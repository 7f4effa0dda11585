/**
 * An affine map of points: x' = a x + b y + tx, y' = c x + d y + ty; the rows of the 2 x 3 matrix that OpenCV takes.
 */
export type Affine = readonly [a: number, b: number, tx: number, c: number, d: number, ty: number]

/**
 * The similarity (turn, scale and shift, never a reflection) that brings the points `from` nearest to the points `to`, by
 * least squares: Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991), whose
 * solution in the plane needs no SVD. Points as x0, y0, x1, y1, ...; both lists in the same order.
 *
 * Where all points of `from` are one point, every turn and scale fits equally well; then the shift alone is given.
 * @throws RangeError unless both lists hold the same number of points, 1 or more, all finite
 */
export function similarity(from: ArrayLike<number>, to: ArrayLike<number>): Affine {
  const { length } = from
  if (length !== to.length || length < 2 || length % 2 !== 0)
    throw new RangeError(
      `similarity: expected two lists of as many points, x and y for each, found ${length} and ${to.length} numbers`,
    )
  const [fromX, fromY] = centreOf(from)
  const [toX, toY] = centreOf(to)
  // With points as complex numbers around their centres, to = factor * from; the factor by linear regression.
  let real = 0
  let imaginary = 0
  let spread = 0
  for (let i = 0; i < length; i += 2) {
    const x = from[i]! - fromX
    const y = from[i + 1]! - fromY
    const u = to[i]! - toX
    const v = to[i + 1]! - toY
    real += x * u + y * v
    imaginary += x * v - y * u
    spread += x * x + y * y
  }
  if (!Number.isFinite(real + imaginary + spread))
    throw new RangeError('similarity: expected finite coordinates, found others')
  const a = spread > 0 ? real / spread : 1
  const c = spread > 0 ? imaginary / spread : 0
  return [a, -c, toX - a * fromX + c * fromY, c, a, toY - c * fromX - a * fromY]
}

// --- internal ---

function centreOf(points: ArrayLike<number>): [x: number, y: number] {
  let x = 0
  let y = 0
  for (let i = 0; i < points.length; i += 2) {
    x += points[i]!
    y += points[i + 1]!
  }
  const count = points.length / 2
  return [x / count, y / count]
}

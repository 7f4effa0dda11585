import type { Picture } from './picture.ts'

/**
 * Where a picture's points lie in its source: source = scale * point + offset, along each axis. Points are continuous,
 * (0, 0) being the upper left corner of the upper left pixel, (width, height) the lower right corner of the last one.
 */
export interface Geometry {
  scaleX: number
  scaleY: number
  offsetX: number
  offsetY: number
}

export const identity: Geometry = { scaleX: 1, scaleY: 1, offsetX: 0, offsetY: 0 }

export function mapPoint(geometry: Geometry, x: number, y: number): [x: number, y: number] {
  return [geometry.scaleX * x + geometry.offsetX, geometry.scaleY * y + geometry.offsetY]
}

/** The geometry of a part that begins at (left, top). */
export function shifted(geometry: Geometry, left: number, top: number): Geometry {
  const [offsetX, offsetY] = mapPoint(geometry, left, top)
  return { ...geometry, offsetX, offsetY }
}

/** The geometry after the picture was made `x` times as wide and `y` times as high. */
export function scaled(geometry: Geometry, x: number, y: number): Geometry {
  return { ...geometry, scaleX: geometry.scaleX / x, scaleY: geometry.scaleY / y }
}

/**
 * A box of the picture that the model saw, as [left, top, right, bottom], in pixels of the picture that was posted, clipped
 * to it: `boxToSource(context.input, box)`. For points there is `picture.toSource`.
 */
export function boxToSource(
  picture: Picture,
  box: ArrayLike<number>,
): [left: number, top: number, right: number, bottom: number] {
  const { width, height } = picture.source
  const [left, top] = picture.toSource(box[0]!, box[1]!)
  const [right, bottom] = picture.toSource(box[2]!, box[3]!)
  const clip = (at: number, size: number) => Math.min(Math.max(at, 0), size)
  return [clip(left, width), clip(top, height), clip(right, width), clip(bottom, height)]
}

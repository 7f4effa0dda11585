export interface NmsOptions {
  /** Of two boxes that overlap more than this (intersection over union, 0 to 1), the one of the lower score goes. */
  iou: number
  /** Stops once so many are kept. */
  limit?: number
  /** A number for each box; boxes of different classes leave each other alone. */
  classes?: ArrayLike<number>
}

/**
 * Greedy non-maximum suppression: the indices of the boxes that stay, by falling score; of equal scores the lower index comes
 * first. `boxes` holds four numbers for each score: left, top, right, bottom, as continuous coordinates, so that a box is
 * right - left wide. Boxes without area overlap nothing. NaN, in score or box, is never kept.
 *
 * Give it what passed a threshold: 500 boxes of which 150 stay cost some 0.1 ms. Without threshold and limit, the cost grows
 * with boxes times boxes kept.
 * @throws RangeError where lengths or options do not fit
 */
export function nms(
  boxes: ArrayLike<number>,
  scores: ArrayLike<number>,
  { iou, limit = Infinity, classes }: NmsOptions,
): number[] {
  const count = scores.length
  if (boxes.length !== count * 4)
    throw new RangeError(`nms: expected 4 numbers in boxes for each of ${count} scores, found ${boxes.length}`)
  if (classes && classes.length !== count)
    throw new RangeError(`nms: expected as many classes as scores, ${count}, found ${classes.length}`)
  if (!(iou >= 0 && iou <= 1)) throw new RangeError(`nms: expected iou as a number from 0 to 1, found ${iou}`)
  if (!(limit >= 0)) throw new RangeError(`nms: expected limit as a number of boxes from 0, found ${limit}`)

  const order = byFallingScore(boxes, scores)
  const kept: number[] = []
  const known = new Float64Array(order.length * 5)
  let end = 0
  for (const index of order) {
    if (kept.length >= limit) break
    const at = index * 4
    const left = boxes[at]!
    const top = boxes[at + 1]!
    const right = boxes[at + 2]!
    const bottom = boxes[at + 3]!
    const area = Math.max(0, right - left) * Math.max(0, bottom - top)
    if (isCovered(known, end, left, top, right, bottom, area, iou, classes && { classes, kept, of: classes[index]! }))
      continue
    kept.push(index)
    known[end++] = left
    known[end++] = top
    known[end++] = right
    known[end++] = bottom
    known[end++] = area
  }
  return kept
}

// --- internal ---

function byFallingScore(boxes: ArrayLike<number>, scores: ArrayLike<number>): Uint32Array {
  const order = new Uint32Array(scores.length)
  let count = 0
  for (let i = 0; i < scores.length; i++) {
    // A sum is NaN where any part is; infinities of different signs make NaN too, and mean nothing either.
    const sum = scores[i]! + boxes[i * 4]! + boxes[i * 4 + 1]! + boxes[i * 4 + 2]! + boxes[i * 4 + 3]!
    if (!Number.isNaN(sum)) order[count++] = i
  }
  return order.subarray(0, count).sort((a, b) => scores[b]! - scores[a]! || a - b)
}

/** Whether one of the boxes kept, five numbers each up to `end`, overlaps this one by more than `iou`. */
function isCovered(
  known: Float64Array,
  end: number,
  left: number,
  top: number,
  right: number,
  bottom: number,
  area: number,
  iou: number,
  only: { classes: ArrayLike<number>; kept: readonly number[]; of: number } | undefined,
): boolean {
  for (let i = 0; i < end; i += 5) {
    const x = Math.max(left, known[i]!)
    const w = Math.min(right, known[i + 2]!) - x
    if (!(w > 0)) continue
    const h = Math.min(bottom, known[i + 3]!) - Math.max(top, known[i + 1]!)
    if (!(h > 0)) continue
    const shared = w * h
    if (shared <= iou * (area + known[i + 4]! - shared)) continue
    if (!only || only.classes[only.kept[i / 5]!] === only.of) return true
  }
  return false
}

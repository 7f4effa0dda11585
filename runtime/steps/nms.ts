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
 * right - left wide. Boxes without area overlap nothing. A box that is not finite is never kept, nor one whose score is NaN.
 *
 * 500 boxes of which 150 stay cost some 0.2 ms; 33,600 without threshold or limit, most of which stay, some 30 ms.
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
  const grid = createGrid(boxes, order)
  const kept: number[] = []
  for (const index of order) {
    if (kept.length >= limit) break
    if (isCovered(boxes, index, grid, iou, classes)) continue
    kept.push(index)
    insert(grid, boxes, index)
  }
  return kept
}

// --- internal ---

/** The boxes kept, by the cell that holds their centre: each cell's first one, and for each box the next of its cell. */
interface Grid {
  size: number
  left: number
  top: number
  /** Cells for each pixel. */
  scaleX: number
  scaleY: number
  first: Int32Array
  next: Int32Array
}

function byFallingScore(boxes: ArrayLike<number>, scores: ArrayLike<number>): Uint32Array {
  const order = new Uint32Array(scores.length)
  let count = 0
  for (let i = 0; i < scores.length; i++) {
    const sum = boxes[i * 4]! + boxes[i * 4 + 1]! + boxes[i * 4 + 2]! + boxes[i * 4 + 3]!
    if (Number.isFinite(sum) && !Number.isNaN(scores[i]!)) order[count++] = i
  }
  return order.subarray(0, count).sort((a, b) => scores[b]! - scores[a]! || a - b)
}

/** A grid over all centres, of some eight boxes to a cell if they lay evenly. */
function createGrid(boxes: ArrayLike<number>, order: Uint32Array): Grid {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (const index of order) {
    const x = boxes[index * 4]! + boxes[index * 4 + 2]!
    const y = boxes[index * 4 + 1]! + boxes[index * 4 + 3]!
    if (x < left) left = x
    if (x > right) right = x
    if (y < top) top = y
    if (y > bottom) bottom = y
  }
  const size = Math.max(1, Math.ceil(Math.sqrt(order.length / 8)))
  const scale = (low: number, high: number) => (high > low ? (size * 2) / (high - low) : 0)
  return {
    size,
    left: left / 2,
    top: top / 2,
    scaleX: scale(left, right),
    scaleY: scale(top, bottom),
    first: new Int32Array(size * size).fill(-1),
    next: new Int32Array(boxes.length / 4),
  }
}

function cellAt(position: number, start: number, scale: number, size: number): number {
  // A grid without extent has one cell along that axis.
  return scale > 0 ? Math.min(Math.max(Math.floor((position - start) * scale), 0), size - 1) : 0
}

function insert({ size, left, top, scaleX, scaleY, first, next }: Grid, boxes: ArrayLike<number>, index: number): void {
  const column = cellAt((boxes[index * 4]! + boxes[index * 4 + 2]!) / 2, left, scaleX, size)
  const row = cellAt((boxes[index * 4 + 1]! + boxes[index * 4 + 3]!) / 2, top, scaleY, size)
  next[index] = first[row * size + column]!
  first[row * size + column] = index
}

/**
 * Whether one of the boxes kept overlaps this one by more than `iou`. Intersection over union is at most that of the
 * widths alone, so that w' <= w / iou, and centres farther apart than (w + w') / 2 - iou max(w, w') need no look; the
 * same for heights.
 */
function isCovered(
  boxes: ArrayLike<number>,
  index: number,
  { size, left: startX, top: startY, scaleX, scaleY, first, next }: Grid,
  iou: number,
  classes: ArrayLike<number> | undefined,
): boolean {
  const left = boxes[index * 4]!
  const top = boxes[index * 4 + 1]!
  const right = boxes[index * 4 + 2]!
  const bottom = boxes[index * 4 + 3]!
  const width = right - left
  const height = bottom - top
  if (!(width > 0 && height > 0)) return false
  const reach = Math.max(1 - iou, (1 / iou - 1) / 2) + 1e-6
  const x = (left + right) / 2
  const y = (top + bottom) / 2
  const fromColumn = cellAt(x - width * reach, startX, scaleX, size)
  const toColumn = cellAt(x + width * reach, startX, scaleX, size)
  const fromRow = cellAt(y - height * reach, startY, scaleY, size)
  const toRow = cellAt(y + height * reach, startY, scaleY, size)
  for (let row = fromRow; row <= toRow; row++) {
    for (let cell = row * size + fromColumn; cell <= row * size + toColumn; cell++) {
      for (let other = first[cell]!; other >= 0; other = next[other]!) {
        if (classes && classes[other] !== classes[index]) continue
        const at = other * 4
        const w = Math.min(right, boxes[at + 2]!) - Math.max(left, boxes[at]!)
        const h = Math.min(bottom, boxes[at + 3]!) - Math.max(top, boxes[at + 1]!)
        if (!(w > 0 && h > 0)) continue
        const both = w * h
        const area = (boxes[at + 2]! - boxes[at]!) * (boxes[at + 3]! - boxes[at + 1]!)
        if (both > iou * (width * height + area - both)) return true
      }
    }
  }
  return false
}

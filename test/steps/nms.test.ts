import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { nms, type NmsOptions } from '../../runtime/steps/nms.ts'

const suppression = suite('nms')

/** Deterministic numbers from 0 to 1. */
function numbers(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
}

/** Boxes of all sizes up to `size`, many of them near others, with scores of 100 levels so that some are equal. */
function crowd(count: number, size: number, seed: number) {
  const next = numbers(seed)
  const boxes = new Float32Array(count * 4)
  const scores = new Float32Array(count)
  const classes = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    const near = i > 0 && next() < 0.5 ? Math.floor(next() * i) * 4 : -1
    const [x, y] = near < 0 ? [next() * 640, next() * 480] : [boxes[near]! + next() * 4, boxes[near + 1]! + next() * 4]
    boxes.set([x, y, x + next() * size, y + next() * size], i * 4)
    scores[i] = Math.floor(next() * 100) / 100
    classes[i] = Math.floor(next() * 3)
  }
  return { boxes, scores, classes }
}

/** The definition, word for word: each with each. */
function slow(boxes: ArrayLike<number>, scores: ArrayLike<number>, { iou, limit = Infinity, classes }: NmsOptions) {
  const at = (i: number) => [0, 1, 2, 3].map((k) => boxes[i * 4 + k]!) as [number, number, number, number]
  const areaOf = ([l, t, r, b]: number[]) => Math.max(0, r! - l!) * Math.max(0, b! - t!)
  const kept: number[] = []
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b)
  for (const i of order) {
    const covered = kept.some((j) => {
      const [p, q] = [at(i), at(j)]
      const both = areaOf([Math.max(p[0], q[0]), Math.max(p[1], q[1]), Math.min(p[2], q[2]), Math.min(p[3], q[3])])
      return (!classes || classes[i] === classes[j]) && both / (areaOf(p) + areaOf(q) - both) > iou
    })
    if (!covered) kept.push(i)
  }
  return kept.slice(0, limit)
}

suppression('keeps what the definition keeps, whatever the sizes, thresholds and classes', () => {
  for (const [round, size] of [3, 20, 80, 600, 3000].entries()) {
    const { boxes, scores, classes } = crowd(200, size, round + 1)
    for (const iou of [0, 0.1, 0.4, 0.5, 0.9, 1]) {
      for (const options of [{ iou }, { iou, classes }, { iou, limit: 7 }, { iou, classes, limit: 25 }])
        assert.equal(nms(boxes, scores, options), slow(boxes, scores, options), `${size} ${JSON.stringify(options)}`)
    }
  }
})

suppression('wide and tall boxes that share a centre are told apart', () => {
  const boxes = [0, 45, 100, 55, 45, 0, 55, 100, 1, 45, 100, 55]
  assert.equal(nms(boxes, [0.7, 0.8, 0.9], { iou: 0.5 }), [2, 1])
})

for (const [name, boxes, scores, options, expected] of [
  ['nothing gives nothing', [], [], { iou: 0.5 }, []],
  [
    'of equal scores the lower index comes first',
    [0, 0, 1, 1, 5, 5, 6, 6, 9, 9, 10, 10],
    [0.5, 0.5, 0.5],
    { iou: 0.5 },
    [0, 1, 2],
  ],
  ['of equal boxes one stays', [0, 0, 4, 4, 0, 0, 4, 4], [0.5, 0.5], { iou: 0.5 }, [0]],
  // Half of each: 8 / 24 of the union; with the +1 of pixel indices it would be 15 / 35.
  ['widths are right - left', [0, 0, 4, 4, 2, 0, 6, 4], [0.9, 0.8], { iou: 0.34 }, [0, 1]],
  ['an overlap of exactly the threshold stays', [0, 0, 4, 4, 0, 0, 4, 2], [0.9, 0.8], { iou: 0.5 }, [0, 1]],
  ['a suppressed box suppresses nobody', [0, 0, 4, 4, 2, 0, 6, 4, 4, 0, 8, 4], [0.9, 0.8, 0.7], { iou: 0.3 }, [0, 2]],
  ['NaN scores are not kept', [0, 0, 1, 1, 5, 5, 6, 6], [NaN, 0.1], { iou: 0.5 }, [1]],
  ['boxes with NaN are not kept, and suppress nobody', [0, 0, NaN, 4, 0, 0, 4, 4], [0.9, 0.8], { iou: 0.5 }, [1]],
  [
    'boxes without area neither suppress nor are suppressed',
    [1, 1, 1, 3, 0, 0, 4, 4, 3, 3, 2, 2],
    [0.9, 0.8, 0.7],
    { iou: 0 },
    [0, 1, 2],
  ],
  [
    'boxes without end are not kept, endless scores are',
    [-Infinity, 0, 9, 9, 0, 0, 9, 9, 1, 1, 2, 2],
    [0.9, 0.5, Infinity],
    { iou: 0.5 },
    [2, 1],
  ],
  [
    'classes are left alone',
    [0, 0, 4, 4, 0, 0, 4, 4, 0, 0, 4, 4],
    [0.7, 0.8, 0.9],
    { iou: 0.5, classes: [1, 2, 1] },
    [2, 1],
  ],
  ['a limit of none keeps none', [0, 0, 1, 1], [1], { iou: 0.5, limit: 0 }, []],
  ['a limit keeps the best', [0, 0, 1, 1, 5, 5, 6, 6, 8, 8, 9, 9], [0.1, 0.3, 0.2], { iou: 0.5, limit: 2 }, [1, 2]],
] as [string, number[], number[], NmsOptions, number[]][])
  suppression(name, () => assert.equal(nms(boxes, scores, options), expected))

suppression('what does not fit is refused', () => {
  assert.throws(() => nms([1, 2, 3], [1], { iou: 0.5 }), /expected 4 numbers in boxes for each of 1 scores, found 3/)
  assert.throws(
    () => nms([1, 2, 3, 4], [1], { iou: 0.5, classes: [] }),
    /expected as many classes as scores, 1, found 0/,
  )
  assert.throws(() => nms([], [], { iou: 40 }), /expected iou as a number from 0 to 1, found 40/)
  assert.throws(() => nms([], [], { iou: NaN }), /found NaN/)
  assert.throws(() => nms([], [], { iou: 0.5, limit: -1 }), /expected limit as a number of boxes from 0, found -1/)
})

suppression('33,600 boxes of which most stay do not cost boxes times boxes', () => {
  const timeOf = (count: number, size: number) => {
    const { boxes, scores } = crowd(count, size, 9)
    const times = Array.from({ length: 5 }, () => {
      const startedAt = performance.now()
      nms(boxes, scores, { iou: 0.4 })
      return performance.now() - startedAt
    })
    return Math.min(...times)
  }
  timeOf(33_600, 12)
  // Looking at every box kept takes 4500 times as long as for 500; this takes some 300 times.
  const ratio = timeOf(33_600, 12) / timeOf(500, 12)
  assert.ok(ratio < 1000, `${ratio}`)
})

suppression.run()

import { member } from './draft.ts'
import type { Layout } from './shapes.ts'

/** The function that reads a detector's outputs, for the end of the function file. */
export function candidatesSource(layout: Layout, width: number, height: number): string {
  const { doc, body, isCentred } = readers[layout.kind](layout as never, width, height)
  return `/** ${doc} */
function candidates(out: Tensors, threshold: number): Candidate[] {
  const found: Candidate[] = []
${indent(body, 2)}
  return found
}${isCentred ? `\n\n${around}` : ''}`
}

export function indent(text: string, by: number): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(by))
}

// --- internal ---

interface Reader {
  doc: string
  body: string
  isCentred?: boolean
}

const around = `function around(x: number, y: number, width: number, height: number): Candidate['box'] {
  return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
}`

type Of<Kind extends Layout['kind']> = Extract<Layout, { kind: Kind }>

const readers: { [Kind in Layout['kind']]: (layout: Of<Kind>, width: number, height: number) => Reader } = {
  yolov8: ({ output, classes }) => ({
    doc: `YOLOv8's output: a column for each place, which is centre x, centre y, width, height, then the scores of ${classes} classes.`,
    isCentred: true,
    body: `const values = toFloat32(${member('out', output)})
const [, rows = 0, places = 0] = ${member('out', output)}!.dims
for (let place = 0; place < places; place++) {
  const at = (row: number) => values[row * places + place]!
  let best = 4
  for (let row = 5; row < rows; row++) if (at(row) > at(best)) best = row
  const score = at(best)
  if (score >= threshold) found.push({ box: around(at(0), at(1), at(2), at(3)), score, index: best - 4 })
}`,
  }),

  yolov5: ({ output, classes }) => ({
    doc: `YOLOv5's output: a row for each anchor, which is centre x, centre y, width, height, objectness, then ${classes} classes.`,
    isCentred: true,
    body: `const values = toFloat32(${member('out', output)})
const [, rows = 0, columns = 0] = ${member('out', output)}!.dims
for (let row = 0; row < rows; row++) {
  const at = (column: number) => values[row * columns + column]!
  let best = 5
  for (let column = 6; column < columns; column++) if (at(column) > at(best)) best = column
  const score = at(4) * at(best)
  if (score >= threshold) found.push({ box: around(at(0), at(1), at(2), at(3)), score, index: best - 5 })
}`,
  }),

  yolox: ({ output, classes }, width, height) => ({
    doc: `YOLOX's output: a row for each cell of three grids, which is x, y, log width, log height, objectness, then ${classes} classes.`,
    isCentred: true,
    body: `const values = toFloat32(${member('out', output)})
const columns = ${member('out', output)}!.dims.at(-1)!
let row = 0
for (const stride of [8, 16, 32]) {
  const across = Math.ceil(${width} / stride)
  const cells = across * Math.ceil(${height} / stride)
  for (let cell = 0; cell < cells; cell++, row++) {
    const at = (column: number) => values[row * columns + column]!
    let best = 5
    for (let column = 6; column < columns; column++) if (at(column) > at(best)) best = column
    const score = at(4) * at(best)
    if (!(score >= threshold)) continue
    const [x, y] = [(cell % across) + at(0), Math.floor(cell / across) + at(1)]
    const box = around(x * stride, y * stride, Math.exp(at(2)) * stride, Math.exp(at(3)) * stride)
    found.push({ box, score, index: best - 5 })
  }
}`,
  }),

  finished: ({ output }) => ({
    doc: 'Boxes that are through with NMS: a row for each, which is left, top, right, bottom, score, class.',
    body: `const values = toFloat32(${member('out', output)})
for (let row = 0; row < values.length; row += 6) {
  const [left = 0, top = 0, right = 0, bottom = 0, score = 0, index = 0] = values.subarray(row, row + 6)
  if (score >= threshold) found.push({ box: [left, top, right, bottom], score, index })
}`,
  }),

  nms: ({ output, classes }, width, height) => ({
    doc: `Boxes that are through with NMS, packed: for each of ${classes} classes a count, then so many times top, left, bottom, right, score.`,
    body: `const values = toFloat32(${member('out', output)})
for (let index = 0, at = 0; index < ${classes}; index++) {
  const count = values[at++] ?? 0
  for (const end = Math.min(at + count * 5, values.length); at < end; at += 5) {
    // In parts of the model's input, 0 to 1.
    const [top = 0, left = 0, bottom = 0, right = 0, score = 0] = values.subarray(at, at + 5)
    if (score < threshold) continue
    found.push({ box: [left * ${width}, top * ${height}, right * ${width}, bottom * ${height}], score, index })
  }
}`,
  }),

  boxes: ({ boxes, scores, labels }) => ({
    doc: `Boxes and scores. CHECK: boxes are taken for left, top, right, bottom in pixels of the model's input.`,
    body: `const sides = toFloat32(${member('out', boxes)})
const scores = toFloat32(${member('out', scores)})
${labels ? `const labels = toFloat32(${member('out', labels)})\n` : ''}const classes = sides.length > 0 ? scores.length / (sides.length / 4) : 0
for (let row = 0; row * classes < scores.length; row++) {
  let best = row * classes
  for (let at = best + 1; at < (row + 1) * classes; at++) if (scores[at]! > scores[best]!) best = at
  const score = scores[best]!
  const [left = 0, top = 0, right = 0, bottom = 0] = sides.subarray(row * 4, row * 4 + 4)
  if (score >= threshold) found.push({ box: [left, top, right, bottom], score, index: ${labels ? 'labels[row]!' : 'best - row * classes'} })
}`,
  }),

  scrfd: ({ anchors, maps }, width) => ({
    doc: `SCRFD's outputs for three strides: scores, and a box as its distances from the cell's corner in strides.`,
    body: `const maps = [
${maps.map(({ stride, scores, boxes }) => `  { stride: ${stride}, scores: ${member('out', scores)}, boxes: ${member('out', boxes)} },`).join('\n')}
]
for (const { stride, scores, boxes } of maps) {
  const [score, side] = [toFloat32(scores), toFloat32(boxes)]
  const across = Math.ceil(${width} / stride)
  for (let row = 0; row < score.length; row++) {
    if (!(score[row]! >= threshold)) continue
    const cell = ${anchors === 1 ? 'row' : `Math.floor(row / ${anchors})`}
    const [x, y] = [(cell % across) * stride, Math.floor(cell / across) * stride]
    const [left = 0, top = 0, right = 0, bottom = 0] = side.subarray(row * 4, row * 4 + 4)
    const box: Candidate['box'] = [x - left * stride, y - top * stride, x + right * stride, y + bottom * stride]
    found.push({ box, score: score[row]!, index: 0 })
  }
}`,
  }),
}

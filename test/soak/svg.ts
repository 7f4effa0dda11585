/** Just enough SVG for charts with two axes. Lengths are pixels. */

export interface Axis {
  least: number
  most: number
  isLog?: boolean
  ticks: { at: number; text: string }[]
}

export interface Line {
  name: string
  colour: string
  points: [x: number, y: number][]
  isDashed?: boolean
  /** Stays until the next value, as counts do. */
  isStep?: boolean
}

export interface Box {
  left: number
  top: number
  width: number
  height: number
}

export const ink = '#1f2328'
export const muted = '#656d76'
const grid = '#e3e6e9'

/** A chart of lines with a title, both axes and a legend, within `box`; axis texts stand left of and below it. */
export function chart(box: Box, title: string, x: Axis, y: Axis, lines: Line[]): string {
  const parts = [heading(box, title), axes(box, x, y)]
  for (const { colour, points, isDashed, isStep } of lines) {
    const at = points.map(([px, py]) => [place(x, px, box.left, box.width), placeUp(y, py, box)] as const)
    const path = at.map(([px, py], i) => (i === 0 ? `M${px} ${py}` : isStep ? `H${px}V${py}` : `L${px} ${py}`)).join('')
    const dash = isDashed ? ' stroke-dasharray="5 4"' : ''
    parts.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.75" stroke-linejoin="round"${dash}/>`)
  }
  return parts.join('\n') + legend(box, lines)
}

export function heading({ left, top }: Box, title: string): string {
  return text(left, top - 12, title, `font-weight="600" fill="${ink}"`)
}

/** Names of the lines, at the right above the chart. */
export function legend({ left, top, width }: Box, lines: Pick<Line, 'name' | 'colour' | 'isDashed'>[]): string {
  let right = left + width
  return [...lines]
    .reverse()
    .map(({ name, colour, isDashed }) => {
      right -= name.length * 6.4 + 34
      const dash = isDashed ? ' stroke-dasharray="5 4"' : ''
      const stroke = `<path d="M${round(right)} ${top - 16}h18" stroke="${colour}" stroke-width="3"${dash}/>`
      return stroke + text(right + 23, top - 12, name, `fill="${muted}"`)
    })
    .join('\n')
}

export function axes(box: Box, x: Axis, y: Axis): string {
  const { left, top, width, height } = box
  const bottom = top + height
  const upright = x.ticks.map(({ at, text: label }) => {
    const px = place(x, at, left, width)
    return `<path d="M${px} ${top}V${bottom}" stroke="${grid}"/>${text(px, bottom + 16, label, `fill="${muted}" text-anchor="middle"`)}`
  })
  const level = y.ticks.map(({ at, text: label }) => {
    const py = placeUp(y, at, box)
    return `<path d="M${left} ${py}H${left + width}" stroke="${grid}"/>${text(left - 8, py + 4, label, `fill="${muted}" text-anchor="end"`)}`
  })
  return [...upright, ...level].join('\n')
}

/** Where a value lies on an axis from left to right. */
export function place({ least, most, isLog }: Axis, value: number, left: number, width: number): number {
  const of = (number: number) => (isLog ? Math.log(Math.max(number, least)) : number)
  return round(left + ((of(value) - of(least)) / (of(most) - of(least))) * width)
}

export function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`
}

/** Round numbers from 0 to `most`, or to the first beyond it; some five of them. */
export function linearAxis(most: number, unit: string, isRounded = true): Axis {
  const rough = Math.max(most, 1e-9) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max([1, 2, 5, 10].find((one) => one * power >= rough)! * power, unit === '' ? 1 : 0)
  const end = (isRounded ? Math.ceil(most / step) : Math.floor(most / step)) * step
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => ({
    at: i * step,
    text: `${i * step}${unit}`,
  }))
  return { least: 0, most: isRounded ? end : most, ticks }
}

/** Milliseconds by powers of ten, from 1 ms to a quarter of an hour. */
export function latencyAxis(mostMs: number): Axis {
  const all = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000]
  const most = all.find((one) => one >= mostMs) ?? 1_000_000
  const ticks = all.filter((at) => at <= most).map((at) => ({ at, text: at < 1000 ? `${at} ms` : `${at / 1000} s` }))
  return { least: 1, most, isLog: true, ticks }
}

export function document(width: number, height: number, parts: string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`
}

// --- internal ---

function placeUp(axis: Axis, value: number, { top, height }: Box): number {
  return round(top + height - place(axis, value, 0, height))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

import { cellHeight, cellWidth, glyphOf } from './draw-font.ts'
import type { Pixels, Rgb } from './picture.ts'

export interface BoxStyle {
  /** @default green */
  color?: Rgb
  /** Pixels. @default what suits the picture: 2 for 640 x 480, 5 for 1920 x 1080 */
  thickness?: number
  /** Written above the box, or inside it where there is no room above; moved left where it would leave the picture. */
  label?: string
}

export interface PointStyle {
  /** @default red */
  color?: Rgb
  /** Pixels. @default what suits the picture, a little more than the thickness of a box */
  radius?: number
}

export interface TextStyle {
  /** @default white */
  color?: Rgb
  /** What the text stands on. @default the picture */
  background?: Rgb
  /** Size of the font's own pixels: its lines are 10 of them high. @default what suits the picture */
  scale?: number
}

/**
 * Draws the outline of a box, in place, along the inside of [left, top, right, bottom]; what lies outside the picture is left
 * out. A box with NaN is not drawn.
 */
export function drawBox(pixels: Pixels, box: ArrayLike<number>, style: BoxStyle = {}): void {
  const { color = green, thickness = penOf(pixels) } = style
  const [left, top, right, bottom] = [box[0]!, box[1]!, box[2]!, box[3]!].map(Math.round) as [
    number,
    number,
    number,
    number,
  ]
  const pen = Math.max(1, Math.round(thickness))
  fill(pixels, left, top, right, Math.min(bottom, top + pen), color)
  fill(pixels, left, Math.max(top, bottom - pen), right, bottom, color)
  fill(pixels, left, top, Math.min(right, left + pen), bottom, color)
  fill(pixels, Math.max(left, right - pen), top, right, bottom, color)
  if (style.label === undefined) return
  const scale = scaleOf(pixels)
  const length = [...style.label].length
  const x = Math.max(0, Math.min(left, pixels.width - (length * cellWidth + 1) * scale))
  const above = top - (cellHeight + 1) * scale
  const ink: Rgb = isBright(color) ? [0, 0, 0] : [255, 255, 255]
  drawText(pixels, x, above >= 0 ? above : Math.max(0, top), style.label, { color: ink, background: color, scale })
}

/** Draws a filled dot around a point, in place: all pixels whose centres are within `radius`. */
export function drawPoint(pixels: Pixels, x: number, y: number, style: PointStyle = {}): void {
  const { color = red, radius = penOf(pixels) + 0.5 } = style
  const last = Math.min(Math.ceil(y + radius), pixels.height)
  for (let row = Math.max(0, Math.floor(y - radius)); row < last; row++) {
    const half = Math.sqrt(radius * radius - (row + 0.5 - y) ** 2)
    if (half >= 0) fill(pixels, Math.ceil(x - half - 0.5), row, Math.floor(x + half - 0.5) + 1, row + 1, color)
  }
}

/**
 * Writes one line, in place, its upper left corner at (x, y). The font is Pellet's own: ASCII, and a hollow box for every
 * other character.
 */
export function drawText(pixels: Pixels, x: number, y: number, text: string, style: TextStyle = {}): void {
  const { color = [255, 255, 255], background, scale = scaleOf(pixels) } = style
  const dot = Math.max(1, Math.round(scale))
  const left = Math.round(x)
  const top = Math.round(y)
  const characters = [...text]
  if (background) {
    const width = (characters.length * cellWidth + 1) * dot
    fill(pixels, left, top, left + width, top + (cellHeight + 1) * dot, background)
  }
  for (const [place, character] of characters.entries()) {
    const rows = glyphOf(character) ?? unknown
    for (const [row, bits] of rows.entries()) {
      for (let column = 0; column < 5; column++) {
        if (!(bits & (16 >> column))) continue
        const dotX = left + (place * cellWidth + column + 1) * dot
        const dotY = top + (row + 1) * dot
        fill(pixels, dotX, dotY, dotX + dot, dotY + dot, color)
      }
    }
  }
}

// --- internal ---

const green: Rgb = [0, 220, 0]
const red: Rgb = [255, 40, 40]
const unknown = [31, 17, 17, 17, 17, 17, 31]

function penOf({ width, height }: Pixels): number {
  return Math.max(1, Math.round(Math.min(width, height) / 240))
}

function scaleOf({ width, height }: Pixels): number {
  return Math.max(1, Math.round(Math.min(width, height) / 300))
}

/** Whether black is easier to read on it than white, by its luma (ITU-R BT.601). */
function isBright([r, g, b]: Rgb): boolean {
  return 0.299 * r + 0.587 * g + 0.114 * b > 128
}

/** Fills whole pixels from (left, top) up to (right, bottom), which are outside; clipped at the edges. */
function fill(
  { data, width, height }: Pixels,
  left: number,
  top: number,
  right: number,
  bottom: number,
  color: Rgb,
): void {
  const [red, green, blue] = color
  const from = Math.max(0, left)
  const to = Math.min(width, right)
  const last = Math.min(height, bottom)
  for (let y = Math.max(0, top); y < last; y++) {
    for (let at = (y * width + from) * 3; at < (y * width + to) * 3; at += 3) {
      data[at] = red
      data[at + 1] = green
      data[at + 2] = blue
    }
  }
}

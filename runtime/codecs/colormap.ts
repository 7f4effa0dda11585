import type { Pixels } from '../steps/picture.ts'
import { colormapTables, type ColormapName } from './colormap-tables.ts'
import type { FloatMap, ValueRange } from './map.ts'

export type { ColormapName } from './colormap-tables.ts'

/** The colour tables by name, in the order in which they are offered. */
export const colormapNames = Object.keys(colormapTables) as ColormapName[]

/**
 * Colours a map as matplotlib does, to the byte: `colormaps[name]((map - min) / (max - min), bytes=True)` without alpha.
 * The range is cut into 256 equal parts; values outside take the first or the last colour, NaN becomes black.
 * @param range the values of the first and the last colour; default 0 and 1. Where min = max: the first colour.
 */
export function colorize(map: FloatMap, colormap: ColormapName, range: ValueRange = { min: 0, max: 1 }): Pixels {
  const { data, width, height } = map
  const table = tableOf(colormap)
  const { min } = range
  const factor = range.max > min ? 256 / (range.max - min) : 0
  const pixels = new Uint8Array(data.length * 3)
  for (let i = 0, to = 0; i < data.length; i++, to += 3) {
    const value = (data[i]! - min) * factor
    const from = value >= 0 ? (value < 256 ? Math.trunc(value) * 3 : 255 * 3) : value < 0 ? 0 : black
    pixels[to] = table[from]!
    pixels[to + 1] = table[from + 1]!
    pixels[to + 2] = table[from + 2]!
  }
  return { data: pixels, width, height }
}

// --- internal ---

/** Where black stands, behind the 256 colours. */
const black = 256 * 3

const tables = new Map<ColormapName, Uint8Array>()

function tableOf(name: ColormapName): Uint8Array {
  let table = tables.get(name)
  if (!table) {
    table = new Uint8Array(257 * 3)
    table.set(Buffer.from(colormapTables[name], 'base64'))
    tables.set(name, table)
  }
  return table
}

import type { PortRow } from '../http/own-ports.ts'

/** Rows as a table for people; columns as wide as their widest cell. */
export function toTable(headings: string[], rows: string[][]): string {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]!.length)))
  return [headings, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A deployment's own ports as a cell. */
export function toPorts(listen: PortRow[]): string {
  return listen.map(({ port, problem }) => (problem === null ? String(port) : `${port} (not open)`)).join(', ') || '-'
}

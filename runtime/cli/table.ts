import type { PortRow } from '../http/own-ports.ts'

/** Rows as a table for people; columns as wide as their widest cell. */
export function toTable(headings: string[], rows: string[][]): string {
  return toColumns([headings, ...rows]).join('\n')
}

/** Lines in which the cells of a column stand below each other. */
export function toColumns(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}

/** A deployment's own ports as a cell. */
export function toPorts(listen: PortRow[]): string {
  return listen.map(({ port, problem }) => (problem === null ? String(port) : `${port} (not open)`)).join(', ') || '-'
}

/** The files that a deployment was made from as a cell. */
export function toFiles({ manifest, function: code }: { manifest?: string; function?: string }): string {
  return [manifest, code].filter(Boolean).join(' + ') || '-'
}

/** Why models with a HEF run on the CPU, a line for each reason: most often there is one for all. */
export function toFallbacks(rows: { name: string; fallback: string | null }[]): string[] {
  const reasons = new Set(rows.flatMap(({ fallback }) => fallback ?? []))
  return Array.from(reasons, (reason) => {
    const names = rows.filter(({ fallback }) => fallback === reason).map(({ name }) => name)
    return `${names.join(', ')}: ${reason}`
  })
}

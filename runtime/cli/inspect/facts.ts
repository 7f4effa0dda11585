/** What `pellet inspect` says of a file. */
export interface Facts {
  /** What it is, in a few words. */
  title: string
  /** Lines by heading. What has no line is not shown. */
  rows: Record<string, readonly string[]>
  /** The same for programs. */
  json: Record<string, unknown>
}

/** Facts as text for people; lines that are long are broken at a space, and cut where they go on for ever. */
export function factsText(file: string, { title, rows }: Facts): string {
  const shown = Object.entries(rows).filter(([, lines]) => lines.some((line) => line !== ''))
  const width = Math.max(...shown.map(([heading]) => heading.length))
  const text = shown.flatMap(([heading, lines]) =>
    lines.flatMap((line) => wrap(line)).map((line, i) => `${(i === 0 ? heading : '').padEnd(width)}  ${line}`),
  )
  return [`${file}: ${title}`, ...text].join('\n')
}

// --- internal ---

const lineLength = 100
const maxLines = 12

function wrap(text: string): string[] {
  const pieces =
    printable(text.slice(0, lineLength * (maxLines + 1))).match(
      new RegExp(`[^ ](?:.{0,${lineLength - 1}}(?= |$)|.{${lineLength - 1}})`, 'g'),
    ) ?? []
  const lines = pieces.slice(0, maxLines).map((line) => line.replaceAll('\u00a0', ' '))
  return pieces.length > maxLines ? [...lines, '... (all of it with --json)'] : lines
}

/** Names in a file may hold anything, and a terminal obeys some of it. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
}

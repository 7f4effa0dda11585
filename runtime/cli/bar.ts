/** `████░░░░ 43 %`, for a terminal. @param share from 0 to 1 */
export function toBar(share: number): string {
  const done = Math.round(Math.min(1, share) * width)
  return `${'█'.repeat(done)}${'░'.repeat(width - done)} ${Math.floor(Math.min(1, share) * 100)} %`
}

/** Writes over the last line of stderr, which must be a terminal; without a text it is empty again. */
export function drawLine(text = ''): void {
  const { stderr } = process
  // A line that is broken by the edge of the window could not be written over.
  stderr.write(`\r\x1b[K${text.slice(0, Math.max(20, (stderr.columns || 80) - 1))}`)
}

// --- internal ---

const width = 24

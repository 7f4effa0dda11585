/** A bar on stderr while a terminal watches. Returns what removes it. */
export function showProgress(label: string, durationMs: number, count: () => number): () => void {
  const { stderr } = process
  if (!stderr.isTTY) return () => {}
  const startedAt = performance.now()
  const draw = () => {
    const share = Math.min(1, (performance.now() - startedAt) / durationMs)
    const done = Math.round(share * barWidth)
    const bar = '█'.repeat(done) + '░'.repeat(barWidth - done)
    stderr.write(`\r\x1b[K${label}  ${bar} ${Math.floor(share * 100)} %  ${count()} requests`)
  }
  draw()
  const timer = setInterval(draw, 100)
  return () => {
    clearInterval(timer)
    stderr.write('\r\x1b[K')
  }
}

// --- internal ---

const barWidth = 24

import { drawLine, toBar } from '../bar.ts'

/** A bar on stderr while a terminal watches. Returns what removes it. */
export function showProgress(label: string, durationMs: number, count: () => number): () => void {
  if (!process.stderr.isTTY) return () => {}
  const startedAt = performance.now()
  const draw = () => drawLine(`${label}  ${toBar((performance.now() - startedAt) / durationMs)}  ${count()} requests`)
  draw()
  const timer = setInterval(draw, 100)
  return () => {
    clearInterval(timer)
    drawLine()
  }
}

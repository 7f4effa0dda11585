import type { Progress } from '../../models/download.ts'
import { formatBytes } from '../../units.ts'
import { drawLine, toBar } from '../bar.ts'

export interface PullProgress {
  update(progress: Progress): void
  /** A line for people, above the bar where there is one. */
  note(line: string): void
  end(): void
}

const drawEveryMs = 100
/** Where no terminal watches: a line for so much of the whole. */
const lineEvery = 0.25

/** How far a download is: a bar on a terminal, else a few lines. */
export function showPullProgress(label: string): PullProgress {
  const isTerminal = process.stderr.isTTY
  const startedAt = performance.now()
  let begunAt: number | undefined
  let drawnAt = 0
  let told = 0
  const rate = (bytes: number) => `${formatBytes(bytes / Math.max(0.1, (performance.now() - startedAt) / 1000))}/s`
  return {
    update({ receivedBytes, totalBytes }) {
      begunAt ??= receivedBytes
      const now = performance.now()
      const share = totalBytes ? receivedBytes / totalBytes : 0
      const size =
        totalBytes === undefined
          ? formatBytes(receivedBytes)
          : `${formatBytes(receivedBytes)} of ${formatBytes(totalBytes)}`
      if (isTerminal) {
        if (now - drawnAt < drawEveryMs) return
        drawnAt = now
        drawLine(`${label}  ${totalBytes ? `${toBar(share)}  ` : ''}${size}  ${rate(receivedBytes - begunAt)}`)
      } else if (share - told >= lineEvery && share < 1) {
        told = share
        console.error(`${label}: ${Math.floor(share * 100)} %, ${size}`)
      }
    },
    note(line) {
      if (isTerminal) drawLine()
      console.error(line)
    },
    end() {
      if (isTerminal) drawLine()
    },
  }
}

import { formatBytes, formatDuration } from '../../units.ts'
import { drawLine, toBar } from '../bar.ts'
import type { UploadWatcher } from './upload.ts'

/** Smaller ones are done at once. */
const tellBytes = 1024 ** 2

/** Shows uploads on stderr: a bar where a terminal watches, else a line each, and one now and then for a long one. */
export function createUploadProgress(now: () => number = () => performance.now()): UploadWatcher {
  const isTerminal = process.stderr.isTTY
  let startedAt = 0
  let from = 0
  let shownAt = 0
  return {
    started({ shown, sizeBytes }, fromBytes) {
      from = fromBytes
      startedAt = shownAt = now()
      const where = fromBytes > 0 ? `, from ${formatBytes(fromBytes)} on, which are there already` : ''
      if (!isTerminal && (sizeBytes >= tellBytes || fromBytes > 0))
        console.error(`uploading ${shown}, ${formatBytes(sizeBytes)}${where}`)
    },
    sent({ shown, sizeBytes }, totalBytes) {
      const at = now()
      if (at - shownAt < (isTerminal ? 100 : 10_000)) return
      shownAt = at
      const rate = `${formatBytes(((totalBytes - from) / (at - startedAt)) * 1000)}/s`
      const amount = `${formatBytes(totalBytes)} of ${formatBytes(sizeBytes)}, ${rate}`
      if (isTerminal) drawLine(`${shown}  ${toBar(totalBytes / sizeBytes)}  ${amount}`)
      else console.error(`uploading ${shown}: ${amount}`)
    },
    ended() {
      if (isTerminal) drawLine()
    },
    broke(message, pauseMs) {
      // What to do about it is Pellet's own turn first.
      console.error(`the upload broke off: ${message.split(';')[0]}; tried again in ${formatDuration(pauseMs)}`)
    },
  }
}

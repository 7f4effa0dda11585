import type { Readable } from 'node:stream'

/** Longer lines are cut: what a function writes without a line break must not gather in main. */
const longestLine = 16_384

/** Calls back for each line of text; of a line that is too long for its beginning, with a note. */
export function readLines(stream: Readable, onLine: (line: string) => void): void {
  let begun = ''
  let dropped = 0
  const end = () => {
    const line = begun.endsWith('\r') ? begun.slice(0, -1) : begun
    onLine(dropped === 0 ? line : `${line} ... (and ${dropped} characters more)`)
    begun = ''
    dropped = 0
  }
  const add = (text: string) => {
    const room = longestLine - begun.length
    begun += text.slice(0, room)
    dropped += Math.max(0, text.length - room)
  }
  stream.setEncoding('utf8').on('data', (text: string) => {
    let from = 0
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', from)) {
      add(text.slice(from, at))
      end()
      from = at + 1
    }
    add(text.slice(from))
  })
  stream.on('end', () => {
    if (begun !== '') end()
  })
}

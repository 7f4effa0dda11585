import { defineCommand } from 'citty'
import { createInterface } from 'node:readline'
import { isRead } from '../../../ffi/libc.ts'
import { createFormatter } from '../../log.ts'
import { CliError } from '../cli-error.ts'
import { openStream } from '../client.ts'
import { readTarget, targetArgs } from '../target.ts'

export default defineCommand({
  meta: { name: 'logs', description: 'The last lines of the running Pellet’s log, of one deployment or of all' },
  args: {
    name: { type: 'positional', description: 'Name of a deployment', required: false, valueHint: '[name]' },
    follow: { type: 'boolean', alias: 'f', description: 'Go on with what comes, until Pellet stops or Ctrl+C' },
    lines: { type: 'string', alias: 'n', description: 'How many lines (default: 100)', valueHint: 'count' },
    ...targetArgs,
    json: { type: 'boolean', description: 'Print the lines as they are, JSON' },
  },
  async run({ args }) {
    const count = args.lines ?? '100'
    if (!/^\d{1,6}$/.test(count))
      throw new CliError(`logs: expected --lines as a whole number from 0, found ${JSON.stringify(count)}`, 2)
    const query = new URLSearchParams({
      lines: count,
      ...(args.name && { name: args.name }),
      ...(args.follow && { follow: '' }),
    })
    const format = args.json ? (line: string) => `${line}\n` : await createFormatter(process.stdout)
    const stream = await openStream(await readTarget({ ...args }), 'GET', `/api/logs?${query}`)
    const lines = createInterface({ input: stream })
    // Who reads may have enough, as head has; whoever follows ends it by Ctrl+C. Neither is a failure.
    let isDone = false
    const leave = () => {
      isDone = true
      lines.close()
    }
    let lost: Error | undefined
    let unwritten: Error | undefined
    stream.on('error', (error) => (lost = error)).on('close', () => lines.close())
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') unwritten = error
      leave()
    })
    const watch = args.follow && !process.stdout.isTTY ? setInterval(() => isRead(1) || leave(), readerMs) : undefined
    process.on('SIGINT', leave)
    try {
      for await (const line of lines) {
        if (isDone) break
        if (!process.stdout.write(format(line))) await drained()
      }
    } catch (error) {
      lost = error as Error
    }
    clearInterval(watch)
    process.off('SIGINT', leave)
    stream.destroy()
    if (unwritten) throw new CliError(`logs: the lines cannot be written: ${unwritten.message}`)
    if (isDone) return
    if (lost) throw new CliError(`logs: Pellet has ended without a word (${lost.message})`)
    if (args.follow) console.error('Pellet has stopped.')
  },
})

// --- internal ---

/** How often it is looked whether somebody reads still: without a further line nothing else shows it. */
const readerMs = 250

function drained(): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      process.stdout.off('drain', done).off('error', done).off('close', done)
      resolve()
    }
    process.stdout.on('drain', done).on('error', done).on('close', done)
  })
}

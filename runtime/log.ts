import { fstatSync } from 'node:fs'
import { pino, type Logger } from 'pino'
import type { LogRing } from './log-ring.ts'

export type { Logger }
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Where Pellet says what it does. */
export interface Logs {
  log: Logger
  /** Gets what `log` prints. */
  ring: LogRing
}

/**
 * One JSON line per event on stdout; on a terminal, lines for people; in the journal, with its priority.
 * @param ring gets every line as JSON
 */
export async function createLogger(
  level: LogLevel,
  ring: LogRing,
  stream: NodeJS.WriteStream = process.stdout,
): Promise<Logger> {
  const format = stream.isTTY ? await createFormatter(stream) : isJournal(stream) ? withPriority : asIs
  // pid and host are journald's business; the level is written as a word because that is what people grep for.
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, {
    write(line) {
      ring.push(line)
      stream.write(format(line))
    },
  })
}

/** Makes a line for people of a line of JSON; in colours where a terminal shows it. */
export async function createFormatter(stream: NodeJS.WriteStream): Promise<(line: string) => string> {
  const { default: pretty } = await import('pino-pretty')
  return pretty.prettyFactory({
    colorize: stream.isTTY === true && pretty.isColorSupported,
    singleLine: true,
    translateTime: 'HH:MM:ss',
    ignore: 'pid,hostname,deployment',
    messageFormat: ({ deployment, msg }) => withName(deployment, String(msg)),
  })
}

// --- internal ---

const asIs = (line: string) => line

/** Whether a stream ends in the journal: systemd.exec(5), JOURNAL_STREAM. */
function isJournal(stream: NodeJS.WriteStream): boolean {
  const [dev, ino] = (process.env['JOURNAL_STREAM'] ?? '').split(':')
  if (!dev || !ino) return false
  const found = fstatSync((stream as NodeJS.WriteStream & { fd: number }).fd)
  return String(found.dev) === dev && String(found.ino) === ino
}

/** syslog's, as the journal reads and removes them at the beginning of a line: sd-daemon(3). */
const priorities: Record<string, number> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 }

function withPriority(line: string): string {
  const level = /^\{"level":"([a-z]+)"/.exec(line)?.[1] ?? 'info'
  return `<${priorities[level]}>${line}`
}

/** Whose line it is, at its beginning; some say it themselves, for those who read JSON. */
function withName(deployment: unknown, message: string): string {
  return deployment === undefined || message.startsWith(`${String(deployment)}: `)
    ? message
    : `${String(deployment)}: ${message}`
}

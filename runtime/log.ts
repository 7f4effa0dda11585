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
 * One JSON line per event on stdout; on a terminal, lines for people.
 * @param ring gets every line as JSON
 */
export async function createLogger(
  level: LogLevel,
  ring: LogRing,
  stream: NodeJS.WriteStream = process.stdout,
): Promise<Logger> {
  const format = stream.isTTY ? await createFormatter(stream) : (line: string) => line
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

/** Whose line it is, at its beginning; some say it themselves, for those who read JSON. */
function withName(deployment: unknown, message: string): string {
  return deployment === undefined || message.startsWith(`${String(deployment)}: `)
    ? message
    : `${String(deployment)}: ${message}`
}

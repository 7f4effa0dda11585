import { pino, type Logger } from 'pino'

export type { Logger }
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** One JSON line per event on stdout; on a terminal, lines for people. */
export async function createLogger(level: LogLevel, stream: NodeJS.WriteStream = process.stdout): Promise<Logger> {
  // pid and host are journald's business; the level is written as a word because that is what people grep for.
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  if (!stream.isTTY) return pino(options, stream)
  const { default: pretty } = await import('pino-pretty')
  const lines = pretty({
    destination: stream,
    sync: true,
    singleLine: true,
    translateTime: 'HH:MM:ss',
    ignore: 'pid,hostname,deployment',
    messageFormat: ({ deployment, msg }) => withName(deployment, String(msg)),
  })
  return pino({ level, base: null }, lines)
}

// --- internal ---

/** Whose line it is, at its beginning; some say it themselves, for those who read JSON. */
function withName(deployment: unknown, message: string): string {
  return deployment === undefined || message.startsWith(`${String(deployment)}: `)
    ? message
    : `${String(deployment)}: ${message}`
}

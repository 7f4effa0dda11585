import type { IncomingMessage, ServerResponse } from 'node:http'
import { ByteParts } from '../byte-parts.ts'
import { PelletError } from '../errors.ts'
import { tooLarge } from './proxy.ts'

export interface GatherLimits {
  /** The deployment's, for messages. */
  name: string
  maxBytes: number
  /** How long the body may take. */
  timeoutMs: number
  /** Called for each part, before it is kept; may throw. */
  take(bytes: number, part: Buffer): void
}

/** The caller left before the request was whole: there is nobody to answer. */
export class CallerLeft extends Error {}

/**
 * Reads a body that has to wait in main. Such bodies are the exception: others are passed on as they come.
 * @throws PelletError `payload_too_large`, `deadline_exceeded`, what `take` throws; CallerLeft
 */
export function gatherBody(
  req: IncomingMessage,
  res: ServerResponse,
  { name, maxBytes, timeoutMs, take }: GatherLimits,
): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    if (res.destroyed) return reject(new CallerLeft())
    if (Number(req.headers['content-length'] ?? 0) > maxBytes) return reject(tooLarge(name, maxBytes))
    const parts = new ByteParts()
    let total = 0
    const end = (settle: () => void) => {
      clearTimeout(timer)
      req.off('data', add).off('end', whole)
      res.off('close', left)
      settle()
    }
    const fail = (error: Error) => end(() => reject(error))
    const add = (part: Buffer) => {
      total += part.length
      try {
        if (total > maxBytes) throw tooLarge(name, maxBytes)
        take(part.length, part)
      } catch (error) {
        return fail(error as Error)
      }
      parts.add(part)
    }
    const whole = () => end(() => resolve(parts.take()))
    const left = () => fail(new CallerLeft())
    const late = `${name}: expected the body within ${Math.round(timeoutMs)} ms (limits.timeout), found no end of it`
    const timer = setTimeout(() => fail(new PelletError('deadline_exceeded', late)), timeoutMs)
    if (req.headers.expect?.toLowerCase() === '100-continue') res.writeContinue()
    req.on('data', add).on('end', whole)
    res.on('close', left)
  })
}

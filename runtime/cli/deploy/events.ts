import { createInterface } from 'node:readline'
import type { DeployEvent } from '../../deploys/protocol.ts'
import { openStream } from '../client.ts'
import { ConnectionError, notPellet } from '../client-errors.ts'
import type { Target } from '../target.ts'

export type LastEvent = Exclude<DeployEvent, { type: 'phase' }>

/**
 * Orders a deploy or a rollback, and tells what happens as it happens.
 * @param signal ends the listening, not what was begun
 * @returns how it ended
 * @throws ConnectionError where the connection breaks before the end: what was begun may have been finished
 */
export async function followEvents(
  target: Target,
  path: string,
  value: unknown,
  onEvent: (event: DeployEvent) => void,
  signal?: AbortSignal,
): Promise<LastEvent> {
  const stream = await openStream(target, 'POST', path, value, signal)
  let broken: Error | undefined
  stream.on('error', (error) => (broken = error))
  try {
    for await (const line of createInterface({ input: stream })) {
      if (line === '') continue
      const event = toEvent(target, line)
      onEvent(event)
      if (event.type !== 'phase') return event
    }
  } catch (error) {
    // Some versions of Node throw what the stream broke by, others end the lines.
    if (error !== broken) throw error
  } finally {
    stream.destroy()
  }
  const reason = broken ? ` (${broken.message})` : ''
  throw new ConnectionError(
    `${target.shown}: expected to be told how it ended, found the connection closed${reason}; pellet history says what serves`,
  )
}

// --- internal ---

function toEvent(target: Target, line: string): DeployEvent {
  try {
    return JSON.parse(line) as DeployEvent
  } catch {
    throw notPellet(target, 'a line that is no JSON')
  }
}

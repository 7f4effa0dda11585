import type { H3Event } from 'h3/node'
import { PelletError } from '../errors.ts'
import type { LogLine, LogRing } from '../log-ring.ts'
import type { Pellet } from '../pellet.ts'

/** `GET /api/logs?lines=100&name=depth&follow`: the last lines as NDJSON, then those that come, until Pellet stops. */
export function logsPage(pellet: Pellet, { url }: H3Event): Response {
  const { searchParams } = url
  const lines = Number(searchParams.get('lines') ?? 100)
  if (!Number.isInteger(lines) || lines < 0)
    throw new PelletError(
      'invalid_request',
      `lines: expected a whole number from 0, found ${searchParams.get('lines')}`,
    )
  const name = searchParams.get('name') ?? undefined
  const { ring } = pellet
  if (name !== undefined) checkName(pellet, name)
  const body = searchParams.has('follow') ? followed(ring, lines, name) : ring.last(lines, name).join('')
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } })
}

// --- internal ---

/** What waits for a reader that is slow. What comes beyond is dropped: main's memory is not the reader's. */
const mostWaitingBytes = 64 * 1024

/** A deployment that is, could not be, or was. */
function checkName({ routes, ring }: Pellet, name: string): void {
  const names = new Set([...routes.deployments.keys(), ...routes.failures.map((failure) => failure.name)])
  if (names.has(name) || ring.last(1, name).length > 0) return
  const known = [...names].join(', ') || 'none'
  throw new PelletError('not_found', `deployment: expected one of ${known}, found ${JSON.stringify(name)}`)
}

function followed(ring: LogRing, lines: number, name: string | undefined): ReadableStream<Uint8Array> {
  let stop = () => {}
  let dropped = 0
  const tell = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    if (dropped === 0) return
    const msg = `pellet logs: ${dropped} lines were left out here, since they were not read fast enough`
    dropped = 0
    controller.enqueue(Buffer.from(`${JSON.stringify({ level: 'warn', time: new Date().toISOString(), msg })}\n`))
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const past = ring.last(lines, name).join('')
        if (past !== '') controller.enqueue(Buffer.from(past))
        const onLine = (line: LogLine) => {
          if (controller.desiredSize! <= 0) return void dropped++
          tell(controller)
          controller.enqueue(Buffer.from(line))
        }
        stop = ring.follow(name, onLine, () => {
          tell(controller)
          controller.close()
        })
      },
      pull: tell,
      cancel: () => stop(),
    },
    { highWaterMark: mostWaitingBytes, size: (chunk) => chunk!.byteLength },
  )
}

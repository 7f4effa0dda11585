import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRouterParam, type H3, type H3Event } from 'h3/node'
import type { ChangeOptions, Tell } from '../deploys/change.ts'
import type { BlobRef } from '../deploys/protocol.ts'
import { PelletError } from '../errors.ts'
import { namePattern } from '../manifest/paths.ts'
import type { Pellet } from '../pellet.ts'
import { sha256Pattern } from '../storage/blobs.ts'
import { receiveBlob } from './blob-body.ts'

/** Methods of the paths of deploying, by pattern. */
export const deployPaths: [pattern: RegExp, methods: string[]][] = [
  [/^\/api\/blobs\/missing$/, ['POST']],
  [/^\/api\/blobs\/[^/]+$/, ['PUT']],
  [/^\/api\/deployments\/[^/]+\/revisions$/, ['GET', 'POST']],
  [/^\/api\/deployments\/[^/]+\/rollback$/, ['POST']],
  [/^\/api\/deployments\/[^/]+$/, ['DELETE']],
]

/** What `pellet deploy`, `history`, `rollback` and `delete` ask; see `deploys/protocol.ts`. */
export function registerDeploys(app: H3, { deploys }: Pellet): void {
  app.post('/api/blobs/missing', async (event: H3Event) => {
    const { blobs } = ((await readJson(event)) ?? {}) as { blobs?: unknown }
    if (!Array.isArray(blobs) || !blobs.every(isBlobRef))
      throw new PelletError('invalid_request', 'blobs: expected a list of { sha256, sizeBytes }, found something else')
    return { missing: await deploys.missing(blobs) }
  })
  app.put('/api/blobs/:sha256', async (event: H3Event) => {
    const { searchParams } = event.url
    const sha256 = getRouterParam(event, 'sha256') ?? ''
    const ref = { sha256, sizeBytes: toSize('size', searchParams.get('size')) }
    const offset = toSize('offset', searchParams.get('offset') ?? '0')
    if (!isBlobRef(ref) || offset > ref.sizeBytes)
      throw new PelletError('invalid_request', `blobs: expected a sha256 of 64 hex digits and an offset within size`)
    const { req, res } = event.runtime!.node! as { req: IncomingMessage; res: ServerResponse }
    await receiveBlob(deploys.blobs, ref, offset, req, res)
    event.res.status = 201
    return ref
  })
  app.post('/api/deployments/:name/revisions', async (event: H3Event) => {
    const name = nameOf(event)
    const draft = await readJson(event)
    return toLines((tell) => deploys.deploy(name, draft, optionsOf(event), tell))
  })
  app.get('/api/deployments/:name/revisions', (event: H3Event) => deploys.history(nameOf(event)))
  app.post('/api/deployments/:name/rollback', async (event: H3Event) => {
    const name = nameOf(event)
    const { revision } = ((await readJson(event)) ?? {}) as { revision?: unknown }
    if (revision !== undefined && typeof revision !== 'string')
      throw new PelletError('invalid_request', 'revision: expected its first digits as text, found something else')
    return toLines((tell) => deploys.rollback(name, revision, optionsOf(event), tell))
  })
  app.delete('/api/deployments/:name', (event: H3Event) => deploys.delete(nameOf(event)))
}

// --- internal ---

/** A manifest has at most a few hundred KB. */
const maxJsonBytes = 4 * 1024 ** 2

async function readJson(event: H3Event): Promise<unknown> {
  const length = Number(event.req.headers.get('content-length') ?? NaN)
  if (!(length <= maxJsonBytes))
    throw new PelletError('invalid_request', `body: expected JSON with a Content-Length of at most ${maxJsonBytes}`)
  const text = await event.req.text()
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch (error) {
    throw new PelletError('invalid_request', `body: expected JSON, found: ${(error as Error).message}`)
  }
}

function nameOf(event: H3Event): string {
  const name = getRouterParam(event, 'name', { decode: true }) ?? ''
  if (namePattern.test(name)) return name
  throw new PelletError('invalid_request', `deployment: expected the name of one, found ${JSON.stringify(name)}`)
}

function optionsOf({ url: { searchParams } }: H3Event): ChangeOptions {
  return { probe: searchParams.get('probe') !== 'false', dryRun: searchParams.get('dry_run') === 'true' }
}

function isBlobRef(value: unknown): value is BlobRef {
  const { sha256, sizeBytes } = (value ?? {}) as Record<string, unknown>
  return (
    typeof sha256 === 'string' &&
    sha256Pattern.test(sha256) &&
    Number.isSafeInteger(sizeBytes) &&
    (sizeBytes as number) >= 0
  )
}

function toSize(key: string, text: string | null): number {
  const size = Number(text)
  if (text !== null && /^\d+$/.test(text) && Number.isSafeInteger(size)) return size
  throw new PelletError('invalid_request', `${key}: expected a number of bytes, found ${JSON.stringify(text)}`)
}

/** Tells what happens as it does. Who stops to listen does not stop what was begun. */
function toLines(work: (tell: Tell) => Promise<void>): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let isHeard = true
      const say = (act: () => void) => {
        try {
          if (isHeard) act()
        } catch {
          isHeard = false
        }
      }
      const tell: Tell = (event) => say(() => controller.enqueue(Buffer.from(`${JSON.stringify(event)}\n`)))
      void work(tell).finally(() => say(() => controller.close()))
    },
  })
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } })
}

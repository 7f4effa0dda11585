import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BlobRef } from '../deploys/protocol.ts'
import { PelletError } from '../errors.ts'
import type { BlobStore } from '../storage/blobs.ts'

/** An upload of which nothing comes for so long has broken off, though nobody told. */
const silentMs = 60_000

/**
 * Takes a blob from the body of a request as it comes. Where it fails, the rest of the body is left to Node, which reads
 * and drops it behind the answer.
 * @throws PelletError as `BlobStore.receive`
 */
export async function receiveBlob(
  blobs: BlobStore,
  ref: BlobRef,
  offset: number,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const length = req.headers['content-length']
  if (length !== undefined && Number(length) > ref.sizeBytes - offset)
    throw new PelletError(
      'invalid_request',
      `blob ${ref.sha256.slice(0, 12)}: expected at most ${ref.sizeBytes - offset} bytes, found a Content-Length of ${length}`,
    )
  if (req.headers.expect?.toLowerCase() === '100-continue') res.writeContinue()
  const timer = setTimeout(() => req.destroy(), silentMs)
  try {
    await blobs.receive(ref, offset, heard(req, timer))
  } finally {
    clearTimeout(timer)
  }
}

// --- internal ---

async function* heard(req: IncomingMessage, timer: NodeJS.Timeout): AsyncIterable<Uint8Array> {
  // To end the iteration would destroy the request, and its caller could not be answered.
  for await (const chunk of req.iterator({ destroyOnReturn: false })) {
    timer.refresh()
    yield chunk as Uint8Array
  }
}

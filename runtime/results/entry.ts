/** What is told of an answer that is kept. */
export interface EntryHeader {
  /** Content type. */
  type: string
  engine: string
  /** When it was computed, and until when it may be given; milliseconds since 1970, so that a restart does not matter. */
  createdAt: number
  expiresAt: number
}

/** An answer that is kept. */
export interface Entry extends EntryHeader {
  body: Uint8Array
}

/** Another key's answer is this key's too: the same request, spelled another way. */
export interface Alias {
  to: string
  createdAt: number
  expiresAt: number
}

/** What machines that share a store may differ in their clocks. */
const clockSkewMs = 60_000

/** As it lies in the store: a line of JSON, then the body as it is. Whether it is undamaged is the store's to know. */
export function encodeEntry(header: EntryHeader | Alias, body: Uint8Array[] = []): Buffer {
  const sizeBytes = body.reduce((sum, { length }) => sum + length, 0)
  return Buffer.concat([Buffer.from(`${JSON.stringify({ ...header, sizeBytes })}\n`), ...body])
}

/** Undefined for what `encodeEntry` did not write, or wrote in another version. The body is a view of `bytes`. */
export function decodeEntry(bytes: Uint8Array): Entry | Alias | undefined {
  const end = bytes.indexOf(newline)
  if (end === -1) return undefined
  const body = bytes.subarray(end + 1)
  let header: Record<string, unknown>
  try {
    header = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, end).toString()) as Record<string, unknown>
  } catch {
    return undefined
  }
  const { type, engine, to, createdAt, expiresAt, sizeBytes } = header
  if (sizeBytes !== body.length || typeof createdAt !== 'number' || typeof expiresAt !== 'number') return undefined
  if (typeof to === 'string') return { to, createdAt, expiresAt }
  if (typeof type !== 'string' || typeof engine !== 'string') return undefined
  return { type, engine, createdAt, expiresAt, body }
}

/** Whether it may be given at `now`. One from the future was written before the clock was set right. */
export function isFresh({ createdAt, expiresAt }: Entry | Alias, now: number): boolean {
  return now < expiresAt && now > createdAt - clockSkewMs
}

// --- internal ---

const newline = 10

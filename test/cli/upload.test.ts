import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { truncateSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { ConnectionError } from '../../runtime/cli/client-errors.ts'
import { followEvents } from '../../runtime/cli/deploy/events.ts'
import type { LocalBlob } from '../../runtime/cli/deploy/parcel.ts'
import { upload } from '../../runtime/cli/deploy/upload.ts'
import type { Target } from '../../runtime/cli/target.ts'
import type { BlobRef } from '../../runtime/deploys/protocol.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const test = suite('uploads')
const folder = temporaryFolder()

/** Takes blobs as a Pellet does; `breakAt`: at so many bytes in all it breaks the connection, once for each number. */
class Receiver {
  readonly parts = new Map<string, Buffer>()
  readonly puts: string[] = []
  readonly breakAt: number[] = []
  /** Statuses that the next uploads are answered with instead. */
  readonly refuseWith: [status: number, code: string][] = []
  #received = 0
  readonly #server = createServer((req, res) => void this.#answer(req, res).catch(() => res.destroy()))

  async start(): Promise<Target> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const url = new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`)
    return { shown: url.href, url }
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<unknown> {
    if (req.method === 'POST') {
      const { blobs } = (await json(req)) as { blobs: BlobRef[] }
      const rows = blobs.map((blob) => ({ ...blob, receivedBytes: this.parts.get(blob.sha256)?.length ?? 0 }))
      const missing = rows.filter(({ sha256 }) => !this.#isWhole(sha256))
      return res.end(JSON.stringify({ missing }))
    }
    const { pathname, searchParams } = new URL(req.url!, 'http://x')
    const sha256 = pathname.split('/').at(-1)!
    const offset = Number(searchParams.get('offset'))
    this.puts.push(`${offset} of ${searchParams.get('size')}`)
    const [status, code] = this.refuseWith.shift() ?? []
    if (status)
      return res
        .writeHead(status, { 'x-pellet-error': code })
        .end(JSON.stringify({ error: { message: 'refused', code } }))
    let part = (this.parts.get(sha256) ?? Buffer.alloc(0)).subarray(0, offset)
    this.parts.set(sha256, part)
    for await (const chunk of req) {
      part = Buffer.concat([part, chunk as Buffer])
      this.parts.set(sha256, part)
      this.#received += (chunk as Buffer).length
      if (this.#received >= this.breakAt[0]!) {
        this.breakAt.shift()
        return req.destroy()
      }
    }
    if (this.#isWhole(sha256)) return res.writeHead(201).end('{}')
    this.parts.delete(sha256)
    return res.writeHead(422, { 'x-pellet-error': 'wrong_digest' }).end('{"error":{"message":"wrong bytes"}}')
  }

  #isWhole(sha256: string): boolean {
    const part = this.parts.get(sha256)
    return part !== undefined && digestOf(part) === sha256
  }
}

interface Run {
  receiver: Receiver
  send(blobs: LocalBlob[], signal?: AbortSignal): Promise<void>
  told: string[]
}

function check(name: string, use: (run: Run) => Promise<void>): void {
  test(name, async () => {
    const receiver = new Receiver()
    const target = await receiver.start()
    const told: string[] = []
    const watcher = {
      started: ({ shown }: LocalBlob, from: number) => told.push(`${shown} from ${from}`),
      sent: () => {},
      ended: () => {},
      broke: (message: string, pauseMs: number) => told.push(`${message} ${pauseMs}`),
    }
    const send = (blobs: LocalBlob[], signal = new AbortController().signal) =>
      upload(target, blobs, { watcher, signal, pausesMs: [1, 2] })
    try {
      await use({ receiver, send, told })
    } finally {
      receiver.stop()
    }
  })
}

check(
  'only what lacks is sent, from a file and from memory, and an empty file as well',
  async ({ receiver, send, told }) => {
    const blobs = [
      fileBlob('model', randomBytes(3_000_000)),
      textBlob('code'),
      fileBlob('empty', Buffer.alloc(0)),
      textBlob('there'),
    ]
    receiver.parts.set(blobs[3]!.sha256, Buffer.from('there'))
    await send(blobs)
    assert.equal(told, ['model from 0', 'code from 0', 'empty from 0'])
    for (const { sha256, sizeBytes } of blobs) assert.is(receiver.parts.get(sha256)!.length, sizeBytes)
    await send(blobs)
    assert.is(receiver.puts.length, 3)
  },
)

check(
  'what breaks off goes on where it was, as often as something arrives, and in a later run',
  async ({ receiver, send, told }) => {
    const blob = fileBlob('long', randomBytes(4_000_000))
    receiver.breakAt.push(500_000, 1_000_000, 1_500_000, 2_000_000, 2_500_000)
    await send([blob])
    assert.is(digestOf(receiver.parts.get(blob.sha256)!), blob.sha256)
    assert.is(receiver.puts.length, 6)
    const offsets = receiver.puts.map((put) => parseInt(put))
    assert.equal(
      offsets,
      [...offsets].sort((a, b) => a - b),
    )
    assert.ok(
      offsets.every((offset, at) => at === 0 || offset >= 500_000 * at),
      offsets.join(' '),
    )
    assert.is(told.filter((line) => /connection closed.* 1$/.test(line)).length, 5, told.join('\n'))
    const other = fileBlob('other', Buffer.alloc(1000, 'ab'))
    receiver.parts.set(other.sha256, Buffer.alloc(400, 'ab'))
    await send([other])
    assert.is(receiver.puts.at(-1), '400 of 1000')
  },
)

check('an upload that gets nowhere is given up, with pauses that grow', async ({ receiver, send, told }) => {
  for (let i = 0; i < 3; i++) receiver.refuseWith.push([503, 'not_ready'])
  const blob = textBlob('stuck')
  assert.is(await messageOf(send([blob])), 'refused')
  assert.equal(
    told.filter((line) => line.startsWith('refused')),
    ['refused 1', 'refused 2'],
  )
})

check('what is refused for good is not tried again', async ({ receiver, send }) => {
  receiver.refuseWith.push([507, 'storage_full'])
  assert.is(await messageOf(send([textBlob('too much')])), 'refused')
  assert.is(receiver.puts.length, 1)
})

check(
  'what an earlier upload left and is damaged is sent anew; a file that changes meanwhile is told',
  async ({ receiver, send }) => {
    const blob = fileBlob('damaged', Buffer.from('0123456789'))
    receiver.parts.set(blob.sha256, Buffer.from('xxxxx'))
    await send([blob])
    assert.equal(receiver.puts, ['5 of 10', '0 of 10'])
    const changed = fileBlob('changed', Buffer.from('0123456789'.repeat(2)))
    writeFileSync((changed.source as { file: string }).file, 'a'.repeat(20))
    assert.is(await messageOf(send([changed])), 'changed has changed while it was sent; deploy again')
    const shorter = fileBlob('shorter', Buffer.from('0123456789'.repeat(3)))
    truncateSync((shorter.source as { file: string }).file, 10)
    assert.match(await messageOf(send([shorter])), /shorter became shorter while it was sent/)
  },
)

check('who interrupts is not made to wait', async ({ receiver, send }) => {
  receiver.refuseWith.push([503, 'not_ready'])
  const stop = new AbortController()
  const sending = messageOf(send([textBlob('left')], stop.signal))
  stop.abort()
  assert.ok(await sending)
  assert.ok(receiver.puts.length <= 1)
})

test('who is not told how a deploy ended hears that, and where it is to be seen', async () => {
  const line = `${JSON.stringify({ type: 'phase', phase: 'load', message: 'on its way' })}\n`
  const server = createServer((_req, res) => {
    res.writeHead(200, { 'content-type': 'application/x-ndjson' }).write(line, () => res.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  const heard: string[] = []
  const lost = await followEvents({ shown: 'there', url }, '/', {}, ({ type }) => heard.push(type)).catch(
    (error: unknown) => error,
  )
  server.close()
  assert.instance(lost, ConnectionError)
  assert.match(
    (lost as Error).message,
    /^there: expected to be told how it ended, .*; pellet history says what serves$/,
  )
  assert.equal(heard, ['phase'])
})

test.run()

// --- internal ---

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function fileBlob(shown: string, bytes: Buffer): LocalBlob {
  const file = join(folder, shown)
  writeFileSync(file, bytes)
  return { shown, sha256: digestOf(bytes), sizeBytes: bytes.length, source: { file } }
}

function textBlob(text: string): LocalBlob {
  const bytes = Buffer.from(text)
  return { shown: text, sha256: digestOf(bytes), sizeBytes: bytes.length, source: { bytes } }
}

function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: Error) => error.message,
  )
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { messageOf, PelletError } from '../../errors.ts'
import type { LoadedModel, LoadRequest, Lost } from '../protocol.ts'
import type { Device } from './device.ts'
import { DeviceError, retrySoonMs } from './device-error.ts'
import { answerRefusal } from './refuse.ts'

/** The device's HTTP interface for isolates: see protocol.ts. */
export function createHostServer(device: Device, kind: LoadedModel['kind']): Server {
  async function load(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let isGone = false
    res.once('close', () => (isGone = true))
    const request = (await json(req)) as LoadRequest
    const model = await device.load(request, () => !isGone)
    if (isGone) return device.unload(model)
    const { id, info } = model
    res.once('close', () => device.unload(model))
    const end = (lost: string, retryAfterMs: number) =>
      res.end(`${JSON.stringify({ lost, retryAfterMs } satisfies Lost)}\n`)
    model.onLost = end
    res.writeHead(200, { 'content-type': 'application/x-ndjson' })
    // It may have been lost in the moment in which it was loaded.
    if (!info) return void end('the NPU was lost', retrySoonMs)
    res.write(`${JSON.stringify({ id, kind, info } satisfies LoadedModel)}\n`)
  }

  function infer(id: number, req: IncomingMessage, res: ServerResponse): void {
    const model = device.find(id)
    if (model) model.serve(req, res)
    else {
      const message = 'the model is not loaded on the NPU any more'
      answerRefusal(res, new DeviceError('device_failed', message, { retryAfterMs: retrySoonMs }))
    }
  }

  const server = createServer(
    // Isolates keep their connections; an idle one closed from here would race with a frame.
    { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 },
    (req, res) => {
      res.sendDate = false
      const frames = /^\/models\/(\d+)\/frames$/.exec(req.url!)
      if (frames && req.method === 'POST') infer(Number(frames[1]), req, res)
      else if (req.url === '/models' && req.method === 'POST') load(req, res).catch((error) => refuse(res, error))
      else refuse(res, new PelletError('not_found', `expected POST /models, or frames of one, found ${req.url}`))
    },
  )
  return server
}

// --- internal ---

function refuse(res: ServerResponse, error: unknown): void {
  answerRefusal(res, error instanceof PelletError ? error : new PelletError('internal_error', messageOf(error)))
}

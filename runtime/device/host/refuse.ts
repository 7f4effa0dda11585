import type { ServerResponse } from 'node:http'
import type { PelletError } from '../../errors.ts'
import type { Refusal } from '../protocol.ts'
import { DeviceError } from './device-error.ts'

/** Answers with an error, as protocol.ts has it. */
export function answerRefusal(res: ServerResponse, error: PelletError): void {
  const { code, message, status, retryAfterMs } = error
  const refusal: Refusal = {
    error: { code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    ...(error instanceof DeviceError && error.isFull && { isFull: true }),
  }
  const body = JSON.stringify(refusal)
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  res.end(body)
}

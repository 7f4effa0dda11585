import { Agent, request, type IncomingMessage } from 'node:http'
import { exchangeHeader } from '../calls.ts'
import type { CallOrigin } from './call-client.ts'

/** Asks main whether it has the answer of this digest; resolves when it has it, or nobody else makes it. */
export type AskForResult = (digest: string, isFetched: boolean, origin: CallOrigin) => Promise<boolean>

/** @param socketPath where main answers isolates */
export function createResultClient(socketPath: string): AskForResult {
  const agent = new Agent({ keepAlive: true })
  return async (digest, isFetched, { exchange, signal }) => {
    const path = `/results/${digest}${isFetched ? '?fetched=1' : ''}`
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { [exchangeHeader]: exchange }
      request({ socketPath, agent, path, headers, signal }, resolve).on('error', reject).end()
    })
    answer.resume()
    return answer.statusCode === 200
  }
}

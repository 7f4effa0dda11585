import type { IncomingMessage } from 'node:http'
import { deserialize } from 'node:v8'
import { messageOf, PelletError } from '../../errors.ts'
import type { CallItem } from '../../steps/call.ts'
import { valuesType } from '../calls.ts'
import { readAll, toBytes } from './call-client.ts'
import { toCallRequest } from './call-request.ts'
import { release, type FetchPicture } from './parse.ts'
import type { Pipeline } from './pipeline.ts'
import { toValue, type Answer } from './respond.ts'
import { runPipeline, type Loaded, type Phases, type RequestScope } from './run.ts'

export interface CallSettings {
  /** Of this deployment. */
  name: string
  /** Items whose steps run side by side; the engine takes one at a time. */
  concurrency: number
  fetchPicture: FetchPicture
}

/**
 * Answers a call from another deployment: runs the route once for each item, and gives the results in the order of the
 * items. The first item that fails ends the call; its error says which one it was. `scope.phases` are sums over the items.
 * @throws PelletError
 */
export async function answerCall(
  req: IncomingMessage,
  loaded: Loaded,
  pipeline: Pipeline,
  scope: RequestScope,
  { name, concurrency, fetchPicture }: CallSettings,
): Promise<Answer> {
  const startedAt = performance.now()
  const items = deserialize(await readAll(req)) as CallItem[]
  scope.phases.receive = performance.now() - startedAt
  const results: unknown[] = []
  const failed = new AbortController()
  const signal = AbortSignal.any([scope.signal, failed.signal])
  let next = 0
  const work = async () => {
    while (next < items.length && !signal.aborted) {
      const at = next++
      const phases: Phases = { receive: 0, pre: 0, wait: 0, infer: 0, post: 0 }
      try {
        const request = toCallRequest(items[at]!, fetchPicture)
        const run = runPipeline(loaded, pipeline, request, { ...scope, phases, signal }).then(toValue)
        results[at] = await run.finally(() => release(request))
      } catch (error) {
        failed.abort(toItemError(error, items.length === 1 ? name : `${name}, item ${at + 1} of ${items.length}`))
      }
      add(scope.phases, phases)
    }
  }
  // All that is under way ends before the answer: what an isolate says to be done runs no more.
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, work))
  signal.throwIfAborted()
  return { type: valuesType, body: toBytes(name, results) }
}

// --- internal ---

function toItemError(error: unknown, where: string): PelletError {
  const message = `${where}: ${messageOf(error)}`
  if (!(error instanceof PelletError)) return new PelletError('internal_error', message, { cause: error })
  const { code, retryAfterMs, cause = error } = error
  return new PelletError(code, message, { cause, ...(retryAfterMs !== undefined && { retryAfterMs }) })
}

function add(sum: Phases, phases: Phases): void {
  for (const [name, ms] of Object.entries(phases) as [keyof Phases, number][]) sum[name] = (sum[name] ?? 0) + ms
}

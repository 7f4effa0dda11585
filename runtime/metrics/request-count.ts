import type { ServerResponse } from 'node:http'
import { modelNameOf, type Deployment } from '../deployments/deployment.ts'
import { errorCodes } from '../errors.ts'
import { increment, phases, type DeploymentCounts, type Phase, type Tally } from './counts.ts'

/** One request on its way to be counted, when its answer is over; on the path of each. */
export class RequestCount {
  readonly #deployment: Deployment
  readonly #route: string
  readonly #res: ServerResponse
  readonly #since = performance.now()
  #failure: { status: number; code: string; message: string } | undefined
  #answeredAt = 0
  #queueMs = 0
  #loadMs = 0
  #timing: string | undefined

  constructor(deployment: Deployment, route: string, res: ServerResponse) {
    this.#deployment = deployment
    this.#route = route
    this.#res = res
  }

  /** What it fails with; before it is over. */
  failed(status: number, code: string, message: string): void {
    this.#failure = { status, code, message }
  }

  /** The isolate begins to answer. @param timing `Server-Timing` of the isolate */
  answered({ queueMs, loadMs }: { queueMs: number; loadMs: number }, timing: string | undefined): void {
    this.#answeredAt = performance.now()
    this.#queueMs = queueMs
    this.#loadMs = loadMs
    this.#timing = timing
  }

  /** The answer is over, or the connection to its caller. */
  end(counts: DeploymentCounts, tally: Tally): void {
    const now = performance.now()
    const ms = now - this.#since
    const res = this.#res
    const failure = this.#failure
    const status = failure?.status ?? (res.writableFinished ? res.statusCode : callerLeft)
    // No model had a part in an answer that was kept.
    const isKept = this.#deployment.manifest.cache !== undefined && res.getHeader('x-cache') === 'hit'
    if (status < 400 && !isKept) {
      tally.inferences++
      tally.latencyMs = Math.round(ms * 1000) / 1000
    } else if (status >= 500) {
      tally.errors++
      if (failure) tally.lastError = failure.message
    }
    const route = counts.routeOf(this.#route)
    increment(route.statuses, status)
    if (status === callerLeft) return
    route.durations.addMs(ms)
    if (this.#answeredAt > 0) {
      route.addPhase('queue', this.#queueMs)
      if (this.#loadMs > 0) route.addPhase('load', this.#loadMs)
      if (this.#timing !== undefined) readTiming(this.#timing, (phase, phaseMs) => route.addPhase(phase, phaseMs))
      route.addPhase('respond', now - this.#answeredAt)
    }
    const error = status < 400 ? undefined : nameOf(failure?.code, status)
    if (error !== undefined) increment(route.errors, error)
    if (isKept) return
    const model = counts.modelOf(modelNameOf(this.#deployment))
    if (error === undefined) {
      model.succeeded++
      model.durations.addMs(ms)
    } else {
      model.failed++
      increment(model.errors, error)
    }
  }
}

// --- internal ---

/** What proxies count a caller as who did not wait for the answer; it is never sent. */
const callerLeft = 499
const known = new Set<string>(phases)

/** Reads `pre;dur=0.12, infer;dur=3.40`, as the isolate writes it; it runs the function's code, so nothing else counts. */
function readTiming(text: string, add: (phase: Phase, ms: number) => void): void {
  for (let at = 0; at < text.length;) {
    const mark = text.indexOf(';dur=', at)
    if (mark === -1) return
    let end = text.indexOf(', ', mark)
    if (end === -1) end = text.length
    const phase = text.slice(at, mark)
    const ms = Number(text.slice(mark + 5, end))
    if (known.has(phase) && ms >= 0 && ms < Infinity) add(phase as Phase, ms)
    at = end + 2
  }
}

/** Codes are those of the registry, so that there are no more series than of these. */
function nameOf(code: string | undefined, status: number): string {
  return code !== undefined && Object.hasOwn(errorCodes, code) ? code : `http_${status}`
}

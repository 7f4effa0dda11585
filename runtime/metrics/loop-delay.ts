import { Times } from './times.ts'

/**
 * How often it is looked; 0.06 % of a core when nothing else goes on (measured). A delay is met as often as a request that
 * comes at any moment would meet it.
 */
const intervalMs = 200
const boundsS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/**
 * How long main keeps what comes waiting: by how much a timer is late. perf_hooks has a histogram of its own, whose buckets
 * are not Prometheus' and whose percentiles cannot be added up.
 */
export function watchLoopDelay(): Times {
  const delays = new Times(boundsS)
  let expectedAt = performance.now() + intervalMs
  setInterval(() => {
    const now = performance.now()
    delays.addMs(Math.max(0, now - expectedAt))
    expectedAt = now + intervalMs
  }, intervalMs).unref()
  return delays
}

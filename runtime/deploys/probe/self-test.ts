import type { StagedRevision } from '../../deployments/staged.ts'

/**
 * One run of a staged revision's model, in its isolate: what is wrong with what comes out.
 * @throws PelletError `isolate_crashed` and the like when it ends in the middle; the signal's reason when that aborts
 */
export async function selfTest(staged: StagedRevision, signal: AbortSignal): Promise<string[]> {
  const { timeoutMs } = staged.deployment.manifest.limits
  const lease = await staged.acquire(timeoutMs)
  const over = new AbortController()
  const aborted = new Promise<never>((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: over.signal }),
  )
  try {
    const problems = await Promise.race([lease.isolate.test(timeoutMs), aborted])
    if (problems !== undefined) return problems
    if (lease.isolate.ending) throw lease.isolate.ending
    return [`expected its model to run within ${timeoutMs} ms (limits.timeout), found no answer`]
  } finally {
    over.abort()
    lease.release(true)
  }
}

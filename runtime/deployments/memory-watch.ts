import type { Isolate } from '../isolate/isolate.ts'
import { proportionalBytes, residentBytes } from '../isolate/memory.ts'

const intervalMs = 500
/** The proportional size costs the kernel a walk; it is taken this many rounds apart, or when the cheap one is high. */
const roundsBetweenWalks = 8

/** Watches the size of living isolates; the timer does nothing while there are none. Returns what ends it. */
export function watchMemory(
  isolates: () => Isolate[],
  report: (isolate: Isolate, sizeBytes: number) => void,
): () => void {
  let round = 0
  let busy = false
  async function look(): Promise<void> {
    if (busy) return
    busy = true
    const walk = ++round % roundsBetweenWalks === 0
    for (const isolate of isolates()) {
      if (isolate.pid === undefined) continue
      const resident = await residentBytes(isolate.pid)
      if (resident === undefined) continue
      if (!walk && resident <= isolate.deployment.manifest.limits.memoryBytes) continue
      report(isolate, (await proportionalBytes(isolate.pid)) ?? resident)
    }
    busy = false
  }
  const timer = setInterval(() => void look(), intervalMs)
  timer.unref()
  return () => clearInterval(timer)
}

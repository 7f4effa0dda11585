import { Agent, request, type OutgoingHttpHeaders } from 'node:http'

export interface Target {
  url: string
  headers: OutgoingHttpHeaders
  body: Buffer
}

/** Latencies in milliseconds, sorted, and the rate that went with them. */
export interface Measured {
  p50: number
  p90: number
  p99: number
  perSecond: number
  count: number
}

/** Calls a target from `concurrency` callers, `count` times in all, over kept connections. Throws on any other answer than 200. */
export async function load(target: Target, concurrency: number, count: number): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency })
  const times: number[] = []
  let left = count
  const startedAt = performance.now()
  async function caller(): Promise<void> {
    while (left-- > 0) {
      const at = performance.now()
      await call(target, agent)
      times.push(performance.now() - at)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, caller))
  const elapsed = performance.now() - startedAt
  agent.destroy()
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))]!
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), perSecond: (times.length / elapsed) * 1000, count: times.length }
}

/** One call; its answer's `Server-Timing` by phase, in milliseconds. */
export function call({ url, headers, body }: Target, agent?: Agent): Promise<Record<string, number>> {
  return new Promise((resolve, reject) => {
    const req = request(
      url,
      { method: 'POST', agent, headers: { ...headers, 'content-length': body.length } },
      (res) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => void (res.statusCode === 200 ? 0 : chunks.push(chunk)))
        res.on('end', () => {
          if (res.statusCode !== 200)
            return reject(new Error(`expected 200, found ${res.statusCode}: ${String(Buffer.concat(chunks))}`))
          resolve(toPhases(String(res.headers['server-timing'] ?? '')))
        })
      },
    )
    req.on('error', reject)
    req.end(body)
  })
}

/** Median of a timed function over `count` runs, in milliseconds. */
export async function median(count: number, run: () => unknown): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const at = performance.now()
    await run()
    times.push(performance.now() - at)
  }
  return times.sort((a, b) => a - b)[Math.floor(count / 2)]!
}

// --- internal ---

function toPhases(header: string): Record<string, number> {
  return Object.fromEntries([...header.matchAll(/(\w+);dur=([\d.]+)/g)].map(([, name, ms]) => [name!, Number(ms)]))
}

/** A function of koffi; `async` runs it on a thread of libuv's pool. */
interface KoffiFunction {
  async(...args: unknown[]): unknown
}

/** A function of C that blocks and answers with a status, as one that does not keep the thread of JavaScript. */
export type Slow<Args extends unknown[] = unknown[]> = (...args: Args) => Promise<number>

export function toSlow(fn: KoffiFunction): Slow {
  return async (...args) => {
    underWay.add(args)
    try {
      return await new Promise<number>((resolve, reject) => {
        fn.async(...args, (error: unknown, status: number) => (error ? reject(error as Error) : resolve(status)))
      })
    } finally {
      underWay.delete(args)
    }
  }
}

// --- internal ---

/** koffi keeps no Buffer of a call alive while it runs: this does. */
const underWay = new Set<unknown[]>()

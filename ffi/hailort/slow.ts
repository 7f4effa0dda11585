/** A function of koffi that blocks: seconds, where a device does not answer. */
export interface Slow {
  async(...args: [...unknown[], (error: unknown, status: number) => void]): void
}

/** Calls it on a thread of libuv's pool. @returns its status */
export function callSlowly(slow: Slow, ...args: unknown[]): Promise<number> {
  // koffi keeps no Buffer alive while C works with it.
  underWay.add(args)
  return new Promise<number>((resolve, reject) => {
    slow.async(...args, (error: unknown, status: number) => {
      if (error) reject(error as Error)
      else resolve(status)
    })
  }).finally(() => underWay.delete(args))
}

// --- internal ---

const underWay = new Set<unknown[]>()

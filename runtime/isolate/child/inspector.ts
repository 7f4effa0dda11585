import { open } from 'node:inspector'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const host = '127.0.0.1'
/** The revision before may hold the port until its last request is over. */
const retryMs = 200

/**
 * Opens the debugger's port, as soon as it is free. Resolves when it was tried once: what is debugged need not wait for it.
 * @param tell what became of it, for people
 */
export async function openInspector(port: number, tell: (message: string) => void): Promise<void> {
  const start = () => {
    open(port, host)
    tell(`the debugger listens on ${host}:${port}: open chrome://inspect, or attach an editor`)
  }
  if (await isFree(port)) return start()
  tell(`${port}: expected a free port for the debugger, found it taken; it is opened when it is free (--inspect-port)`)
  void (async () => {
    while (!(await isFree(port))) await delay(retryMs)
    start()
  })()
}

// --- internal ---

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

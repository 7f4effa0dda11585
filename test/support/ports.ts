import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'

const given = new Set<number>()

/** A free port on loopback, below those that the kernel gives to outgoing connections; each is given once. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 18_000 + Math.floor(Math.random() * 14_000)
    if (given.has(port)) continue
    given.add(port)
    const server = await occupy(port).catch(() => undefined)
    if (!server) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** As many, all different. */
export function freePorts(count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, freePort))
}

/** Listens on any port of loopback. @returns its URL, without a path */
export async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Takes a port on loopback until the server is closed. Rejects when it is taken. */
export async function occupy(port: number): Promise<Server> {
  const server = createServer((socket) => socket.destroy())
  server.listen(port, '127.0.0.1')
  await Promise.race([
    once(server, 'listening'),
    once(server, 'error').then(([error]) => Promise.reject(error as Error)),
  ])
  return server
}

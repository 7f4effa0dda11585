import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { temporaryFolder } from './fixture-tmp.ts'

/** Whether this machine has a Redis to start. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0

/** A real Redis on loopback that keeps nothing on disk. Ended with the test's process. */
export class RedisServer {
  readonly child: ChildProcess
  readonly port: number

  /** Resolves when it takes connections. */
  static async start(port: number): Promise<RedisServer> {
    const server = new RedisServer(port)
    for await (const line of createInterface({ input: server.child.stdout! }))
      if (line.includes('Ready to accept connections')) break
    server.child.stdout!.resume()
    return server
  }

  private constructor(port: number) {
    this.port = port
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', temporaryFolder()]
    this.child = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'inherit'] })
    running.add(this.child)
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/0`
  }

  /** Resolves when it is gone. */
  kill(): Promise<void> {
    running.delete(this.child)
    return new Promise((resolve) => {
      this.child.once('exit', () => resolve())
      this.child.kill('SIGKILL')
    })
  }
}

// --- internal ---

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

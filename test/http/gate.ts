import { createServer } from 'node:http'
import { listen } from '../support/ports.ts'

/** A door between a function and its test: the function asks and waits, the test sees who asked and lets them in. */
export interface Gate {
  url: string
  /** Resolves when `count` are at the door. */
  waiting(count: number): Promise<void>
  /** What those at the door said (`?who=`), in the order of arrival. */
  names(): string[]
  /** Lets all in who are there; with `forGood` also those who come later. */
  open(forGood?: boolean): void
  close(): void
}

export async function createGate(): Promise<Gate> {
  let visitors: { name: string; enter(): void }[] = []
  let isOpen = false
  const watchers = new Set<() => void>()
  const server = createServer((req, res) => {
    const name = new URL(req.url!, 'http://gate').searchParams.get('who') ?? ''
    if (isOpen) return void res.end()
    const visitor = { name, enter: () => void res.end() }
    visitors.push(visitor)
    res.on('close', () => {
      visitors = visitors.filter((one) => one !== visitor)
      for (const check of watchers) check()
    })
    for (const check of watchers) check()
  })
  const url = `${await listen(server)}/`
  return {
    url,
    names: () => visitors.map(({ name }) => name),
    waiting: (count) =>
      new Promise((resolve) => {
        const check = () => {
          if (visitors.length !== count) return
          watchers.delete(check)
          resolve()
        }
        watchers.add(check)
        check()
      }),
    open(forGood = false) {
      isOpen = forGood
      for (const { enter } of visitors.splice(0)) enter()
    },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

import { connect, type Socket } from 'node:net'
import { AnswerReader, type Answer } from './answers.ts'
import type { FuzzRequest, Step } from './request.ts'

/** What a caller saw. */
export interface Outcome {
  answers: Answer[]
  /** How the other side ended the connection; undefined: not at all, as far as was waited. */
  closed: 'end' | 'reset' | undefined
  /** Of an answer that is not whole. */
  rest: number
  /** From the first byte sent to the last that was waited for. */
  tookMs: number
}

/** Does on a connection of its own what the request says, and waits for what it expects; not longer than `patienceMs` for anything. */
export async function play(url: string, request: FuzzRequest, patienceMs: number): Promise<Outcome> {
  const { hostname, port } = new URL(url)
  const startedAt = performance.now()
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true })
  const reader = new AnswerReader(request.isHead ?? false)
  let closed: Outcome['closed']
  const done = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, patienceMs)
    // What comes drop by drop must end at some time, too.
    const limit = setTimeout(resolve, longestMs)
    const stopTimers = () => [timer, limit].forEach((one) => clearTimeout(one))
    const end = (how: 'end' | 'reset') => {
      closed ??= how
      reader.end()
      stopTimers()
      resolve()
    }
    socket.on('data', (chunk) => {
      // What comes line by line may take its time.
      timer.refresh()
      reader.push(chunk)
      if (reader.answers.length < (request.answers ?? 1)) return
      stopTimers()
      // An answer that nobody asked for comes right behind the last.
      setTimeout(resolve, afterMs)
    })
    socket.on('end', () => end('end'))
    socket.on('error', () => end('reset'))
    socket.on('close', () => end('end'))
  })
  // Answers may come, and the connection end, before all is sent.
  const sending = send(socket, request.steps)
  await (request.expects === 'nothing' ? Promise.race([sending, done]) : done)
  socket.destroy()
  await sending
  return { answers: reader.answers, closed, rest: reader.rest, tookMs: performance.now() - startedAt }
}

// --- internal ---

const longestMs = 180_000
const afterMs = 5

async function send(socket: Socket, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (socket.destroyed) return
    if (step === 'half-close') socket.end()
    else if (step === 'leave') return void socket.destroy()
    else if ('waitMs' in step) await new Promise((resolve) => setTimeout(resolve, step.waitMs))
    // The callback comes with an error, too, when the connection is gone.
    else await new Promise<void>((resolve) => socket.write(step.send, () => resolve()))
  }
}

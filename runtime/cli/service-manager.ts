import { openNotify, takeWatchdogMs, type Notify } from '../../ffi/systemd.ts'
import type { Pellet } from '../pellet.ts'

/** How often what people read in `systemctl status` is looked at, where no watchdog asks for more. */
const longestBeatMs = 5000
/** Twice what is recommended: a board that swaps may hold main up for some seconds, and that is no reason to end it. */
const beatsPerWatchdog = 4
/** What a stop may take beyond the grace time of requests. */
const stopMarginMs = 5000

/** Tells systemd how Pellet fares: sd_notify(3). Silent where no service manager asks. */
export class ServiceManager {
  readonly #notify: Notify
  readonly #watchdogMs: number | undefined
  #pellet: Pellet | undefined
  #status = ''
  #isFed = true

  /** Takes what the environment says of it out of the environment: children are not asked. */
  constructor() {
    this.#watchdogMs = takeWatchdogMs()
    const notify = openNotify()
    this.#notify = notify ?? (() => {})
    const beatMs = Math.min(longestBeatMs, (this.#watchdogMs ?? Infinity) / beatsPerWatchdog)
    if (notify) setInterval(() => this.#beat(), beatMs).unref()
  }

  /** Everything stands: the sockets accept, the routes are known. */
  ready(pellet: Pellet): void {
    this.#pellet = pellet
    this.#status = statusOf(pellet)
    this.#notify(`READY=1\nSTATUS=${this.#status}`)
  }

  /** The configuration and the project are read again; `ready` says when that is done. */
  reloading(): void {
    const monotonicUsec = process.hrtime.bigint() / 1000n
    this.#notify(`RELOADING=1\nMONOTONIC_USEC=${monotonicUsec}\nSTATUS=reading the project again`)
  }

  /** @param graceMs The longest that requests under way are waited for */
  stopping(graceMs: number): void {
    this.#pellet = undefined
    this.#notify(`STOPPING=1\nEXTEND_TIMEOUT_USEC=${(graceMs + stopMarginMs) * 1000}\nSTATUS=finishing requests`)
  }

  // --- internal ---

  /** The watchdog is fed by real progress only: without it this process is ended and started anew. */
  #beat(): void {
    const problem = this.#pellet?.vitals.problem()
    if (this.#watchdogMs !== undefined) {
      if (problem === undefined) this.#notify('WATCHDOG=1')
      else if (this.#isFed) this.#pellet!.log.error(`the watchdog is not fed any more: ${problem}`)
      this.#isFed = problem === undefined
    }
    const status = problem ?? (this.#pellet && statusOf(this.#pellet)) ?? this.#status
    if (status !== this.#status) this.#notify(`STATUS=${(this.#status = status)}`)
  }
}

// --- internal ---

/** One line for people, e.g. `serving 3 deployments, 2 loaded`. */
function statusOf(pellet: Pellet): string {
  const { deployments, failures } = pellet.routes
  const loaded = pellet.dispatcher.snapshot().filter(({ state }) => state === 'ready').length
  const broken = failures.filter(({ missing }) => !missing).length
  return [
    `serving ${deployments.size} deployment${deployments.size === 1 ? '' : 's'}`,
    `${loaded} loaded`,
    ...(broken > 0 ? [`${broken} broken (pellet list)`] : []),
    ...(pellet.isReady() ? [] : [pellet.notReadyReason()]),
  ].join(', ')
}

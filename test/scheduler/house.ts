import * as assert from 'uvu/assert'
import { Scheduler } from '../../runtime/scheduler/scheduler.ts'
import { stagedName } from '../../runtime/scheduler/staging.ts'
import type { Effect, Terms } from '../../runtime/scheduler/types.ts'

type Kill = Extract<Effect, { type: 'kill' }>

/** Why only calls are refused. */
const chainRefusals = { ring: /wait for each other's calls/, together: /together/, full: /no room for it beside/ }

export interface HouseIsolate {
  number: number
  terms: Terms
  state: 'loading' | 'ready' | 'killed'
  readyAt: number
  sizeBytes: number
  requests: Set<number>
}

/**
 * An owner of make-believe isolates with a clock of its own. It carries out what the scheduler decides and holds each
 * decision against the rules; `rules` are those a decision must keep, whatever has happened before.
 */
export class House {
  now = 0
  readonly scheduler: Scheduler
  readonly #budgetBytes: number
  /** Of the chip behind the engine `npu`, and of what each revision takes of it; only the chip knows. */
  readonly #chipBytes: number
  readonly #chipNeeds = new Map<string, number>()
  readonly isolates = new Map<number, HouseIsolate>()
  readonly terms = new Map<string, Terms>()
  /** By the deployment's name; what is staged has terms under its own name too. */
  readonly staged = new Map<string, Terms>()
  /** Waiting, oldest first. */
  readonly waiting = new Map<number, { name: string; deadlineAt: number; arrivedAt: number }>()
  readonly granted = new Map<number, HouseIsolate>()
  /** Who made a request that is not over; and of each, those that it waits for. */
  readonly #parents = new Map<number, number>()
  readonly counts: Record<string, number> = {}
  /** Longest time for which a deployment had waiting requests and none of them was granted. */
  longestWaitMs = 0
  readonly minResidencyMs = 1000
  onLoad: (isolate: HouseIsolate) => void = () => {}
  onGrant: (request: number) => void = () => {}
  onKill: (isolate: HouseIsolate) => void = () => {}
  /** A request that `parent` made is over, whether it was served or refused. */
  onCallEnd: (parent: number) => void = () => {}
  /** By revision, as the scheduler is to predict it. */
  readonly #predicted = new Map<string, number>()
  readonly #progressAt = new Map<string, number>()
  #requests = 0
  /** Granted, and their isolate is gone. */
  #lost: number[] = []
  isAborted = false
  /** Since when nothing goes on with what should, by what it is. */
  #stalls = new Map<string, number>()

  constructor({ budgetBytes, chipBytes }: { budgetBytes: number; chipBytes: number }) {
    this.#budgetBytes = budgetBytes
    this.#chipBytes = chipBytes
    this.scheduler = new Scheduler({ budgetBytes, minResidencyMs: this.minResidencyMs }, () => this.now)
  }

  deploy(terms: Terms): void {
    this.terms.set(terms.name, terms)
    this.apply(this.scheduler.deploy(terms))
  }

  stage(terms: Terms): void {
    const name = stagedName(terms.name)
    this.staged.set(terms.name, terms)
    this.terms.set(name, { ...terms, name, pin: false, keepAliveMs: -1, isStaged: true })
    this.apply(this.scheduler.stage(terms))
  }

  /** @param name of the deployment, for which something is staged */
  promote(name: string): void {
    const terms = this.staged.get(name)!
    const isWarm = (isolate: HouseIsolate) => isolate.terms.name === stagedName(name)
    for (const isolate of this.isolates.values()) if (isWarm(isolate)) isolate.terms = terms
    this.terms.set(name, terms)
    this.#unstage(name)
    this.apply(this.scheduler.promote(terms))
  }

  discard(name: string): void {
    this.#unstage(name)
    this.apply(this.scheduler.discard(name))
    for (const { terms, state } of this.isolates.values())
      assert.ok(terms.name !== stagedName(name) || state === 'killed', 'something of what was discarded lives')
  }

  remove(name: string): void {
    this.terms.delete(name)
    this.apply(this.scheduler.remove(name))
  }

  request(name: string, deadlineAt: number, keepAliveMs?: number): void {
    const id = ++this.#requests
    const before = this.#waitingOf(name).length
    if (before === 0) this.#progressAt.set(name, this.now)
    this.waiting.set(id, { name, deadlineAt, arrivedAt: this.now })
    this.apply(this.scheduler.request({ id, name, deadlineAt, ...(keepAliveMs !== undefined && { keepAliveMs }) }))
    // A deployment that was replaced by one with lower limits keeps those who wait already.
    const { concurrency, queue } = this.terms.get(name) ?? { concurrency: 0, queue: { depth: 0 } }
    const waiting = this.#waitingOf(name).filter((id) => !this.#parents.has(id))
    assert.ok(waiting.length <= Math.max(before, concurrency + queue.depth), 'more wait than may')
  }

  /** A request that the granted request `parent` makes, and waits for. */
  call(name: string, parent: number, deadlineAt: number): void {
    const id = ++this.#requests
    if (this.#waitingOf(name).length === 0) this.#progressAt.set(name, this.now)
    this.waiting.set(id, { name, deadlineAt, arrivedAt: this.now })
    this.#parents.set(id, parent)
    this.apply(this.scheduler.request({ id, name, deadlineAt, parent }))
  }

  /** Requests that a granted one waits for. */
  callsOf(parent: number): number[] {
    return [...this.#parents].filter(([, of]) => of === parent).map(([id]) => id)
  }

  release(id: number, isOk: boolean): void {
    this.granted.get(id)?.requests.delete(id)
    this.granted.delete(id)
    this.apply(this.scheduler.release(id, isOk))
    this.#end(id)
  }

  /** The caller leaves, and with him what was called for him. */
  cancel(id: number): void {
    this.waiting.delete(id)
    this.granted.get(id)?.requests.delete(id)
    this.granted.delete(id)
    this.apply(this.scheduler.cancel(id))
    this.#end(id)
  }

  loaded(isolate: HouseIsolate, sizeBytes: number, loadMs: number): void {
    if (isolate.state === 'loading') {
      isolate.state = 'ready'
      isolate.readyAt = this.now
      this.#resize(isolate, sizeBytes)
    }
    this.apply(this.scheduler.loaded(isolate.number, { sizeBytes, loadMs }))
  }

  measured(isolate: HouseIsolate, sizeBytes: number): void {
    if (isolate.state !== 'killed') this.#resize(isolate, sizeBytes)
    this.apply(this.scheduler.measured(isolate.number, sizeBytes))
  }

  loadFailed(isolate: HouseIsolate, outOfMemory: boolean): void {
    this.apply(this.scheduler.loadFailed(isolate.number, { message: 'no luck', outOfMemory }))
  }

  /** What a revision takes of the chip. */
  needsOfChip(revision: string, chipBytes: number): void {
    this.#chipNeeds.set(revision, chipBytes)
  }

  /** Whether the chip has no room for one that is loading; those that are dying have their room still. */
  isChipFull({ number, terms }: HouseIsolate): boolean {
    if (terms.engine !== 'npu') return false
    let chipBytes = this.#chipNeeds.get(terms.revision)!
    for (const other of this.isolates.values())
      if (other.number !== number && other.readyAt > 0 && other.terms.engine === 'npu')
        chipBytes += this.#chipNeeds.get(other.terms.revision)!
    return chipBytes > this.#chipBytes
  }

  exited(isolate: HouseIsolate): void {
    this.isolates.delete(isolate.number)
    isolate.state = 'killed'
    this.#forget(isolate)
    this.apply(this.scheduler.exited(isolate.number, { message: 'gone' }))
  }

  /** Ticks if it is time. Afterwards it must not be time still, or the owner would spin. */
  tick(): void {
    this.apply(this.scheduler.tick())
    const next = this.scheduler.nextWakeAt()
    assert.ok(next === undefined || next > this.now, `wakes again at ${next}, and it is ${this.now}`)
  }

  apply(effects: Effect[]): void {
    for (const effect of effects) {
      const key = effect.type === 'kill' ? effect.reason : effect.type === 'refuse' ? effect.code : effect.type
      this.counts[key] = (this.counts[key] ?? 0) + 1
      if (effect.type === 'load') this.#load(effect.isolate, effect.name, effect.revision)
      else if (effect.type === 'grant') this.#grant(effect.request, effect.isolate)
      else if (effect.type === 'refuse') this.#refuse(effect)
      else if (effect.type === 'kill') this.#kill(effect)
    }
    this.#check()
    for (let id = this.#lost.pop(); id !== undefined; id = this.#lost.pop()) this.#end(id)
  }

  // --- internal ---

  #unstage(name: string): void {
    this.staged.delete(name)
    this.terms.delete(stagedName(name))
  }

  #load(number: number, name: string, revision: string): void {
    const terms = this.terms.get(name)
    assert.ok(terms !== undefined && terms.revision === revision, `loads ${name} ${revision}, which is not deployed`)
    assert.not(this.isolates.has(number))
    const own = [...this.isolates.values()].filter(
      (isolate) => isolate.terms.name === name && isolate.state === 'loading',
    )
    assert.is(own.length, 0, `${name} is loaded twice at a time`)
    assert.ok(this.#waitingOf(name).length > 0 || this.counts['operator']! > 0, `${name} is loaded for nobody`)
    const sizeBytes = this.#predicted.get(revision) ?? terms.sizeBytes
    let usedBytes = 0
    for (const isolate of this.isolates.values()) usedBytes += isolate.sizeBytes
    if (usedBytes + sizeBytes > this.#budgetBytes)
      assert.is(this.isolates.size, 0, `${name} is loaded beyond the budget`)
    const isolate: HouseIsolate = { number, terms, state: 'loading', readyAt: 0, sizeBytes, requests: new Set() }
    this.isolates.set(number, isolate)
    this.onLoad(isolate)
  }

  #grant(id: number, number: number): void {
    const request = this.waiting.get(id)
    const isolate = this.isolates.get(number)
    assert.ok(request, `request ${id} is granted, and does not wait`)
    assert.ok(isolate?.state === 'ready', `request ${id} is granted a place in an isolate that is not ready`)
    assert.is(isolate.terms.name, request.name)
    const waiting = this.#waitingOf(request.name)
    const first = waiting.find((one) => this.#parents.has(one)) ?? waiting[0]
    const oldest = waiting.find((one) => !this.#parents.has(one))
    const isStarving = id === oldest && this.now - request.arrivedAt >= 2000
    assert.ok(id === first || isStarving, 'granted out of order')
    assert.ok(request.deadlineAt > this.now, 'granted after its deadline')
    this.waiting.delete(id)
    this.granted.set(id, isolate)
    isolate.requests.add(id)
    assert.ok(
      isolate.requests.size <= this.terms.get(request.name)!.concurrency,
      'more granted than limits.concurrency',
    )
    this.#progressAt.set(request.name, this.now)
    this.onGrant(id)
  }

  #refuse({ request: id, code, message }: Extract<Effect, { type: 'refuse' }>): void {
    const request = this.waiting.get(id)
    assert.ok(request, `request ${id} is refused, and does not wait`)
    if (code === 'deadline_exceeded') assert.ok(request.deadlineAt <= this.now, 'refused before its deadline')
    if (code === 'queue_full' || code === 'dropped') {
      const { concurrency, queue } = this.terms.get(request.name)!
      assert.ok(this.#outstanding(request.name) > concurrency + queue.depth, 'refused though there was room')
      const oldest = this.#waitingOf(request.name).find((one) => !this.#parents.has(one))
      if (code === 'dropped') assert.is(oldest, id, 'dropped, and not the oldest')
      assert.not(this.#parents.has(id), 'a call is refused for want of a place')
    }
    for (const [what, pattern] of Object.entries(chainRefusals))
      if (pattern.test(message)) this.counts[what] = (this.counts[what] ?? 0) + 1
    if (code === 'stopping' && !this.isAborted)
      assert.not(this.granted.has(this.#parents.get(id) ?? 0), 'a call of an accepted request is refused')
    this.waiting.delete(id)
    this.#end(id)
  }

  #kill({ isolate: number, reason, message }: Kill): void {
    const isolate = this.isolates.get(number)
    assert.ok(isolate && isolate.state !== 'killed', `isolate ${number} is killed twice, or is gone`)
    const isForced = ['memory', 'hung', 'stopping', 'discarded'].includes(reason)
    if (!isForced) assert.is(isolate.requests.size, 0, `a busy isolate is killed: ${reason}`)
    if (reason === 'keep_alive') assert.not(this.terms.get(isolate.terms.name)?.isStaged)
    if (reason === 'evicted' || reason === 'keep_alive') {
      assert.not(isolate.terms.pin, `a pinned isolate is killed: ${reason}`)
      assert.ok(reason === 'keep_alive' || isolate.state === 'ready')
    }
    if (reason === 'evicted') {
      assert.ok(this.now - isolate.readyAt >= this.minResidencyMs, 'evicted before its minimum residency')
      const full = /for which (\w+) was full/.exec(message)?.[1]
      if (full === 'npu') this.counts['chip'] = (this.counts['chip'] ?? 0) + 1
      if (full !== undefined) assert.is(isolate.terms.engine, full, 'evicted for an engine that it is not on')
      else assert.ok(this.#budgetBytes < Infinity, `evicted, though memory is without bound: ${message}`)
    }
    isolate.state = 'killed'
    this.#forget(isolate)
    this.onKill(isolate)
  }

  #check(): void {
    const wakeAt = this.scheduler.nextWakeAt() ?? Infinity
    for (const { deadlineAt } of this.waiting.values()) assert.ok(wakeAt <= deadlineAt, 'sleeps through a deadline')
    for (const row of this.scheduler.snapshot()) {
      assert.ok(wakeAt <= (row.expiresAt ?? Infinity), 'sleeps through an expiry')
      assert.is(row.queued, this.#waitingOf(row.name).length)
    }
    this.#checkStalls()
    for (const { name } of this.waiting.values())
      // What is staged never starves: it waits until there is room.
      if (name !== stagedName(name.split(' ')[0]!))
        this.longestWaitMs = Math.max(this.longestWaitMs, this.now - this.#progressAt.get(name)!)
  }

  /** Nothing that vitals would take for a stall, ever: a false alarm restarts Pellet. */
  #checkStalls(): void {
    const isolates = new Map([...this.isolates].map(([number, { state }]) => [number, { isReady: state === 'ready' }]))
    const owner = { waiting: this.waiting.size, leases: this.granted.size, isolates, isDebugged: () => false }
    const since = new Map<string, number>()
    for (const { key, message, allowedMs } of this.scheduler.stalls(owner)) {
      since.set(key, this.#stalls.get(key) ?? this.now)
      assert.ok(this.now - since.get(key)! < allowedMs / 2, `a false alarm: ${key}: ${message}`)
    }
    this.#stalls = since
  }

  /** A request is over: its calls end with it, and who made it hears of it. */
  #end(id: number): void {
    for (const call of this.callsOf(id)) {
      this.#parents.delete(call)
      this.cancel(call)
    }
    const parent = this.#parents.get(id)
    this.#parents.delete(id)
    if (parent !== undefined) this.onCallEnd(parent)
  }

  #waitingOf(name: string): number[] {
    const ids: number[] = []
    for (const [id, request] of this.waiting) if (request.name === name) ids.push(id)
    return ids
  }

  /** Waiting and granted, those in draining isolates too. */
  #outstanding(name: string): number {
    const granted = [...this.granted.values()].filter((isolate) => isolate.terms.name === name)
    const waiting = this.#waitingOf(name).filter((id) => !this.#parents.has(id))
    return granted.length + waiting.length
  }

  #resize(isolate: HouseIsolate, sizeBytes: number): void {
    isolate.sizeBytes = sizeBytes
    if (this.terms.get(isolate.terms.name)?.revision === isolate.terms.revision)
      this.#predicted.set(isolate.terms.revision, sizeBytes)
  }

  #forget(isolate: HouseIsolate): void {
    const requests = [...isolate.requests]
    isolate.requests.clear()
    for (const id of requests) {
      this.granted.delete(id)
      this.#lost.push(id)
    }
  }
}

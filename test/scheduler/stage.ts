import { Scheduler } from '../../runtime/scheduler/scheduler.ts'
import type { DeploymentSnapshot, Effect, LoadFailure, SchedulerOptions, Terms } from '../../runtime/scheduler/types.ts'

export const defaults: Terms = {
  name: 'a',
  revision: '1',
  engine: 'cpu',
  keepAliveMs: 10_000,
  pin: false,
  priority: 16,
  concurrency: 1,
  queue: { depth: 4, drop: 'newest' },
  memoryBytes: 1000,
  sizeBytes: 100,
}

/**
 * A scheduler with a clock that stands still until it is moved, and effects as short lines: `load #1 a`, `grant 7 #1`,
 * `refuse 8 queue_full`, `kill #1 keep_alive`. Notes are kept apart.
 */
export class Stage {
  now = 0
  notes: string[] = []
  /** The full effects of the last event. */
  effects: Effect[] = []
  readonly scheduler: Scheduler
  #requests = 0

  constructor(options: Partial<SchedulerOptions> = {}, ...deployments: Partial<Terms>[]) {
    this.scheduler = new Scheduler({ budgetBytes: 1000, ...options }, () => this.now)
    for (const terms of deployments) this.deploy(terms)
  }

  deploy(terms: Partial<Terms>): string[] {
    return this.tell(this.scheduler.deploy({ ...defaults, ...terms }))
  }

  /** Requests are numbered from 1 in order of arrival. */
  request(
    name: string,
    { timeoutMs = Infinity, ...terms }: { timeoutMs?: number; keepAliveMs?: number; parent?: number } = {},
  ): string[] {
    const deadlineAt = this.now + timeoutMs
    const id = ++this.#requests
    return this.tell(this.scheduler.request({ id, name, deadlineAt, ...terms }))
  }

  release(id: number, isOk?: boolean): string[] {
    return this.tell(this.scheduler.release(id, isOk))
  }

  cancel(id: number): string[] {
    return this.tell(this.scheduler.cancel(id))
  }

  loaded(isolate: number, { sizeBytes = 100, loadMs = 100 } = {}): string[] {
    return this.tell(this.scheduler.loaded(isolate, { sizeBytes, loadMs }))
  }

  loadFailed(isolate: number, failure: Partial<LoadFailure> = {}): string[] {
    return this.tell(this.scheduler.loadFailed(isolate, { message: 'no such file', ...failure }))
  }

  exited(isolate: number): string[] {
    return this.tell(this.scheduler.exited(isolate, { message: 'signal SIGSEGV' }))
  }

  measured(isolate: number, sizeBytes: number): string[] {
    return this.tell(this.scheduler.measured(isolate, sizeBytes))
  }

  load(name: string): string[] {
    return this.tell(this.scheduler.load(name))
  }

  unload(name: string): string[] {
    return this.tell(this.scheduler.unload(name))
  }

  remove(name: string): string[] {
    return this.tell(this.scheduler.remove(name))
  }

  /** Lets time pass, and ticks when the scheduler asked for it, as its owner would. */
  wait(ms: number): string[] {
    const until = this.now + ms
    const lines: string[] = []
    for (;;) {
      const at = this.scheduler.nextWakeAt()
      if (at === undefined || at > until) break
      this.now = Math.max(this.now, at)
      lines.push(...this.tell(this.scheduler.tick()))
    }
    this.now = until
    return lines
  }

  /** Loads `name` for the operator, who then has an idle isolate. @returns its number */
  resident(name: string, { sizeBytes = 100, loadMs = 100 } = {}): number {
    const load = this.scheduler.load(name).find((effect) => effect.type === 'load')!
    this.loaded(load.isolate, { sizeBytes, loadMs })
    return load.isolate
  }

  row(name: string): DeploymentSnapshot {
    return this.scheduler.snapshot().find((row) => row.name === name)!
  }

  /** The refusal in the last event's effects. */
  refusal(): Extract<Effect, { type: 'refuse' }> {
    return this.effects.find((effect) => effect.type === 'refuse')!
  }

  tell(effects: Effect[]): string[] {
    this.effects = effects
    const lines: string[] = []
    for (const effect of effects) {
      if (effect.type === 'note') this.notes.push(`${effect.what} ${effect.name}`)
      else lines.push(toLine(effect))
    }
    return lines
  }
}

// --- internal ---

function toLine(effect: Exclude<Effect, { type: 'note' }>): string {
  if (effect.type === 'load') return `load #${effect.isolate} ${effect.name}`
  if (effect.type === 'grant') return `grant ${effect.request} #${effect.isolate}`
  if (effect.type === 'refuse') return `refuse ${effect.request} ${effect.code}`
  return `kill #${effect.isolate} ${effect.reason}`
}

import { Describer } from './describe.ts'

/**
 * Describers of one look at many sources: one that has looked at code which behaves looks at the next, since each takes a
 * quarter of a second to start.
 */
export class DescriberPool implements Disposable {
  readonly #create: () => Describer
  readonly #idle: Describer[] = []
  #isOver = false

  constructor(create = () => new Describer()) {
    this.#create = create
  }

  take(): Describer {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) if (idle.isAlive) return idle
    return this.#create()
  }

  giveBack(describer: Describer): void {
    if (this.#isOver || !describer.isAlive) describer[Symbol.dispose]()
    else this.#idle.push(describer)
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    for (const describer of this.#idle.splice(0)) describer[Symbol.dispose]()
  }
}

/** What the code of one source is looked at by: a describer that is started, or taken, when it is first asked for. */
export class LazyDescriber implements Disposable {
  readonly #pool: DescriberPool | undefined
  #describer: Describer | undefined
  /** It has looked at the code of others before. */
  #isShared = false

  /** @param pool that it is taken from and given back to; without one it is a process of its own */
  constructor(pool: DescriberPool | undefined) {
    this.#pool = pool
  }

  /** @throws Error as `Describer.describe` */
  describe(...request: Parameters<Describer['describe']>): ReturnType<Describer['describe']> {
    return this.#look((describer) => describer.describe(...request))
  }

  /** @throws Error as `Describer.check` */
  check(...request: Parameters<Describer['check']>): ReturnType<Describer['check']> {
    return this.#look((describer) => describer.check(...request))
  }

  [Symbol.dispose](): void {
    if (!this.#describer) return
    if (this.#pool) this.#pool.giveBack(this.#describer)
    else this.#describer[Symbol.dispose]()
    this.#describer = undefined
  }

  // --- internal ---

  async #look<Answer>(look: (describer: Describer) => Promise<Answer>): Promise<Answer> {
    const describer = (this.#describer ??= this.#take())
    try {
      return await look(describer)
    } catch (error) {
      describer[Symbol.dispose]()
      if (!this.#isShared) throw error
      // What the code of others has left behind may be to blame: it is looked at in a process of its own.
      this.#isShared = false
      this.#describer = new Describer()
      return this.#look(look)
    }
  }

  #take(): Describer {
    const describer = this.#pool?.take() ?? new Describer()
    this.#isShared = describer.isUsed
    return describer
  }
}

/** How long a describer is kept ready after the last change: people who edit save often, and others need no spare. */
const spareMs = 10 * 60_000

/** Keeps one describer started ahead, for each takes a quarter of a second to start. */
export class SpareDescriber {
  #spare: Describer | undefined
  #timer: NodeJS.Timeout | undefined

  take(): Describer {
    const spare = this.#spare
    this.#spare = undefined
    return spare?.isAlive ? spare : new Describer()
  }

  /** Starts the next one, where there is none. */
  prepare(): void {
    if (!this.#spare?.isAlive) this.#spare = new Describer()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#spare?.[Symbol.dispose]()
      this.#spare = undefined
    }, spareMs)
    this.#timer.unref()
  }
}

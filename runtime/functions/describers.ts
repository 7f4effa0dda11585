import { Describer } from './describe.ts'

/** A describer that is started when it is first asked for. */
export class LazyDescriber implements Disposable {
  readonly #create: () => Describer
  #describer: Describer | undefined

  constructor(create: () => Describer) {
    this.#create = create
  }

  get(): Describer {
    return (this.#describer ??= this.#create())
  }

  [Symbol.dispose](): void {
    this.#describer?.[Symbol.dispose]()
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

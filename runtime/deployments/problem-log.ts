import type { Logger } from '../log.ts'
import { fileOf, type FailedSource } from './deployment.ts'
import { formatMissing } from './missing-model.ts'

/** Tells the log what is wrong with the sources: each problem once, when it appears, and once that it is mended. */
export class ProblemLog {
  readonly #log: Logger
  /** By file: what was told. */
  #told = new Map<string, { name: string; lines: string[] }>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** @param files that make what serves now */
  update(failures: readonly FailedSource[], files: ReadonlySet<string>): void {
    const told = new Map<string, { name: string; lines: string[] }>()
    for (const failure of failures) {
      const { name, problems, missing } = failure
      const lines = missing ? [formatMissing(name, missing, failure.serves !== undefined)] : problems
      told.set(fileOf(failure), { name, lines })
      const before = this.#told.get(fileOf(failure))?.lines ?? []
      const news = lines.filter((line) => !before.includes(line))
      for (const line of news) this.#log[missing ? 'warn' : 'error']({ deployment: name }, line)
      if (news.length > 0 && failure.serves) this.#log.warn({ deployment: name }, stillServes(failure.serves))
    }
    for (const [file, { name }] of this.#told) {
      if (told.has(file)) continue
      const what = files.has(file) ? 'mended: nothing is wrong with it any more' : 'gone, and what was wrong with it'
      this.#log.info({ deployment: name }, `${file}: ${what}`)
    }
    this.#told = told
  }
}

// --- internal ---

function stillServes({ name, revision }: NonNullable<FailedSource['serves']>): string {
  return `${name}: revision ${revision.slice(0, 12)} keeps serving until this is mended`
}

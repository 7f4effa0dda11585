import type { Deployment, FailedSource } from '../deployments/deployment.ts'
import { messageOf, PelletError, type ErrorCode } from '../errors.ts'
import type { Logger } from '../log.ts'
import { isFull } from '../storage/blob-upload.ts'
import { formatDuration } from '../units.ts'
import type { StagedDraft } from './compile-draft.ts'
import type { DeployHost } from './deploys.ts'
import type { DeployEvent, DeployPhase, Draft } from './protocol.ts'
import type { Made } from './records.ts'

export type Tell = (event: DeployEvent) => void

export interface ChangeOptions {
  /** Try it before it goes live. */
  probe: boolean
  /** Say what would happen, and change nothing. */
  dryRun: boolean
}

/** A name on its way from one revision to another. Whatever fails, what serves serves on. */
export class Change {
  readonly #name: string
  readonly #by: Made['by']
  readonly #host: DeployHost
  readonly #options: ChangeOptions
  readonly #tell: Tell
  #phase: DeployPhase = 'stage'

  constructor(name: string, by: Made['by'], host: DeployHost, options: ChangeOptions, tell: Tell) {
    this.#name = name
    this.#by = by
    this.#host = host
    this.#options = options
    this.#tell = tell
  }

  /**
   * Goes through all phases, and tells how it ends.
   * @param stage makes the revision of its files
   * @param commit makes it live for good
   */
  async run(
    stage: () => Promise<StagedDraft>,
    commit: (made: Made, draft: Draft) => Promise<void>,
    log: Logger,
  ): Promise<void> {
    const startedAt = performance.now()
    const name = this.#name
    const previous = this.#live()
    try {
      const { deployment, notes, isChanged } = await this.#run(stage, commit)
      const ms = Math.round(performance.now() - startedAt)
      const { revision } = deployment
      const before = previous?.revision ?? null
      if (isChanged) log.info({ deployment: name }, `${this.#by} took ${formatDuration(ms)}`)
      this.#tell({ type: 'done', name, revision, previous: before, isChanged, ms, notes })
    } catch (error) {
      const { code, message, problems } = toFailure(error)
      const serves = this.#live()?.revision ?? null
      const phase = this.#phase
      log.warn({ deployment: name }, `${this.#by} failed (${phase}): ${message}`)
      this.#tell({ type: 'failed', phase, code, message, problems, serves })
    }
  }

  // --- internal ---

  async #run(stage: () => Promise<StagedDraft>, commit: (made: Made, draft: Draft) => Promise<void>) {
    const name = this.#name
    this.#enter('stage', 'its files are checked and put together')
    const staged = await stage()
    if (!('draft' in staged)) throw new Refused(staged.code, staged.result)
    const { draft } = staged
    const made: Made = { revision: staged.result.revision, atMs: Date.now(), by: this.#by }
    const origin = { ...draft.origin, deployed: { atMs: made.atMs } }
    const { deployment, notes } = this.#rehearse({ ...staged.result, origin })
    const live = this.#live()
    if (this.#options.dryRun) return { deployment, notes, isChanged: false }
    const isSame = live?.revision === deployment.revision
    const short = deployment.revision.slice(0, 12)
    this.#enter('switch', isSame ? `revision ${short} serves already` : `revision ${short} goes live`)
    await this.#host.switch(name, deployment, async () => {
      // Something else may have changed since it was looked at.
      this.#rehearse(deployment)
      await commit(made, draft)
    })
    return { deployment, notes, isChanged: !isSame }
  }

  /** @throws Refused where it does not go together with what serves */
  #rehearse(candidate: Deployment): { deployment: Deployment; notes: string[] } {
    const { deployments, failures } = this.#host.rehearse(this.#name, candidate)
    const refusal = failures.find(({ name, origin }) => name === this.#name && origin.deployed)
    if (refusal) throw new Refused('invalid_manifest', refusal)
    const known = new Set(this.#host.routes.failures.flatMap(({ problems }) => problems))
    const news = failures.flatMap(({ problems }) => problems).filter((problem) => !known.has(problem))
    const dropped = this.#host.droppedAs(this.#name)
    const file = dropped?.manifest ?? dropped?.function
    const shadow = file === undefined ? [] : [`it shadows ${file}, until pellet delete ${this.#name}`]
    const notes = [...candidate.notes, ...shadow, ...news]
    return { deployment: deployments.find(({ name }) => name === this.#name)!, notes }
  }

  #live(): Deployment | undefined {
    return this.#host.routes.deployments.get(this.#name)
  }

  #enter(phase: DeployPhase, message: string): void {
    this.#phase = phase
    this.#tell({ type: 'phase', phase, message })
  }
}

// --- internal ---

class Refused extends Error {
  readonly code: ErrorCode
  readonly problems: string[]

  constructor(code: ErrorCode, { name, problems }: FailedSource) {
    super(problems.length === 1 ? problems[0] : `${name}: ${problems.length} problems, the first: ${problems[0]}`)
    this.code = code
    this.problems = problems
  }
}

function toFailure(error: unknown): { code: ErrorCode; message: string; problems: string[] } {
  const message = messageOf(error)
  if (error instanceof Refused) return { code: error.code, message, problems: error.problems }
  const details = error instanceof PelletError ? (error.details ?? []).map(({ msg }) => msg) : []
  const code = error instanceof PelletError ? error.code : isFull(error) ? 'storage_full' : 'internal_error'
  return { code, message, problems: details.length > 0 ? details : [message] }
}

import { newProblems, type Deployment, type FailedSource } from '../deployments/deployment.ts'
import { messageOf, PelletError, type ErrorCode } from '../errors.ts'
import { isFull, noRoom } from '../storage/full.ts'
import { StorageError } from '../storage/atomic-fs.ts'
import { formatDuration } from '../units.ts'
import type { StagedDraft } from './compile-draft.ts'
import type { DeployHost } from './deploys.ts'
import { runProbes } from './probe/run-probes.ts'
import type { DeployEvent, DeployPhase, Draft } from './protocol.ts'
import type { Made } from './records.ts'

export type Tell = (event: DeployEvent) => void

export interface ChangeOptions {
  /** Try it before it goes live. */
  probe: boolean
  /** Say what would happen, and change nothing. */
  dryRun: boolean
}

export interface ChangeParts extends ChangeOptions {
  name: string
  by: Made['by']
  pellet: DeployHost
  /** Pellet stops. */
  ending: AbortSignal
  tell: Tell
  /** Makes a revision live for good. */
  commit(made: Made, draft: Draft): Promise<void>
}

/** A name on its way from one revision to another. Whatever fails, what serves serves on. */
export class Change {
  readonly #parts: ChangeParts
  #phase: DeployPhase = 'stage'

  constructor(parts: ChangeParts) {
    this.#parts = parts
  }

  /**
   * Goes through all phases, and tells how it ends.
   * @param stage makes the revision of its files
   */
  async run(stage: () => Promise<StagedDraft>): Promise<void> {
    const { name, by, pellet, tell, dryRun } = this.#parts
    const startedAt = performance.now()
    const previous = this.#live()?.revision ?? null
    try {
      const { revision, notes, isChanged } = await this.#run(stage)
      const ms = Math.round(performance.now() - startedAt)
      if (isChanged) pellet.log.info({ deployment: name }, `${by} took ${formatDuration(ms)}`)
      if (!dryRun) pellet.meter.deployed('done')
      tell({ type: 'done', name, revision, previous, isChanged, ms, notes })
    } catch (error) {
      const { code, message, problems } = toFailure(this.#causeOf(error))
      const phase = this.#phase
      pellet.log.warn({ deployment: name }, `${by} failed (${phase}): ${message}`)
      if (!dryRun) pellet.meter.deployed('failed')
      tell({ type: 'failed', phase, code, message, problems, serves: this.#live()?.revision ?? null })
    }
  }

  // --- internal ---

  async #run(stage: () => Promise<StagedDraft>) {
    const { name, by, dryRun } = this.#parts
    this.#enter('stage', 'its files are checked and put together')
    const made = await stage()
    if (!('draft' in made)) {
      if (made.code === 'blob_missing' && by === 'deploy')
        made.result.problems.push(`${name}: deploy it again: what lacks is uploaded then`)
      throw new Refused(made.code, made.result)
    }
    const { draft, result } = made
    const { revision } = result
    const atMs = Date.now()
    const { deployment, notes } = this.#rehearse({ ...result, origin: { ...draft.origin, deployed: { atMs } } })
    if (dryRun) return { revision, notes, isChanged: false }
    const isChanged = this.#live()?.revision !== revision
    await this.#goLive(deployment, isChanged, () => this.#parts.commit({ revision, atMs, by }, draft))
    // Its own ports were tried once by now.
    const closed = this.#parts.pellet.ports.rows(name).flatMap(({ problem }) => problem ?? [])
    return { revision, notes: [...notes, ...closed], isChanged }
  }

  /** Loads it and tries it beside what serves, and then switches. What serves already only gets its record. */
  async #goLive(deployment: Deployment, isChanged: boolean, commit: () => Promise<void>): Promise<void> {
    const { pellet, name, probe, ending } = this.#parts
    const short = deployment.revision.slice(0, 12)
    const staged = isChanged ? pellet.dispatcher.stage(deployment) : undefined
    try {
      if (staged) {
        const live = this.#live()?.revision.slice(0, 12)
        this.#enter('load', `revision ${short} is loaded${live === undefined ? '' : ` beside ${live}`}`)
        await staged.load()
        if (probe) {
          this.#enter('probe', 'it is tried')
          await runProbes(pellet, staged, ending)
        }
      }
      this.#enter('switch', isChanged ? `revision ${short} goes live` : `revision ${short} serves already`)
      const decide = async () => {
        ending.throwIfAborted()
        // Something else may have changed since it was looked at.
        this.#rehearse(deployment)
        await commit()
      }
      await pellet.live.switch(name, deployment, decide, staged)
    } finally {
      // Nothing, where it was promoted.
      staged?.discard()
    }
  }

  /** @throws Refused where it does not go together with what else serves */
  #rehearse(candidate: Deployment): { deployment: Deployment; notes: string[] } {
    const { name, pellet } = this.#parts
    const { deployments, failures } = pellet.live.rehearse(name, candidate)
    const refusal = failures.find((failure) => failure.name === name && failure.origin.deployed)
    if (refusal) throw new Refused('invalid_manifest', refusal)
    const news = newProblems(pellet.live.routes.failures, failures)
    const dropped = pellet.live.droppedAs(name)
    const file = dropped?.manifest ?? dropped?.function
    const shadow = file === undefined ? [] : [`${file} of the project does not serve until pellet delete ${name}`]
    const deployment = deployments.find((one) => one.name === name)!
    return { deployment, notes: [...candidate.notes, ...shadow, ...news] }
  }

  /** Whatever a stop has broken off, or a full disk, has failed for that. */
  #causeOf(error: unknown): unknown {
    const { name, ending } = this.#parts
    if (isFull(error)) return noRoom(name)
    if (error instanceof StorageError) return new PelletError('storage_failed', `${name}: ${error.message}`)
    if (!ending.aborted) return error
    return new PelletError('stopping', `${name}: Pellet is shutting down; deploy again when it runs`)
  }

  #live(): Deployment | undefined {
    return this.#parts.pellet.live.routes.deployments.get(this.#parts.name)
  }

  #enter(phase: DeployPhase, message: string): void {
    this.#phase = phase
    this.#parts.tell({ type: 'phase', phase, message })
  }
}

// --- internal ---

/** Its files, or what else serves, are against it. */
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
  const code = error instanceof PelletError ? error.code : 'internal_error'
  return { code, message, problems: details.length > 0 ? details : [message] }
}

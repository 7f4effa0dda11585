import type { Storage } from 'unstorage'
import { compileDraftInChild } from '../deployments/compiler.ts'
import { newProblems } from '../deployments/deployment.ts'
import { trimMemo } from '../deployments/memo.ts'
import { messageOf, PelletError } from '../errors.ts'
import { entryOf } from '../manifest/manifest.ts'
import type { Pellet } from '../pellet.ts'
import type { BlobStore } from '../storage/blobs.ts'
import { openBlobs } from '../storage/storage.ts'
import { toTellable } from '../storage/tellable.ts'
import { Change, type ChangeOptions, type Tell } from './change.ts'
import { keyOf, sizeOf } from './draft.ts'
import { collectGarbage } from './garbage.ts'
import { toRollback, withLive } from './history.ts'
import type { BlobRef, Deleted, Draft, HistoryRow, MissingBlob } from './protocol.ts'
import { Turns } from './turns.ts'
import { DamagedRecord, Records, type Made } from './records.ts'
import { routeNames } from '../manifest/paths.ts'

export interface DeploysOptions {
  /** The one that they are in. */
  pellet: DeployHost
  storage: Storage
  /** Pellet stops: what is under way then is ended. */
  ending: AbortSignal
}

/** What a deploy needs of a Pellet. */
export type DeployHost = Pick<Pellet, 'config' | 'dispatcher' | 'live' | 'log' | 'meter' | 'npu' | 'ports' | 'proxy'>

/** What was deployed here, and every way of changing that: one change at a time. */
export class Deploys {
  readonly blobs: BlobStore
  readonly #options: DeploysOptions
  readonly #records: Records
  /** When a client was told last that it need not upload a blob, in ms since 1970. */
  readonly #promised = new Map<string, number>()
  readonly #turns = new Turns()

  constructor(options: DeploysOptions) {
    this.#options = options
    this.#records = new Records(options.storage)
    this.blobs = openBlobs(options.pellet.config.dataFolder)
  }

  /** Which of these blobs are to be uploaded. */
  async missing(refs: readonly BlobRef[]): Promise<MissingBlob[]> {
    const missing: MissingBlob[] = []
    for (const ref of new Map(refs.map((one) => [one.sha256, one])).values()) {
      if (await this.blobs.has(ref)) this.#promised.set(ref.sha256, Date.now())
      else missing.push({ ...ref, receivedBytes: await this.blobs.receivedBytes(ref) })
    }
    return missing
  }

  /** Deploys what a client has sent; all that happens is told, errors included. */
  deploy(name: string, draft: unknown, options: ChangeOptions, tell: Tell): Promise<void> {
    const staging = () => compileDraftInChild(name, draft, { ...this.#compilerOptions(), isDryRun: options.dryRun })
    return this.#inTurn(name, () => this.#change(name, 'deploy', options, tell).run(staging), tell)
  }

  /** As `deploy`, with a revision that is kept. @param wanted its beginning; undefined: the one before the live one */
  rollback(name: string, wanted: string | undefined, options: ChangeOptions, tell: Tell): Promise<void> {
    const staging = async () => {
      await this.#expectDeployed(name)
      const { live, history } = await this.#historyOf(name)
      const revision = toRollback(name, history, live, wanted)
      const record = await this.#records.revision(name, revision).catch((error: unknown) => damaged(name, error))
      if (!record) throw damaged(name, new DamagedRecord(`that of revision ${revision.slice(0, 12)} is gone`))
      const staged = await compileDraftInChild(name, record.draft, this.#compilerOptions())
      return 'draft' in staged ? { ...staged, result: { ...staged.result, revision } } : staged
    }
    return this.#inTurn(name, () => this.#change(name, 'rollback', options, tell).run(staging), tell)
  }

  /** Gives up what is deployed under a name, its history included. @throws PelletError `not_found` */
  delete(name: string): Promise<Deleted> {
    return this.#inTurn(name, async () => {
      await this.#expectDeployed(name)
      const { live } = this.#options.pellet
      const { live: revision = null } = await this.#historyOf(name)
      const before = live.routes.failures
      await live.switch(name, undefined, () => this.#records.removeLive(name))
      const notes = newProblems(before, live.routes.failures)
      return { name, revision, serves: live.routes.deployments.get(name)?.origin ?? null, notes }
    })
  }

  /** What is kept of a name, newest first. @throws PelletError `not_found` */
  async history(name: string): Promise<HistoryRow[]> {
    await this.#expectDeployed(name)
    const { live, history } = await this.#historyOf(name)
    const { pellet } = this.#options
    const rows: HistoryRow[] = []
    for (const { revision, atMs, by } of history) {
      const record = await this.#records.revision(name, revision).catch(() => undefined)
      const draft = record?.draft
      rows.push({
        revision,
        isLive: revision === live,
        deployedAtMs: atMs,
        by,
        origin: draft?.origin ?? {},
        model: (draft && entryOf(draft.manifest.model, keyOf(draft, pellet.npu))?.name) ?? name,
        routes: routeNames(draft?.manifest.routes ?? []),
        sizeBytes: draft ? sizeOf(draft) : 0,
        isDamaged: draft === undefined,
      })
    }
    return rows
  }

  /** Removes what nobody needs any more. Never throws. */
  collect(): Promise<void> {
    return this.#turns.take('', async () => {
      const { dispatcher, live, log } = this.#options.pellet
      const serving = [...live.routes.deployments.values()]
      await collectGarbage({
        records: this.#records,
        blobs: this.blobs,
        running: [...dispatcher.revisions(), ...serving],
        serving: new Set(serving.flatMap(({ name, origin }) => (origin.deployed ? name : []))),
        promised: this.#promised,
        log,
      })
      await trimMemo(this.#options.storage).catch((error: unknown) => log.warn(messageOf(error)))
    })
  }

  // --- internal ---

  #compilerOptions() {
    const { config, npu } = this.#options.pellet
    return { config, npu: Promise.resolve(npu), signal: this.#options.ending }
  }

  #change(name: string, by: Made['by'], options: ChangeOptions, tell: Tell): Change {
    const { pellet, ending } = this.#options
    const commit = (made: Made, draft: Draft) => this.#commit(name, made, draft)
    return new Change({ name, by, pellet, ending, ...options, tell, commit })
  }

  async #commit(name: string, made: Made, draft: Draft): Promise<void> {
    try {
      const { history } = await this.#historyOf(name)
      await this.#records.putRevision({ revision: made.revision, atMs: made.atMs, draft })
      await this.#records.putLive(name, withLive(history, made))
    } catch (error) {
      this.#options.pellet.log.error({ deployment: name }, messageOf(error))
      throw toTellable(error, `${name}: it could not be recorded that it is live`)
    }
  }

  /** Of a name whose record is damaged or gone, what is kept of it. */
  async #historyOf(name: string): Promise<{ live: string | undefined; history: Made[] }> {
    try {
      const record = await this.#records.live(name)
      if (record) return { live: record.revision, history: record.history }
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error
    }
    return { live: this.#served(name), history: await this.#records.keptOf(name) }
  }

  /** The deployed revision that serves, whatever its records say. */
  #served(name: string): string | undefined {
    const serving = this.#options.pellet.live.routes.deployments.get(name)
    return serving?.origin.deployed && serving.revision
  }

  async #expectDeployed(name: string): Promise<void> {
    const names = await this.#records.names()
    if (names.includes(name) || this.#served(name) !== undefined) return
    const isDropped = this.#options.pellet.live.routes.deployments.has(name)
    const hint = isDropped ? `; its files lie in the project, and are changed there` : ''
    throw new PelletError(
      'not_found',
      `${name}: expected one that was deployed (${names.join(', ') || 'none'}), found none of that name${hint}`,
    )
  }

  /** A change, and what is not needed any more when it is over. @param tell hears who is waited for */
  async #inTurn<Result>(name: string, work: () => Promise<Result>, tell?: Tell): Promise<Result> {
    const { current } = this.#turns
    if (current) tell?.({ type: 'phase', phase: 'stage', message: `waiting until the change of ${current} is over` })
    try {
      return await this.#turns.take(name, work)
    } finally {
      void this.collect()
    }
  }
}

// --- internal ---

function damaged(name: string, error: unknown): never {
  if (!(error instanceof DamagedRecord)) throw error
  throw new PelletError(
    'blob_missing',
    `${name}: the record of that revision is damaged: ${error.message}; deploy it again, or roll back to another`,
  )
}

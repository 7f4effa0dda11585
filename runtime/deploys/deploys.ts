import type { Storage } from 'unstorage'
import type { Config } from '../config.ts'
import { compileDraftInChild } from '../deployments/compiler.ts'
import type { Compilation, Deployment, Origin } from '../deployments/deployment.ts'
import { PelletError } from '../errors.ts'
import type { RouteTable } from '../http/route-table.ts'
import type { Logger } from '../log.ts'
import type { BlobStore } from '../storage/blobs.ts'
import { openBlobs } from '../storage/storage.ts'
import { Change, type ChangeOptions, type Tell } from './change.ts'
import { sizeOf } from './draft.ts'
import { collectGarbage } from './garbage.ts'
import { toRollback, withLive } from './history.ts'
import type { BlobRef, Deleted, HistoryRow, MissingBlob } from './protocol.ts'
import { DamagedRecord, Records, type LiveRecord, type Made } from './records.ts'

/** What deploys ask of the Pellet that they are in. */
export interface DeployHost {
  readonly routes: Pick<RouteTable, 'deployments' | 'failures'>
  rehearse(name: string, deployed: Deployment | undefined): Compilation
  switch(name: string, deployed: Deployment | undefined, commit: () => Promise<void>): Promise<void>
  droppedAs(name: string): Origin | undefined
  readonly dispatcher: { revisions(): Iterable<Deployment> }
}

export interface DeploysOptions {
  host: DeployHost
  config: Config
  log: Logger
  storage: Storage
  /** Pellet stops: what compiles then is ended. */
  ending: AbortSignal
}

/** What was deployed here, and every way of changing that: one change at a time. */
export class Deploys {
  readonly blobs: BlobStore
  readonly #options: DeploysOptions
  readonly #records: Records
  /** When a client was told last that it need not upload a blob, in ms since 1970. */
  readonly #promised = new Map<string, number>()
  #turn: Promise<unknown> = Promise.resolve()
  /** Whose change is under way. */
  #changing: string | undefined

  constructor(options: DeploysOptions) {
    this.#options = options
    this.#records = new Records(options.storage)
    this.blobs = openBlobs(options.config.dataFolder)
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
    return this.#inTurn(name, tell, async () => {
      const staging = () => compileDraftInChild(name, draft, { ...this.#compilerOptions(), isDryRun: options.dryRun })
      const change = new Change(name, 'deploy', this.#options.host, options, tell)
      await change.run(staging, (made, kept) => this.#commit(name, made, kept), this.#options.log)
    })
  }

  /** As `deploy`, with a revision that is kept. @param wanted its beginning; undefined: the one before the live one */
  rollback(name: string, wanted: string | undefined, options: ChangeOptions, tell: Tell): Promise<void> {
    return this.#inTurn(name, tell, async () => {
      const staging = async () => {
        const { live, history } = await this.#historyOf(name)
        const revision = toRollback(name, history, live, wanted)
        const record = await this.#records.revision(name, revision).catch((error: unknown) => damaged(name, error))
        if (!record) throw damaged(name, new DamagedRecord(`that of revision ${revision.slice(0, 12)} is gone`))
        const staged = await compileDraftInChild(name, record.draft, this.#compilerOptions())
        if (!('draft' in staged)) return staged
        return { ...staged, result: { ...staged.result, revision } }
      }
      const change = new Change(name, 'rollback', this.#options.host, options, tell)
      await change.run(staging, (made, kept) => this.#commit(name, made, kept), this.#options.log)
    })
  }

  /** Gives up what is deployed under a name, its history included. @throws PelletError `not_found` */
  delete(name: string): Promise<Deleted> {
    return this.#inTurn(
      name,
      () => {},
      async () => {
        await this.#expectDeployed(name)
        const { host } = this.#options
        const { live } = await this.#historyOf(name)
        await host.switch(name, undefined, () => this.#records.removeLive(name))
        return { name, revision: live ?? null, serves: host.routes.deployments.get(name)?.origin ?? null }
      },
    )
  }

  /** What is kept of a name, newest first. @throws PelletError `not_found` */
  async history(name: string): Promise<HistoryRow[]> {
    await this.#expectDeployed(name)
    const { live, history } = await this.#historyOf(name)
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
        model: draft?.manifest.model.onnx?.name ?? name,
        routes: draft?.manifest.routes.map(({ method, path }) => `${method} ${path}`) ?? [],
        sizeBytes: draft ? sizeOf(draft) : 0,
        isDamaged: draft === undefined,
      })
    }
    return rows
  }

  /** Removes what nobody needs any more. Never throws. */
  collect(): Promise<void> {
    return this.#inTurn(
      '',
      () => {},
      async () => {
        const { host, log } = this.#options
        const running = [...host.dispatcher.revisions(), ...host.routes.deployments.values()]
        await collectGarbage({ records: this.#records, blobs: this.blobs, running, promised: this.#promised, log })
      },
    )
  }

  // --- internal ---

  #compilerOptions() {
    return { config: this.#options.config, signal: this.#options.ending }
  }

  async #commit(name: string, made: Made, draft: Parameters<Records['putRevision']>[0]['draft']): Promise<void> {
    const { live, history } = await this.#historyOf(name)
    const before: LiveRecord | undefined = live === undefined ? undefined : { revision: live, history }
    await this.#records.putRevision({ revision: made.revision, atMs: made.atMs, draft })
    await this.#records.putLive(name, withLive(before ?? { revision: '', history }, made))
  }

  /** Of a name whose record is damaged, what is kept of it. */
  async #historyOf(name: string): Promise<{ live: string | undefined; history: Made[] }> {
    try {
      const record = await this.#records.live(name)
      return { live: record?.revision, history: record?.history ?? [] }
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error
      return { live: undefined, history: await this.#records.keptOf(name) }
    }
  }

  async #expectDeployed(name: string): Promise<void> {
    const names = await this.#records.names()
    if (names.includes(name)) return
    const isDropped = this.#options.host.routes.deployments.has(name)
    const hint = isDropped ? `; its files lie in the project, and are changed there` : ''
    throw new PelletError(
      'not_found',
      `${name}: expected one that was deployed (${names.join(', ') || 'none'}), found none of that name${hint}`,
    )
  }

  /** One after the other: each decides by what the one before has made. */
  async #inTurn<Result>(name: string, tell: Tell, work: () => Promise<Result>): Promise<Result> {
    if (this.#changing)
      tell({
        type: 'phase',
        phase: 'stage',
        message: `waiting until the change of ${this.#changing} under way is over`,
      })
    const result = this.#turn.then(async () => {
      this.#changing = name || undefined
      try {
        return await work()
      } finally {
        this.#changing = undefined
      }
    })
    this.#turn = result.catch(() => {})
    if (name !== '') void result.finally(() => this.collect()).catch(() => {})
    return result
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

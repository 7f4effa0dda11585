import type { Config } from '../../config.ts'
import { sha256File } from '../../digest.ts'
import { messageOf } from '../../errors.ts'
import type { Catalog } from '../../models/catalog.ts'
import { defaultDelaysMs } from '../../models/download.ts'
import { fetchModel, type ModelTarget } from '../../models/fetch-model.ts'
import { isAccepted, noticeOf } from '../../models/licences.ts'
import { pinnedModel, readLock } from '../../models/lock.ts'
import { createConnections } from '../../models/request.ts'
import { showPullProgress } from './progress.ts'

/** What became of a file, as `--json` prints it. */
export interface PullRow {
  name: string
  chip: string | null
  file: string
  state: 'fetched' | 'there' | 'failed'
  sha256: string | null
  size_bytes: number | null
  problem: string | null
}

/** Fetches files one after the other, and shows how far that is. */
export class Puller {
  readonly #config: Config
  readonly #catalog: Catalog
  readonly #isUpdate: boolean
  readonly #signal: AbortSignal
  readonly #connections = createConnections()

  constructor(config: Config, catalog: Catalog, isUpdate: boolean, signal: AbortSignal) {
    this.#config = config
    this.#catalog = catalog
    this.#isUpdate = isUpdate
    this.#signal = signal
  }

  async pull(target: ModelTarget): Promise<PullRow> {
    const { lockFile, mirrors, acceptLicences } = this.#config
    const progress = showPullProgress(target.shown)
    const notice = noticeOf(this.#catalog, target)
    const isKnown = notice !== undefined && isAccepted(notice, await readLock(lockFile), acceptLicences)
    try {
      const { sha256, sizeBytes } = await fetchModel(target, {
        lockFile,
        mirrors,
        isUpdate: this.#isUpdate,
        ...(isKnown && { licence: notice.id }),
        connections: await this.#connections,
        signal: this.#signal,
        delaysMs: defaultDelaysMs,
        onProgress: progress.update,
        note: progress.note,
      })
      return toRow(target, 'fetched', { sha256, sizeBytes })
    } catch (error) {
      return toRow(target, 'failed', { problem: messageOf(error) })
    } finally {
      progress.end()
    }
  }

  /** What is there already is left alone; it must be what the manifest says and what was pinned. */
  async check(target: ModelTarget): Promise<PullRow> {
    const { name, chip, file, shown, url, member } = target
    const pinned = pinnedModel(await readLock(this.#config.lockFile), url)
    const pins = [...(member === undefined && !pinned?.members ? [pinned?.sha256] : []), ...membersOf(pinned?.members)]
    let sha256: string
    try {
      sha256 = await sha256File(file)
    } catch (error) {
      return toRow(target, 'failed', { problem: `${shown}: cannot be read: ${messageOf(error)}` })
    }
    if (target.sha256 !== undefined && target.sha256 !== sha256) {
      const problem = `${shown}: expected sha256 ${target.sha256} as the manifest says, found ${sha256}; correct the manifest, or remove the file and pull again`
      return toRow(target, 'failed', { sha256, problem })
    }
    if (pins.every((pin) => pin === undefined) || pins.includes(sha256)) return toRow(target, 'there', { sha256 })
    const problem = `${shown}: expected sha256 ${pins.filter(Boolean).join(' or ')} as pinned in pellet.lock, found ${sha256}; fetch it again: pellet pull --update ${name}${chip ? `@${chip}` : ''}`
    return toRow(target, 'failed', { sha256, problem })
  }

  async close(): Promise<void> {
    await (await this.#connections).destroy()
  }
}

// --- internal ---

function membersOf(members: Record<string, { sha256: string }> = {}): string[] {
  return Object.values(members).map(({ sha256 }) => sha256)
}

function toRow(
  { name, chip, shown }: ModelTarget,
  state: PullRow['state'],
  { sha256, sizeBytes, problem }: { sha256?: string; sizeBytes?: number; problem?: string },
): PullRow {
  return {
    name,
    chip: chip ?? null,
    file: shown,
    state,
    sha256: sha256 ?? null,
    size_bytes: sizeBytes ?? null,
    problem: problem ?? null,
  }
}

import { defineCommand } from 'citty'
import { existsSync } from 'node:fs'
import { sha256File } from '../../digest.ts'
import { messageOf } from '../../errors.ts'
import { readCatalog, type Catalog } from '../../models/catalog.ts'
import { defaultDelaysMs } from '../../models/download.ts'
import { fetchModel, type ModelTarget } from '../../models/fetch-model.ts'
import { isAccepted, noticeOf } from '../../models/licences.ts'
import { pinnedModel, readLock } from '../../models/lock.ts'
import { createConnections, stallMs } from '../../models/request.ts'
import { formatBytes } from '../../units.ts'
import type { Config } from '../../config.ts'
import { CliError } from '../cli-error.ts'
import { askForLicences } from '../pull/consent.ts'
import { showPullProgress } from '../pull/progress.ts'
import { resolveWanted } from '../pull/resolve.ts'
import { toSnippet } from '../pull/snippet.ts'
import { projectArgs, readConfig } from '../settings.ts'

export default defineCommand({
  meta: {
    name: 'pull',
    description:
      'Fetch models: of a deployment of the project, or of the catalogue\n' +
      'NAME is the file for the CPU, NAME@hailo8 (hailo8l, hailo10h) that for a chip, NAME@all every one. What was fetched is\n' +
      'pinned in pellet.lock by its sha256. What breaks off goes on with the next pull.',
  },
  args: {
    files: {
      type: 'positional',
      description: 'Deployments, models of the catalogue',
      required: false,
      valueHint: '[name[@chip]...]',
    },
    all: { type: 'boolean', description: 'Whatever the project misses to run on this machine' },
    update: { type: 'boolean', description: 'Fetch again what is there, and pin what comes' },
    'accept-licence': {
      type: 'boolean',
      alias: 'accept-license',
      description: 'Accept the licences that are shown (--accept-license is the same)',
    },
    ...projectArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const config = await readConfig({ ...args })
    const catalog = await readCatalog()
    const words = args._
    if ((words.length === 0) !== (args.all === true))
      throw new CliError(
        `pull: expected names or --all, found ${words.length === 0 ? 'none' : 'both'}; the catalogue has ${Object.keys(catalog.models).join(', ')}`,
        2,
      )
    const interrupted = new AbortController()
    process.once('SIGINT', () =>
      interrupted.abort(new Error('interrupted; what has come is kept, pull again to go on')),
    )
    const isUpdate = args.update === true
    const { targets, problems, catalogued } = await resolveWanted(words, config, catalog)
    const absent = targets.filter(({ file }) => isUpdate || !existsSync(file))
    await askForLicences(absent, {
      root: config.root,
      catalog,
      accepted: config.acceptLicences,
      isAccepting: args['accept-licence'] === true,
      signal: interrupted.signal,
    })
    const puller = new Puller(config, catalog, isUpdate, interrupted.signal)
    const rows: PullRow[] = []
    // Who asks for what is missing does not ask about what is there.
    for (const target of args.all ? absent : targets) {
      const isHere = !absent.includes(target)
      rows.push(await (isHere ? puller.check(target) : puller.pull(target)))
      if (interrupted.signal.aborted) break
    }
    await puller.close()
    if (args.json) console.log(JSON.stringify(rows, null, 2))
    else tell(rows, targets, problems, { words, catalogued, catalog, config })
    const failed = [...problems, ...rows.flatMap(({ problem }) => problem ?? [])]
    if (failed.length > 0) throw new CliError(failed.join('\n'))
  },
})

// --- internal ---

interface PullRow {
  name: string
  chip: string | null
  file: string
  state: 'fetched' | 'there' | 'failed'
  sha256: string | null
  size_bytes: number | null
  problem: string | null
}

class Puller {
  readonly #config: Config
  readonly #catalog: Catalog
  readonly #isUpdate: boolean
  readonly #signal: AbortSignal
  readonly #connections = createConnections({ stallMs })

  constructor(config: Config, catalog: Catalog, isUpdate: boolean, signal: AbortSignal) {
    this.#config = config
    this.#catalog = catalog
    this.#isUpdate = isUpdate
    this.#signal = signal
  }

  async pull(target: ModelTarget): Promise<PullRow> {
    const { root, mirrors, acceptLicences } = this.#config
    const progress = showPullProgress(target.shown)
    const notice = noticeOf(this.#catalog, target)
    const isKnown = notice !== undefined && isAccepted(notice, await readLock(root), acceptLicences)
    try {
      const { sha256, sizeBytes } = await fetchModel(target, {
        root,
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

  /** What is there already is left alone; it must be what was pinned. */
  async check(target: ModelTarget): Promise<PullRow> {
    const { name, chip, file, shown, url, member } = target
    const pinned = pinnedModel(await readLock(this.#config.root), url)
    const pins = [...(member === undefined && !pinned?.members ? [pinned?.sha256] : []), ...membersOf(pinned?.members)]
    const sha256 = await sha256File(file)
    if (pins.every((pin) => pin === undefined) || pins.includes(sha256)) return toRow(target, 'there', { sha256 })
    const problem = `${shown}: expected sha256 ${pins.filter(Boolean).join(' or ')} as pinned in pellet.lock, found ${sha256}; fetch it again: pellet pull --update ${name}${chip ? `@${chip}` : ''}`
    return toRow(target, 'failed', { sha256, problem })
  }

  async close(): Promise<void> {
    await (await this.#connections).destroy()
  }
}

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

interface Context {
  words: string[]
  catalogued: Set<string>
  catalog: Catalog
  config: Config
}

function tell(rows: PullRow[], targets: ModelTarget[], problems: string[], context: Context): void {
  const { words, catalogued, catalog, config } = context
  for (const { file, state, sha256, size_bytes } of rows) {
    if (state === 'there') console.log(`${file}: is there`)
    if (state === 'fetched')
      console.log(
        `${file}: fetched, ${formatBytes(size_bytes!)}, sha256 ${sha256!.slice(0, 12)}, pinned in pellet.lock`,
      )
  }
  if (rows.length === 0 && problems.length === 0)
    console.log(
      words.length === 0
        ? 'Nothing is missing.'
        : 'Nothing to fetch: the entry has no url. For a chip: pellet pull NAME@hailo8; for real weights see the comments in the manifest.',
    )
  const fetched = new Set(rows.filter(({ state }) => state !== 'failed').map(({ file }) => file))
  for (const name of catalogued) {
    const own = targets.filter((target) => target.name === name && fetched.has(target.shown))
    if (own.length > 0) console.log(`\n${toSnippet(own, catalog, config.modelsFolder).trimEnd()}`)
  }
  if (rows.some(({ state, name }) => state === 'fetched' && !catalogued.has(name)))
    console.log('pellet dev takes it at once, pellet start with its next start.')
}

import { defineCommand } from 'citty'
import { relative } from 'node:path'
import type { Config } from '../../config.ts'
import { Records } from '../../deploys/records.ts'
import { listModels, removeModel, type StoredModel } from '../../models/inventory.ts'
import { readLock } from '../../models/lock.ts'
import { projectModels } from '../../models/project-models.ts'
import { createDataStore, openBlobs } from '../../storage/storage.ts'
import { formatBytes } from '../../units.ts'
import { CliError } from '../cli-error.ts'
import { compileAside } from '../compile-aside.ts'
import { projectArgs, readConfigOrInstalled } from '../settings.ts'
import { toTable } from '../table.ts'

export default defineCommand({
  meta: {
    name: 'models',
    description:
      'Model files that lie here, and who uses them; or remove them\n' +
      'models remove NAME... removes files by their name or the beginning of their sha256, --unused what was fetched or\n' +
      'uploaded and nobody uses. Nothing has to run for it.',
  },
  args: {
    files: { type: 'positional', description: 'remove, and files', required: false, valueHint: '[remove [name...]]' },
    unused: { type: 'boolean', description: 'With remove: what was fetched or uploaded and nobody uses' },
    force: { type: 'boolean', description: 'With remove: also what is used' },
    ...projectArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const [action, ...names] = args._
    const isRemoving = action === 'remove'
    if (action !== undefined && !isRemoving)
      throw new CliError(`models: expected nothing or remove, found ${action}\nTry: pellet models --help`, 2)
    if (isRemoving === (names.length === 0 && !args.unused) || (!isRemoving && (args.unused || args.force)))
      throw new CliError(
        isRemoving
          ? 'models remove: expected names or --unused, found none'
          : 'models: expected --unused and --force after remove: pellet models remove --unused',
        2,
      )
    const config = await readConfigOrInstalled({ ...args })
    const models = await readModels(config)
    if (!isRemoving) return console.log(args.json ? JSON.stringify(models.map(toRow), null, 2) : toText(models))
    const chosen = new Set(names.map((name) => choose(name, models, config)))
    if (args.unused) for (const model of models) if (model.isUseless) chosen.add(model)
    const used = [...chosen].flatMap((model) => whoUses(model) ?? [])
    if (used.length > 0 && !args.force)
      throw new CliError(used.map((why) => `${why}; nothing was removed, --force removes it`).join('\n'))
    for (const model of chosen) await removeModel(model)
    const removed = [...chosen]
    if (args.json) return console.log(JSON.stringify(removed.map(toRow), null, 2))
    for (const { shown, sizeBytes } of removed) console.log(`${shown}: removed, ${formatBytes(sizeBytes)}`)
    if (removed.length === 0) console.log('Nothing to remove.')
  },
})

// --- internal ---

async function readModels(config: Config): Promise<StoredModel[]> {
  const storage = createDataStore({ folder: config.dataFolder })
  try {
    const sources = await compileAside(config, (options) => projectModels(options))
    const [records, blobs] = [new Records(storage), openBlobs(config.dataFolder)]
    return await listModels({ config, sources, lock: await readLock(config.lockFile), records, blobs })
  } finally {
    await storage.dispose()
  }
}

function whoUses({ shown, usedBy, perhapsUsedBy }: StoredModel): string | undefined {
  if (usedBy.length > 0) return `${shown}: is used by ${usedBy.join(', ')}`
  if (perhapsUsedBy.length > 0)
    return `${shown}: is perhaps used by ${perhapsUsedBy.join(', ')}, which cannot be read (pellet validate says why)`
  return undefined
}

function choose(name: string, models: StoredModel[], { modelsFolder }: Config): StoredModel {
  const isDigest = /^[0-9a-f]{6,64}$/.test(name)
  const matching = models.filter(
    ({ file, shown, sha256 }) =>
      shown === name ||
      relative(modelsFolder, file) === name ||
      file === name ||
      (isDigest && sha256?.startsWith(name)),
  )
  if (matching.length === 1) return matching[0]!
  const shown = models.map((model) => model.shown).join(', ') || 'none'
  throw new CliError(
    matching.length === 0
      ? `models remove: expected one of ${shown}, found ${name}`
      : `models remove: ${name} may be ${matching.map((model) => model.shown).join(' or ')}`,
  )
}

function toRow({ file, kind, sizeBytes, sha256, url, fetchedAt, usedBy, isUseless, shown }: StoredModel) {
  return {
    file: kind === 'file' ? shown : file,
    kind,
    size_bytes: sizeBytes,
    sha256,
    url,
    fetched: fetchedAt,
    used_by: usedBy,
    is_unused: isUseless,
  }
}

function toText(models: StoredModel[]): string {
  if (models.length === 0) return 'There are no models here; pellet pull fetches some.'
  const cells = models.map(({ shown, kind, sizeBytes, sha256, fetchedAt, usedBy }) => [
    kind === 'part' ? `${shown} (not whole)` : shown,
    formatBytes(sizeBytes),
    sha256?.slice(0, 12) ?? '-',
    fetchedAt?.slice(0, 10) ?? '-',
    usedBy.join(', ') || '-',
  ])
  const bytes = models.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const useless = models.filter(({ isUseless }) => isUseless).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const hint = useless > 0 ? `; pellet models remove --unused frees ${formatBytes(useless)}` : ''
  return `${toTable(['FILE', 'SIZE', 'SHA256', 'FETCHED', 'USED BY'], cells)}\n\n${formatBytes(bytes)} in all${hint}`
}

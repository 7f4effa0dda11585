import { defineCommand } from 'citty'
import { existsSync } from 'node:fs'
import { readCatalog, type Catalog } from '../../models/catalog.ts'
import type { ModelTarget } from '../../models/fetch-model.ts'
import { formatBytes } from '../../units.ts'
import type { Config } from '../../config.ts'
import { CliError } from '../cli-error.ts'
import { askForLicences } from '../pull/consent.ts'
import { Puller, type PullRow } from '../pull/puller.ts'
import { resolveWanted } from '../pull/resolve.ts'
import { toSnippet } from '../pull/snippet.ts'
import { projectArgs, readConfigOrInstalled } from '../settings.ts'

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
    const config = await readConfigOrInstalled({ ...args })
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
      lockFile: config.lockFile,
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
    console.log('pellet dev takes it at once, pellet start with SIGHUP (systemctl reload pellet) or its next start.')
}

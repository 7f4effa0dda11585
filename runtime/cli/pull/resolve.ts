import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Config } from '../../config.ts'
import { howToGet } from '../../deployments/missing-model.ts'
import { displayPath } from '../../display-path.ts'
import { didYouMean } from '../../manifest/closest.ts'
import { namesOfChips, type HailoArch } from '../../manifest/manifest.ts'
import { isTar } from '../../manifest/paths.ts'
import { filesOf, type Catalog } from '../../models/catalog.ts'
import type { ModelTarget } from '../../models/fetch-model.ts'
import { projectModels, type ProjectModel, type SourceModels } from '../../models/project-models.ts'
import { CliError } from '../cli-error.ts'
import { compileAside } from '../compile-aside.ts'

export interface Wanted {
  /** What may be fetched, each file once. */
  targets: ModelTarget[]
  /** What cannot be, and why; for people. */
  problems: string[]
  /** Names that are the catalogue's: no manifest of the project has them. */
  catalogued: Set<string>
}

/**
 * What the words of `pellet pull` mean: a deployment of the project, else a model of the catalogue.
 * @param words `depth`, `depth@hailo8`, `depth@all`, or a manifest's path; none: whatever the project misses
 * @throws CliError for words that mean nothing
 */
export async function resolveWanted(words: string[], config: Config, catalog: Catalog): Promise<Wanted> {
  const selections = words.map(toSelection)
  const plain = selections.map(({ name }) =>
    looksLikePath.test(name) ? displayPath(config.root, resolve(config.root, name)) : name,
  )
  const isFound = (sources: SourceModels[]) =>
    plain.every((name) => Object.hasOwn(catalog.models, name) || sources.some((one) => isCalled(one, name)))
  // To look at code takes its time: at first only at what goes by these names.
  const few = words.length > 0 ? await compileAside(config, (options) => projectModels(options, plain)) : []
  const sources =
    words.length > 0 && isFound(few) ? few : await compileAside(config, (options) => projectModels(options))
  const wanted: Wanted = { targets: [], problems: [], catalogued: new Set() }
  if (words.length === 0) for (const source of sources) addModels(wanted, source, ofThisMachine)
  for (const [index, { isMeant }] of selections.entries()) {
    const name = plain[index]!
    const source = sources.find((one) => isCalled(one, name))
    if (source) addModels(wanted, source, isMeant)
    else if (Object.hasOwn(catalog.models, name)) addCatalogued(wanted, name, isMeant, config, catalog)
    else throw unknown(name, sources, catalog)
  }
  const files = new Map(wanted.targets.map((target) => [target.file, target]))
  return { ...wanted, targets: [...files.values()] }
}

// --- internal ---

function isCalled({ name, from }: SourceModels, word: string): boolean {
  return name === word || from === word
}

/** As other commands have it: relative to the project. */
const looksLikePath = /\/|\.(?:ya?ml|[cm]?[jt]s)$/

type Selection = (chip: HailoArch | undefined) => boolean

const ofThisMachine: Selection = (chip) => chip === undefined

function toSelection(word: string): { name: string; isMeant: Selection } {
  const at = word.lastIndexOf('@')
  const [name, arch] = at === -1 ? [word, 'onnx'] : [word.slice(0, at), word.slice(at + 1)]
  if (arch === 'all') return { name, isMeant: () => true }
  if (arch === 'onnx') return { name, isMeant: ofThisMachine }
  const chip = namesOfChips.find((one) => one === arch)
  if (chip) return { name, isMeant: (one) => one === chip }
  throw new CliError(`pull: expected ${name}@ with onnx, ${namesOfChips.join(', ')} or all, found ${word}`, 2)
}

function addModels({ targets, problems }: Wanted, source: SourceModels, isMeant: Selection): void {
  const { name, from, models } = source
  problems.push(...source.problems)
  const meant = models.filter(({ chip }) => isMeant(chip))
  if (meant.length === 0 && source.problems.length === 0)
    problems.push(`${name}: expected an entry for it in ${from}, found ${nameChips(models)}`)
  for (const { url, ...model } of meant) {
    if (url !== undefined && !isTar(url)) targets.push({ ...model, url })
    else if (!existsSync(model.file))
      problems.push(
        `${name}: expected a model file at ${model.shown}, found none; ${howToGet(name, { ...model, ...(url !== undefined && { url }) })}`,
      )
  }
}

function nameChips(models: readonly ProjectModel[]): string {
  return models.map(({ chip = 'onnx' }) => chip).join(', ') || 'none'
}

function addCatalogued(
  { targets, problems, catalogued }: Wanted,
  name: string,
  isMeant: Selection,
  { root, modelsFolder }: Config,
  catalog: Catalog,
): void {
  const all = filesOf(catalog.models[name]!)
  const meant = all.filter(({ chip }) => isMeant(chip))
  if (meant.length === 0)
    problems.push(
      `${name}: the catalogue has no such file; expected ${all.map(({ chip = 'onnx' }) => `${name}@${chip}`).join(', ')}`,
    )
  catalogued.add(name)
  for (const { chip, file } of meant) {
    const place = join(modelsFolder, chip ? join(chip, `${name}.hef`) : `${name}.onnx`)
    targets.push({
      name,
      ...(chip && { chip }),
      file: place,
      shown: displayPath(root, place),
      url: file.url,
      ...(file.member !== undefined && { member: file.member }),
      ...(file.sha256 !== undefined && { sha256: file.sha256 }),
      license: catalog.models[name]!.licence,
    })
  }
}

function unknown(name: string, sources: SourceModels[], { models }: Catalog): CliError {
  const own = sources.map((source) => source.name)
  const hint = didYouMean(name, [...own, ...Object.keys(models)])
  return new CliError(
    `pull: expected a deployment of this project (${own.join(', ') || 'there is none'}) or a model of the catalogue (${Object.keys(models).join(', ')}), found ${name}${hint ? `; ${hint}` : ''}`,
  )
}

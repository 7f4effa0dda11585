import { constants, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { copyFile, mkdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import type { Config } from '../../config.ts'
import { compileProject } from '../../deployments/compile.ts'
import type { FailedSource } from '../../deployments/deployment.ts'
import { functionEndings } from '../../deployments/discover.ts'
import { createMemo } from '../../deployments/memo.ts'
import { sha256File } from '../../digest.ts'
import { displayPath } from '../../display-path.ts'
import { createDataStore } from '../../storage/storage.ts'
import { CliError } from '../cli-error.ts'
import type { ModelShape } from './model.ts'

/** A file that is to be made: its text, or the file that it is a copy of. Absolute paths. */
export interface NewFile {
  path: string
  text?: string
  from?: string
}

/** Where the files of a function go. */
export function filesOf({ root, functionsFolder, manifestsFolder, modelsFolder }: Config, name: string) {
  return {
    function: join(functionsFolder, `${name}.ts`),
    manifest: join(manifestsFolder, `${name}.yaml`),
    test: join(root, 'test', `${name}.test.mjs`),
    labels: join(modelsFolder, `${name}.txt`),
  }
}

/** @throws CliError when something of this name is there already: nothing is ever written over */
export function refuseExisting(config: Config, name: string): void {
  const { root, functionsFolder, manifestsFolder } = config
  const taken = [
    ...functionEndings.map((ending) => join(functionsFolder, name + ending)),
    ...['.yaml', '.yml'].map((ending) => join(manifestsFolder, name + ending)),
    filesOf(config, name).test,
  ].filter((path) => existsSync(path))
  if (taken.length > 0)
    throw new CliError(
      `${taken.map((path) => displayPath(root, path)).join(', ')}: expected none yet, found ${taken.length === 1 ? 'a file' : 'files'}; choose another name, or move what is there`,
    )
}

/**
 * The model as the manifest names it, and what has to be copied for that.
 * @throws CliError when another file of its name is in the models folder
 */
export async function placeModel(model: ModelShape, { root, modelsFolder }: Config) {
  const inside = relative(modelsFolder, model.path)
  if (!inside.startsWith('..')) return { file: inside, copies: [] as NewFile[] }
  const copies: NewFile[] = []
  for (const [from, to] of [
    [model.path, basename(model.path)],
    ...model.external.map((file) => [join(dirname(model.path), file), file]),
  ] as [string, string][]) {
    const path = join(modelsFolder, to)
    if (relative(modelsFolder, path).startsWith('..'))
      throw new CliError(
        `${model.path}: expected its weights beside or below it, found ${to}; put it into the models folder yourself`,
      )
    if (!existsSync(path)) copies.push({ path, from })
    else if ((await sha256File(path)) !== (await sha256File(from)))
      throw new CliError(
        `${displayPath(root, path)}: expected none yet or the same file as ${from}, found another; rename one of them`,
      )
  }
  return { file: basename(model.path), copies }
}

/** Makes all of the files, or none. @returns what takes them away again */
export async function writeAll(files: readonly NewFile[]): Promise<() => Promise<void>> {
  const made: string[] = []
  const folders: string[] = []
  const undo = async () => {
    for (const path of made) await rm(path, { force: true })
    for (const folder of folders.toReversed()) await rmdir(folder).catch(() => {})
  }
  try {
    for (const { path, text, from } of files) {
      const folder = await mkdir(dirname(path), { recursive: true })
      // The topmost that was made; what lies between it and the file was made as well.
      if (folder !== undefined) folders.push(...between(folder, dirname(path)))
      // Never over a file that came meanwhile.
      if (from !== undefined) await copyFile(from, path, constants.COPYFILE_EXCL)
      else await writeFile(path, text!, { flag: 'wx' })
      made.push(path)
    }
  } catch (error) {
    await undo()
    throw new CliError(`nothing was written: ${(error as Error).message}`)
  }
  return undo
}

/** What `pellet start` would say of a manifest, beside all else that is in the project; undefined: nothing. */
export async function failureOf(manifest: string, config: Config): Promise<FailedSource | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'pellet-new-'))
  try {
    // A HEF is written for where its chip is.
    const options = {
      ...config,
      isForAnywhere: true,
      dataFolder: folder,
      memo: createMemo(createDataStore({ folder })),
    }
    const { failures } = await compileProject(options)
    return failures.find(({ origin }) => origin.manifest === displayPath(config.root, manifest))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Where editors find the manifest's schema: in this project, or in the Pellet that it has installed. */
export function schemaFor({ root, manifestsFolder }: Config): string | undefined {
  const places = [join(manifestsFolder, 'schema.json'), join(root, 'node_modules/pellet/manifests/schema.json')]
  const found = places.find((path) => existsSync(path))
  return found && relative(manifestsFolder, found)
}

// --- internal ---

function between(top: string, bottom: string): string[] {
  const folders = [bottom]
  while (folders[0] !== top && dirname(folders[0]!) !== folders[0]) folders.unshift(dirname(folders[0]!))
  return folders
}

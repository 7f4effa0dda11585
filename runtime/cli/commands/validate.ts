import { defineCommand } from 'citty'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileFiles, compileProject } from '../../deployments/compile.ts'
import type { Deployment, FailedSource } from '../../deployments/deployment.ts'
import { createMemo } from '../../deployments/memo.ts'
import { howToGet, otherWays } from '../../deployments/missing-model.ts'
import { createDataStore } from '../../storage/storage.ts'
import { CliError } from '../cli-error.ts'
import { projectArgs, readConfig } from '../settings.ts'

export default defineCommand({
  meta: {
    name: 'validate',
    description:
      'Check manifests and function files, or the whole project, without starting anything.\n' +
      'A model file that is not there fails the files that are named; of a whole project it is told, and no failure.',
  },
  args: {
    files: { type: 'positional', description: 'Manifest or function files', required: false },
    ...projectArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const config = await readConfig({ ...args })
    // Nothing is left behind: validating must work in a folder that cannot be written to, and beside a running Pellet.
    const folder = mkdtempSync(join(tmpdir(), 'pellet-validate-'))
    try {
      const options = { ...config, dataFolder: folder, memo: createMemo(createDataStore({ folder })) }
      const isWhole = args._.length === 0
      const { deployments, failures } = await (isWhole ? compileProject(options) : compileFiles(args._, options))
      if (deployments.length + failures.length === 0)
        throw new CliError(`${config.root}: expected manifests or function files, found none`)
      const valid = deployments.map(toRow)
      const refused = failures.filter(({ missing }) => !missing)
      const noModel = failures.filter(({ missing }) => missing)
      if (args.json) console.log(JSON.stringify({ valid, refused, no_model: noModel }, null, 2))
      else for (const { file, name, routes } of valid) console.log(`${file}: ok, ${name} at ${routes.join(', ')}`)
      const lines = failures.flatMap((failure) => toLines(failure, failures, isWhole))
      // A fresh clone has manifests whose weights everybody fetches for themselves: nothing is wrong with it.
      if (refused.length > 0 || (noModel.length > 0 && !isWhole)) throw new CliError(args.json ? '' : lines.join('\n'))
      if (!args.json) for (const line of lines) console.error(line)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
})

// --- internal ---

/**
 * What is wrong, and below it how to get a model; where that is another's who is told about as well, only there.
 * @param isBrief for chips only who tells it: of a whole project most people have none
 */
function toLines(
  { name, origin, problems, missing }: FailedSource,
  failures: FailedSource[],
  isBrief: boolean,
): string[] {
  if (!missing) return problems
  const { deployment, files } = missing
  const chips = files.flatMap(({ chip }) => chip ?? [])
  if (deployment === name && isBrief && chips.length > 0)
    return [...problems, `  for ${chips.join(', ')}: pellet validate ${origin.manifest ?? origin.function}`]
  if (deployment === name) return [...problems, ...otherWays(missing).map((way) => `  ${way}`)]
  if (failures.some((failure) => failure.name === deployment)) return problems
  return [
    ...problems,
    `  ${deployment}: ${files[0]!.file}; ${howToGet(files[0]!)}`,
    ...otherWays(missing).map((way) => `  ${way}`),
  ]
}

function toRow({ name, origin, revision, manifest }: Deployment) {
  const routes = manifest.routes.map(({ method, path }) => `${method} ${path}`)
  return { file: origin.manifest ?? origin.function ?? '', name, revision: revision.slice(0, 12), routes }
}

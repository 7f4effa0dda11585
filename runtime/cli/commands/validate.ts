import { defineCommand } from 'citty'
import { compileFiles, compileProject } from '../../deployments/compile.ts'
import type { Deployment, FailedSource } from '../../deployments/deployment.ts'
import { probeNpu } from '../../device/probe.ts'
import { CliError } from '../cli-error.ts'
import { compileAside, toFailureLines } from '../compile-aside.ts'
import { projectArgs, readConfig } from '../settings.ts'
import { routeNames } from '../../manifest/paths.ts'

export default defineCommand({
  meta: {
    name: 'validate',
    description:
      'Check manifests and function files, or the whole project, without starting anything\n' +
      'A model file that is not there fails the files that are named; of a whole project it is told, and no failure.\n' +
      'With --probe each is also loaded and tried, as a deploy would: by its probes, else by one run of its model.',
  },
  args: {
    files: { type: 'positional', description: 'Manifest or function files', required: false },
    ...projectArgs,
    probe: { type: 'boolean', description: 'Load each and try it, as pellet deploy does before it goes live' },
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const config = await readConfig({ ...args })
    const isWhole = args._.length === 0
    const npu = await probeNpu(config, { say: (message) => console.error(message) })
    const { deployments, failures, tried } = await compileAside(
      config,
      async (aside) => {
        const options = { ...aside, areProbesMade: args.probe ?? false }
        const compiled = await (isWhole ? compileProject(options) : compileFiles(args._, options))
        if (!args.probe) return { ...compiled, tried: new Map<string, string[]>() }
        const { probeAside } = await import('../probe-aside.ts')
        const all = isWhole ? compiled : await compileProject(options)
        const { dataFolder } = options
        const tried = await probeAside({ config, npu, dataFolder }, compiled.deployments, all.deployments)
        return { ...compiled, tried }
      },
      npu,
    )
    if (deployments.length + failures.length === 0)
      throw new CliError(`${config.root}: expected manifests or function files, found none`)
    const hasFailed = ({ name }: Deployment) => (tried.get(name) ?? []).length > 0
    const valid = deployments.filter((deployment) => !hasFailed(deployment)).map(toRow)
    const failed = deployments
      .filter(hasFailed)
      .map(({ name, origin }): FailedSource => ({ name, origin, problems: tried.get(name)! }))
    const refused = [...failures.filter(({ missing }) => !missing), ...failed]
    const noModel = failures.filter(({ missing }) => missing)
    if (args.json) console.log(JSON.stringify({ valid, refused, no_model: noModel }, null, 2))
    else for (const { file, name, routes } of valid) console.log(`${file}: ok, ${name} at ${routes.join(', ')}`)
    if (!args.json) for (const { name, notes } of valid) for (const note of notes) console.error(`${name}: ${note}`)
    const lines = [...failures, ...failed].flatMap((failure) => toFailureLines(failure, failures, isWhole))
    // A fresh clone has manifests whose weights everybody fetches for themselves: nothing is wrong with it.
    if (refused.length > 0 || (noModel.length > 0 && !isWhole)) throw new CliError(args.json ? '' : lines.join('\n'))
    if (!args.json) for (const line of lines) console.error(line)
  },
})

// --- internal ---

function toRow({ name, origin, revision, manifest, notes }: Deployment) {
  const routes = routeNames(manifest.routes)
  return { file: origin.manifest ?? origin.function ?? '', name, revision: revision.slice(0, 12), routes, notes }
}

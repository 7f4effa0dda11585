import { defineCommand } from 'citty'
import { compileFiles } from '../../deployments/compile.ts'
import type { Deployment } from '../../deployments/deployment.ts'
import type { About } from '../../http/admin.ts'
import { absent, type NpuStatus } from '../../device/npu.ts'
import { CliError } from '../cli-error.ts'
import { callJson } from '../client.ts'
import { compileAside, toFailureLines } from '../compile-aside.ts'
import { deployOne, type DeployOptions } from '../deploy/deploy-one.ts'
import { calleesFirst } from '../deploy/order.ts'
import { askMissing } from '../deploy/upload.ts'
import { createReporter } from '../deploy/reporter.ts'
import { pullMissing } from '../pull/pull-missing.ts'
import { readConfig } from '../settings.ts'
import { readTarget, targetArgs } from '../target.ts'

export default defineCommand({
  meta: {
    name: 'deploy',
    description:
      'Put manifests or function files of this project into a running Pellet, here or on another machine\n' +
      'They are checked and bundled here; only what the other side lacks is sent. It loads and tries the new revision\n' +
      'beside the old one, and switches only when all is well.',
  },
  args: {
    files: { type: 'positional', description: 'Manifest or function files', required: false, valueHint: '<file...>' },
    ...targetArgs,
    'dry-run': { type: 'boolean', description: 'Say what would be sent and what would change; change nothing' },
    probe: {
      type: 'boolean',
      default: true,
      description: 'Try the new revision before it goes live',
      negativeDescription: 'Go live without the probe or the self-test',
    },
    json: { type: 'boolean', description: 'Print what happens as lines of JSON' },
  },
  async run({ args }) {
    if (args._.length === 0)
      throw new CliError('deploy: expected manifest or function files, found none\nTry: pellet deploy --help', 2)
    const config = await readConfig({ ...args })
    const target = await readTarget({ ...args })
    // Whoever is not there, or wants another token, is known before anything is compiled.
    const about = await callJson<About>(target, 'GET', '/api/about')
    await askMissing(target, [])
    const compile = () =>
      compileAside(
        config,
        (options) => compileFiles(args._, { ...options, areProbesMade: true }, 'anybody'),
        npuOf(about),
      )
    const first = await compile()
    const { deployments, failures } = (await pullMissing(config, first.failures)) ? await compile() : first
    const reporter = createReporter({ isJson: args.json ?? false, isDryRun: args['dry-run'] ?? false })
    for (const failure of failures) reporter.refused(failure.name, toFailureLines(failure, failures, true))
    const refused = failures.map(({ name }) => name)
    const stop = new AbortController()
    const options: DeployOptions = {
      target,
      about,
      folders: config,
      reporter,
      signal: stop.signal,
      isDryRun: args['dry-run'] ?? false,
      isProbed: args.probe,
    }
    const onSignal = () => stop.abort()
    process.once('SIGINT', onSignal)
    try {
      await deployAll(calleesFirst(deployments), refused, options)
    } finally {
      process.off('SIGINT', onSignal)
    }
  },
})

// --- internal ---

/** That of the target. A Pellet of an older version tells of none. */
function npuOf({ npu }: Partial<Pick<About, 'npu'>>): NpuStatus {
  if (npu?.is_usable) return { isUsable: true, kind: npu.kind, chip: npu.chip, library: npu.library, file: '' }
  return absent(`the target has no NPU: ${npu?.reason ?? 'its version of Pellet runs none'}`)
}

/** One after the other; one that fails does not hold up those behind it. @throws CliError when one failed, or was refused */
async function deployAll(deployments: Deployment[], refused: string[], options: DeployOptions): Promise<void> {
  const failed = [...refused]
  for (const deployment of deployments) {
    if (options.signal.aborted) break
    if (!(await deployOne(deployment, options))) failed.push(deployment.name)
  }
  options.reporter.summary(deployments.length + refused.length, failed)
  if (failed.length > 0 || options.signal.aborted) throw new CliError('')
}

import { defineCommand } from 'citty'
import { buildShim, ShimBuildError } from '../../../ffi/shim/build.ts'
import { formatDuration } from '../../units.ts'
import { CliError } from '../cli-error.ts'
import { projectArgs, readConfigOrInstalled } from '../settings.ts'

export default defineCommand({
  meta: {
    name: 'build-shim',
    description:
      'Compile what lets Pellet use HailoRT, ahead of its first use; or say what is missing for it\n' +
      'It goes into the data folder, for the HailoRT that is installed. pellet start does the same where it finds an NPU.',
  },
  args: {
    ...projectArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const { dataFolder } = await readConfigOrInstalled({ ...args })
    const startedAt = performance.now()
    try {
      const { file, isNew, version } = await buildShim({ dataFolder })
      if (args.json) return console.log(JSON.stringify({ file, hailort: version, is_new: isNew, missing: [] }, null, 2))
      const how = isNew ? `compiled in ${formatDuration(performance.now() - startedAt)}` : 'compiled already'
      console.log(`${file}: ${how}, for HailoRT ${version}`)
    } catch (error) {
      if (!(error instanceof ShimBuildError)) throw error
      const { message, missing } = error
      if (args.json) console.log(JSON.stringify({ file: null, error: message, missing }, null, 2))
      const lines = missing.map(({ what, found, advice }) => `  ${what}: ${found}\n    ${advice}`)
      throw new CliError(
        lines.length === 0 ? message : ['The shim over HailoRT cannot be compiled. Missing:', ...lines].join('\n'),
      )
    }
  },
})

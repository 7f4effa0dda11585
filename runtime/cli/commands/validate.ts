import { defineCommand } from 'citty'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileFiles } from '../../deployments/compile.ts'
import { createMemo } from '../../deployments/memo.ts'
import { createDataStore } from '../../storage/storage.ts'
import { CliError } from '../cli-error.ts'
import { projectArgs, readConfig } from '../settings.ts'

export default defineCommand({
  meta: { name: 'validate', description: 'Check manifests and function files without starting anything' },
  args: {
    files: { type: 'positional', description: 'Manifest or function files', required: true },
    ...projectArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const config = await readConfig({ ...args })
    // Nothing is left behind: validating must work in a folder that cannot be written to, and beside a running Pellet.
    const folder = mkdtempSync(join(tmpdir(), 'pellet-validate-'))
    try {
      const memo = createMemo(createDataStore({ folder }))
      const { deployments, failures } = await compileFiles(args._, { ...config, dataFolder: folder, memo })
      if (args.json) console.log(JSON.stringify({ valid: deployments.map(toRow), refused: failures }, null, 2))
      else
        for (const row of deployments.map(toRow))
          console.log(`${row.file}: ok, ${row.name} at ${row.routes.join(', ')}`)
      const problems = failures.flatMap((failure) => failure.problems)
      if (problems.length > 0) throw new CliError(args.json ? '' : problems.join('\n'))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
})

// --- internal ---

function toRow({ name, origin, revision, manifest }: Awaited<ReturnType<typeof compileFiles>>['deployments'][number]) {
  const routes = manifest.routes.map(({ method, path }) => `${method} ${path}`)
  return { file: origin.manifest ?? origin.function ?? '', name, revision: revision.slice(0, 12), routes }
}

import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type Message, type Plugin } from 'esbuild'
import { installBundle, ownPrefix, type PortableBundle } from './install-bundle.ts'

/** A function file with all that it imports, as one module that an isolate can import from anywhere. */
export interface Bundle {
  file: string
  /** sha256 of the code, hex; the same on every machine. */
  hash: string
  /** Absolute paths of the files that went in. */
  sources: string[]
}

/** The problems of a file that does not bundle, each as `file:line:column: text`. */
export class BundleError extends Error {
  readonly problems: string[]
  /** Absolute paths of files that it wants, there or not: a change of one of them may mend it. */
  readonly sources: string[]

  constructor(problems: string[], sources: string[]) {
    super(problems.join('\n'))
    this.problems = problems
    this.sources = sources
  }
}

/**
 * Bundles a function file and installs it. `pellet`, `zod` and `sharp` stay imports and lead to this installation, so that
 * a file in any folder works without an own `node_modules`, and a step and the runtime share one zod and one sharp.
 * @throws BundleError
 */
export async function bundleFunction(file: string, root: string, outFolder: string): Promise<Bundle> {
  const { sources, ...portable } = await bundlePortable(file, root)
  const installed = await installBundle(portable, outFolder, pathToFileURL(join(root, '/')).href)
  return { file: installed, hash: portable.hash, sources }
}

/** Bundles a function file for any machine. @throws BundleError */
export async function bundlePortable(file: string, root: string): Promise<PortableBundle & { sources: string[] }> {
  const wanted = new Set<string>([file])
  const result = await build({
    entryPoints: [file],
    absWorkingDir: root,
    bundle: true,
    write: false,
    // Sources in the map are relative to it.
    outdir: root,
    outExtension: { '.js': '.mjs' },
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    sourcemap: 'linked',
    metafile: true,
    logLevel: 'silent',
    // CommonJS packages that are bundled in may ask for `require`. esbuild has a `__require` of its own.
    banner: {
      js: `import { createRequire as pelletCreateRequire } from 'node:module';const require = pelletCreateRequire(import.meta.url);`,
    },
    plugins: [ownPackages, noteImports(root, wanted)],
  }).catch((error: { errors?: Message[] }) => {
    throw new BundleError((error.errors ?? [{ text: String(error) } as Message]).map(toProblem), [...wanted])
  })
  const code = result.outputFiles.find((output) => output.path.endsWith('.mjs'))!
  const map = result.outputFiles.find((output) => output.path.endsWith('.map'))!
  const text = code.text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '')
  const hash = createHash('sha256').update(text).digest('hex')
  const sources = Object.keys(result.metafile.inputs).map((input) => join(root, input))
  return { code: text, map: map.text, hash, sources }
}

// --- internal ---

const ownPackages: Plugin = {
  name: 'pellet-own-packages',
  setup({ onResolve }) {
    onResolve({ filter: /^(pellet|zod|sharp)$/ }, ({ path }) => ({ path: ownPrefix + path, external: true }))
  },
}

/** Notes where each import may lead, also those that lead nowhere yet. */
function noteImports(root: string, wanted: Set<string>): Plugin {
  return {
    name: 'pellet-note-imports',
    setup({ onResolve }) {
      onResolve({ filter: /.*/ }, ({ path, resolveDir, importer }) => {
        if (importer.includes('node_modules')) return undefined
        if (!/^\.{0,2}\//.test(path)) wanted.add(join(root, 'node_modules', path))
        else
          for (const ending of importEndings) wanted.add(resolve(resolveDir, path.replace(/\.[mc]?js$/, '')) + ending)
        return undefined
      })
    },
  }
}

const importEndings = ['', '.ts', '.mts', '.js', '.mjs', '.cjs', '.json', '/index.ts', '/index.js']

function toProblem({ text, location }: Message): string {
  return location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text
}

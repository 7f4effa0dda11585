import { createHash, randomUUID } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { build, type Message, type Plugin } from 'esbuild'

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
 * Bundles a function file. `pellet`, `zod` and `sharp` stay imports and lead to this installation, so that a file in any
 * folder works without an own `node_modules`, and a step and the runtime share one zod and one sharp.
 * @throws BundleError
 */
export async function bundleFunction(file: string, root: string, outFolder: string): Promise<Bundle> {
  const wanted = new Set<string>([file])
  const result = await build({
    entryPoints: [file],
    absWorkingDir: root,
    bundle: true,
    write: false,
    outdir: outFolder,
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
  const hash = createHash('sha256')
    .update(code.text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, ''))
    .digest('hex')
  const name = `${hash.slice(0, 32)}.mjs`
  const runnable = code.text
    .replace(/\n\/\/# sourceMappingURL=.*\s*$/, `\n//# sourceMappingURL=${name}.map\n`)
    .replaceAll(new RegExp(`"${placeholder}([a-z]+)"`, 'g'), (_, own: string) => JSON.stringify(ownUrl(own)))
  await mkdir(outFolder, { recursive: true })
  await writeWhole(join(outFolder, `${name}.map`), map.text)
  await writeWhole(join(outFolder, name), runnable)
  const sources = Object.keys(result.metafile.inputs).map((input) => join(root, input))
  return { file: join(outFolder, name), hash, sources }
}

/** A path as people write it: relative to the project where it lies inside. */
export function displayPath(root: string, file: string): string {
  const short = relative(root, file)
  return short === '' || short.startsWith('..') ? file : short
}

// --- internal ---

/** Stands for an own package until the code is hashed: absolute URLs would make the hash a machine's own. */
const placeholder = 'pellet-own:'

const ownPackages: Plugin = {
  name: 'pellet-own-packages',
  setup({ onResolve }) {
    onResolve({ filter: /^(pellet|zod|sharp)$/ }, ({ path }) => ({ path: placeholder + path, external: true }))
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

function ownUrl(name: string): string {
  if (name === 'pellet') return new URL('../index.js', import.meta.url).href
  return import.meta.resolve(name === 'zod' ? '#zod' : name)
}

function toProblem({ text, location }: Message): string {
  return location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text
}

async function writeWhole(file: string, text: string): Promise<void> {
  // Several manifests may bundle one function file at the same time.
  const aside = `${file}.${randomUUID()}.tmp`
  await writeFile(aside, text)
  await rename(aside, file)
}

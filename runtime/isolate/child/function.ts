import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { messageOf, PelletError } from '../../errors.ts'
import { defineFunction, type FunctionDefinition } from '../../functions/define.ts'
import { missingExport } from './missing-export.ts'
import { builtinSteps } from '../../steps/index.ts'

/**
 * Imports a bundled function.
 * @throws PelletError `load_failed` when it throws on import or exports no function
 */
export async function importFunction(bundleFile: string): Promise<FunctionDefinition> {
  let module: { default?: FunctionDefinition }
  try {
    module = (await import(pathToFileURL(bundleFile).href)) as typeof module
  } catch (error) {
    const why = await missingExport(error, bundleFile)
    throw new PelletError('load_failed', why ?? `the function throws while it is loaded: ${firstFrames(error)}`, {
      cause: error,
    })
  }
  const definition = module.default
  if (typeof definition !== 'object' || definition === null)
    throw new PelletError(
      'load_failed',
      `default export: expected what defineFunction({ ... }) returns, found ${definition === null ? 'null' : typeof definition}`,
    )
  try {
    // A plain object may stand in for what defineFunction returns; the rules are the same.
    defineFunction(definition)
  } catch (error) {
    throw new PelletError('load_failed', messageOf(error), { cause: error })
  }
  for (const name of Object.keys(definition.steps ?? {})) {
    if (Object.hasOwn(builtinSteps, name))
      throw new PelletError('load_failed', `steps.${name}: a built-in step has this name; give yours another`)
  }
  return definition
}

/**
 * Reads the manifest's `files`: `.json` parsed, `.txt` as an array of lines, others as bytes.
 * @param names as the manifest calls them: those that were uploaded are called by their digest here
 */
export async function readFiles(
  files: Record<string, string>,
  names: Record<string, string>,
): Promise<Record<string, unknown>> {
  const contents: Record<string, unknown> = {}
  for (const [name, file] of Object.entries(files)) {
    try {
      const bytes = await readFile(file)
      const type = extname(names[name] ?? file)
      contents[name] = type === '.json' ? JSON.parse(String(bytes)) : type === '.txt' ? toLines(String(bytes)) : bytes
    } catch (error) {
      throw new PelletError('load_failed', `files.${name}: cannot read ${names[name] ?? file}: ${messageOf(error)}`, {
        cause: error,
      })
    }
  }
  return contents
}

/** Message and the frames that lie in the user's own files, for a terminal. */
export function firstFrames(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const frames = (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !line.includes('node:internal') && !isOwnCode(line))
  return [`${error.name}: ${error.message}`, ...frames.slice(0, 4).map((line) => line.trim())].join('\n  ')
}

// --- internal ---

/** This installation; source maps lead to the sources of the runtime where these are there. */
const installation = fileURLToPath(new URL('../../../../', import.meta.url))

/** The runtime's own frames are of no use to the author of a function. */
function isOwnCode(frame: string): boolean {
  return frame.includes(`${installation}runtime/`) || frame.includes(`${installation}dist/`)
}

function toLines(text: string): string[] {
  const lines = text.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}

import { readdir } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'

/** The files of a project that make deployments. Absolute paths, sorted. */
export interface Sources {
  manifests: string[]
  functions: string[]
}

/** What function files end in. */
export const functionEndings = ['.ts', '.mts', '.js', '.mjs']

/** `example.yaml` documents every key; it and files that start with `_` or `.` are never deployed. */
export async function discoverSources(manifestsFolder: string, functionsFolder: string): Promise<Sources> {
  const manifests = await listFiles(manifestsFolder, ['.yaml', '.yml'])
  return {
    manifests: manifests.filter((file) => !basename(file).startsWith('example.')),
    functions: await listFiles(functionsFolder, functionEndings),
  }
}

/** The name that a function file is called by: `functions/depth.ts` is `depth`. */
export function functionName(file: string): string {
  return basename(file, extname(file))
}

// --- internal ---

async function listFiles(folder: string, endings: string[]): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return entries
    .filter((entry) => !entry.isDirectory() && !/^[._]/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .filter((entry) => endings.includes(extname(entry.name)))
    .map((entry) => join(folder, entry.name))
    .sort()
}

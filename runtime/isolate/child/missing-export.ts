import { readFile } from 'node:fs/promises'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { resolve } from 'node:path'
import { didYouMean } from '../../manifest/closest.ts'

/**
 * `lib/colours.ts:3:10: "pellet" has no export named stepp; did you mean step?`: why a bundle cannot be linked, where an
 * import of a package that stays outside of it is at fault; undefined: that is not it.
 */
export async function missingExport(error: unknown, bundleFile: string): Promise<string | undefined> {
  const found = error instanceof SyntaxError && missing.exec(error.message)
  if (!found) return undefined
  const [, url = '', name = ''] = found
  const code = await readFile(bundleFile, 'utf8')
  const names = [...code.matchAll(/^import (?:\w+, )?\{([^}]*)\} from (".*");?$/gm)]
  const faulty = names.find(([, list, from]) => from === JSON.stringify(url) && list!.split(/\W+/).includes(name))
  const known = Object.keys((await import(url)) as object)
  const hint = didYouMean(name, known) ?? `it has ${known.join(', ')}`
  const place = faulty ? await placeOf(bundleFile, code, code.indexOf(name, faulty.index)) : ''
  const from = /[/]dist[/]runtime[/]index[.]js$/.test(url) ? 'pellet' : url
  return `${place}"${from}" has no export named ${name}; ${hint}`
}

// --- internal ---

const missing = /^The requested module '(.+)' does not provide an export named '(.+)'$/

async function placeOf(bundleFile: string, code: string, at: number): Promise<string> {
  const payload = JSON.parse(await readFile(`${bundleFile}.map`, 'utf8')) as SourceMapPayload
  const before = code.slice(0, at).split('\n')
  const entry = new SourceMap(payload).findEntry(before.length - 1, before.at(-1)!.length)
  return 'originalSource' in entry
    ? `${resolve(bundleFile, '..', entry.originalSource)}:${entry.originalLine + 1}:${entry.originalColumn + 1}: `
    : ''
}

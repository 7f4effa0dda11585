import { isAbsolute, relative } from 'node:path'
import { stringify } from 'yaml'
import type { Catalog } from '../../models/catalog.ts'
import type { ModelTarget } from '../../models/fetch-model.ts'

/** What to write into a manifest for files of the catalogue; with the URL, so that whoever has the manifest can pull. */
export function toSnippet(targets: readonly ModelTarget[], catalog: Catalog, modelsFolder: string): string {
  const { name } = targets[0]!
  const { manifest, function: user } = catalog.models[name]!
  const entryOf = ({ chip, file, url, member, license }: ModelTarget) => {
    const path = relative(modelsFolder, file)
    return {
      name,
      file: isAbsolute(path) || path.startsWith('..') ? file : path,
      url,
      ...(member !== undefined && { member }),
      ...(chip ? manifest.hef : manifest.onnx),
      license,
    }
  }
  const onnx = targets.find(({ chip }) => chip === undefined)
  const chips = targets.filter(({ chip }) => chip !== undefined)
  const model = {
    ...(chips.length > 0 && { hef: Object.fromEntries(chips.map((target) => [target.chip, entryOf(target)])) }),
    ...(onnx && { onnx: entryOf(onnx) }),
  }
  const whose = user ? `, e.g. manifests/${user}.yaml` : ''
  return `Write into a manifest${whose}:\n\n${stringify({ model }, { lineWidth: 0 }).replaceAll(/^(?=.)/gm, '  ')}`
}

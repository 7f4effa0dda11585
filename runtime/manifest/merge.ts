import { isUrl } from './paths.ts'
import type { ManifestInput } from './schema.ts'

/**
 * A function file's own manifest with the written one over it, key by key. `model`, `model.onnx`, `limits`,
 * `limits.queue`, `cache`, `files` and `input` are merged one level deep; lists, `routes`, `status`, `listen` and `model.hef` are replaced. `route` in
 * the one replaces `routes` in the other. A written `model.onnx` with a file or
 * URL replaces the other whole: mean, std, layout and decode belong to the file.
 * Neither is changed; what is no mapping is passed on for the check to refuse.
 */
export function mergeManifest(inline: ManifestInput | undefined, written: ManifestInput | undefined): ManifestInput {
  if (inline === undefined) return written === undefined ? {} : written
  if (written === undefined || !isMapping(inline)) return inline
  if (!isMapping(written)) return written
  const base: Mapping = { ...inline }
  if (written.route !== undefined || written.routes !== undefined) {
    delete base.route
    delete base.routes
  }
  const merged = overlay(base, written, {
    files: overlay,
    input: overlay,
    cache: overlay,
    limits: (below, above) => overlay(below, above, { queue: overlay }),
    model: (below, above) => overlay(below, above, { onnx: overlayEntry }),
  })
  return merged as ManifestInput
}

// --- internal ---

type Mapping = Record<string, unknown>
type Overlay = (below: Mapping, above: Mapping) => Mapping

function overlay(below: Mapping, above: Mapping, deeper: Record<string, Overlay> = {}): Mapping {
  const merged = { ...below }
  for (const [key, value] of Object.entries(above)) {
    if (value === undefined) continue
    const under = toMapping(key, below[key])
    const over = toMapping(key, value)
    const merge = Object.hasOwn(deeper, key) ? deeper[key] : undefined
    merged[key] = merge && isMapping(under) && isMapping(over) ? merge(under, over) : value
  }
  return merged
}

/** Mean, std, layout and decode are what one file wants done outside it: another file says its own. */
function overlayEntry(below: Mapping, above: Mapping): Mapping {
  return above.file === undefined && above.url === undefined ? overlay(below, above) : above
}

/** `onnx: "file.onnx"` as the mapping it stands for. */
function toMapping(key: string, value: unknown): unknown {
  if (key !== 'onnx' || typeof value !== 'string') return value
  return isUrl(value) ? { url: value } : { file: value }
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

import { createHash } from 'node:crypto'
import type { Manifest } from '../manifest/manifest.ts'

/**
 * Identity of a revision: sha256 (hex) over the normalised manifest, the function's bundle, and the digests of the
 * model and the other files. Paths on this machine are not in it, so equal revisions are equal everywhere.
 */
export function toRevision(
  manifest: Manifest,
  bundleHash: string | undefined,
  digests: Record<string, string>,
): string {
  return createHash('sha256')
    .update(canonical({ manifest, bundleHash: bundleHash ?? null, digests }))
    .digest('hex')
}

// --- internal ---

/** JSON with sorted keys: the order in which a manifest was written does not matter. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

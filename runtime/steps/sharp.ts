import type { Sharp, SharpOptions } from 'sharp'

type SharpModule = (input?: Uint8Array, options?: SharpOptions) => Sharp

let loading: Promise<SharpModule> | undefined

/**
 * sharp, loaded on first use (170 ms, 32 MB), so that describing a function or serving tensors never pays for it. Nothing
 * in Pellet imports sharp by another way.
 *
 * All loaders of libvips are blocked for the whole process, and only those of the formats that are read are opened again,
 * from memory: no SVG, PDF or file path is ever read, whoever calls.
 */
export function loadSharp(): Promise<SharpModule> {
  loading ??= open()
  return loading
}

/** Loads the picture decoder ahead of the first request; isolates call it while they load. */
export async function warmUp(): Promise<void> {
  await loadSharp()
}

// --- internal ---

async function open(): Promise<SharpModule> {
  const { default: sharp } = await import('sharp')
  sharp.block({ operation: ['VipsForeignLoad'] })
  const loaders = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Heif', 'Tiff']
  sharp.unblock({ operation: loaders.map((name) => `VipsForeignLoad${name}Buffer`) })
  // Every request brings other bytes: a cache would only hold memory.
  sharp.cache(false)
  return sharp as SharpModule
}

import { open } from 'node:fs/promises'

/** Has the disk keep which names a folder has: without it a rename may not outlive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

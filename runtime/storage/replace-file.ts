import { rename, rm } from 'node:fs/promises'

/** Puts a file that was written aside in its place, whatever is there: a folder is none of Pellet's, and in the way. */
export async function replaceFile(aside: string, file: string): Promise<void> {
  await rename(aside, file).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EISDIR') throw error
    await rm(file, { recursive: true, force: true })
    await rename(aside, file)
  })
}

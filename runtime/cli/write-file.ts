import { writeFile as write } from 'node:fs/promises'
import { CliError } from './cli-error.ts'

/** Writes what a command gives. @throws CliError when it cannot be written there */
export async function writeFile(file: string, content: string | Uint8Array): Promise<void> {
  await write(file, content).catch((error: Error) => {
    throw new CliError(`${file}: expected a file that can be written, found: ${error.message}`)
  })
}

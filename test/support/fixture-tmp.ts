import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folders: string[] = []

/** A new folder under `os.tmpdir()`, removed with all that is in it when the process exits. */
export function temporaryFolder(): string {
  if (folders.length === 0) process.once('exit', removeAll)
  const folder = mkdtempSync(join(tmpdir(), 'p-'))
  folders.push(folder)
  return folder
}

// --- internal ---

function removeAll(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder under `os.tmpdir()`, removed with all that is in it when the process exits. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'p-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

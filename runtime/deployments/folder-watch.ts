import { statSync, watch, type FSWatcher } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * Tells when something happens to files in folders, whether they are there yet or not. It watches the folders themselves: a
 * watched file is lost when an editor puts another in its place, and a file that is not there cannot be watched.
 */
export class FolderWatch implements Disposable {
  readonly #onEvent: (path: string) => void
  readonly #onTrouble: (message: string) => void
  readonly #watched = new Map<string, { watcher: FSWatcher | undefined; identity: string }>()

  /**
   * @param onEvent told the file or folder to which something happened; where that is not known, its folder
   * @param onTrouble told once for each folder that cannot be watched
   */
  constructor(onEvent: (path: string) => void, onTrouble: (message: string) => void) {
    this.#onEvent = onEvent
    this.#onTrouble = onTrouble
  }

  /**
   * Watches these folders and no others; of one that is not there what is above it, until it is. Absolute paths.
   * @returns whether any is watched only now: what happened in it before went unnoticed
   */
  update(folders: Iterable<string>): boolean {
    const wanted = new Set([...folders].map(existing))
    for (const [folder, { identity }] of this.#watched)
      if (!wanted.has(folder) || identity !== identityOf(folder)) this.#drop(folder)
    const fresh = [...wanted].filter((folder) => !this.#watched.has(folder))
    for (const folder of fresh) this.#watch(folder)
    return fresh.length > 0
  }

  [Symbol.dispose](): void {
    for (const folder of this.#watched.keys()) this.#drop(folder)
  }

  // --- internal ---

  #drop(folder: string): void {
    this.#watched.get(folder)?.watcher?.close()
    this.#watched.delete(folder)
  }

  #watch(folder: string): void {
    const identity = identityOf(folder)
    try {
      const watcher = watch(folder, (_event, name) => {
        // What happens to the folder itself comes under its own name. It may be another one that has its name now.
        if (name === basename(folder)) this.#drop(folder)
        this.#onEvent(name === null || name === basename(folder) ? folder : join(folder, name))
      })
      watcher.on('error', () => {
        this.#drop(folder)
        this.#onEvent(folder)
      })
      this.#watched.set(folder, { watcher, identity })
    } catch (error) {
      this.#watched.set(folder, { watcher: undefined, identity })
      this.#onTrouble(`${folder}: cannot be watched: ${(error as Error).message}`)
    }
  }
}

// --- internal ---

function existing(folder: string): string {
  return identityOf(folder) !== '' || dirname(folder) === folder ? folder : existing(dirname(folder))
}

/** Another folder of the same name is another, also where it was given the number of the one before. */
function identityOf(folder: string): string {
  const found = statSync(folder, { throwIfNoEntry: false })
  return found?.isDirectory() ? `${found.dev}:${found.ino}:${found.birthtimeMs}` : ''
}

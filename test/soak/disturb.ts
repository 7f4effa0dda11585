import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LogLine, RunningPellet } from '../support/pellet.ts'
import type { Incidents } from './incidents.ts'
import type { Disturbance } from './plan.ts'
import { names, tagSource, type Name } from './project.ts'

/** A second, where the machine has nothing else to do. */
const patienceMs = 60_000

/** What happens beside the requests, and what they are judged by because of it. */
export class Disturber {
  readonly #pellet: RunningPellet
  readonly #incidents: Incidents
  /** Of the file `text`: the version that is live for certain, and the last that was written. */
  readonly versions = { least: 1, most: 1 }

  constructor(pellet: RunningPellet, incidents: Incidents) {
    this.#pellet = pellet
    this.#incidents = incidents
  }

  /** @throws Error when what was done does not come to pass */
  async disturb({ what, whom }: Disturbance): Promise<void> {
    const pellet = this.#pellet
    const name = names[Math.floor(whom * names.length)]!
    if (what === 'kill') await this.#kill(whom)
    else if (what === 'load') void pellet.admin('POST', `/api/deployments/${name}/load`).catch(() => {})
    else if (what === 'unload') await pellet.admin('POST', `/api/deployments/${name}/unload`)
    else if (what === 'reload') await this.#reload(whom < 0.5)
    else await this.#breakAndMend()
  }

  /** SIGKILL to one of the isolates that `pellet ps` names. */
  async #kill(whom: number): Promise<void> {
    const loaded = Object.values(await this.#pellet.ps()).filter(({ pid }) => pid !== null)
    const row = loaded[Math.floor(whom * loaded.length)]
    if (!row) return
    const over = this.#incidents.begin(row.name as Name)
    try {
      process.kill(row.pid!, 'SIGKILL')
    } catch {
      // It went by itself meanwhile.
    }
    over()
  }

  /** A new version of the function: in place, or by a file beside it that is renamed. */
  async #reload(inPlace: boolean): Promise<void> {
    const { versions } = this
    const version = ++versions.most
    const isNews = this.#newsOf('text')
    this.#write(tagSource('text', version), inPlace)
    await this.#seen(`version ${version} of text to be deployed`, (line) => isNews(line) && line.msg === 'deployed')
    versions.least = version
  }

  /** A file that does not parse: the old revision serves on, until the file is mended. */
  async #breakAndMend(): Promise<void> {
    const isNews = this.#newsOf('text')
    this.#write('export default {', true)
    await this.#seen('functions/text.ts to be refused', (line) => isNews(line) && line.level === 'error')
    await this.#reload(false)
  }

  /** Lines about a deployment from now on. */
  #newsOf(name: Name): (line: LogLine) => boolean {
    const { log } = this.#pellet
    const first = log.length
    return (line) => line.deployment === name && log.indexOf(line, first) !== -1
  }

  async #seen(what: string, isWanted: (line: LogLine) => boolean): Promise<void> {
    await this.#pellet.logged(isWanted, patienceMs).catch(() => {
      throw new Error(`expected ${what} within ${patienceMs / 1000} s`)
    })
  }

  #write(source: string, inPlace: boolean): void {
    const file = join(this.#pellet.folder, 'functions/text.ts')
    if (inPlace) return writeFileSync(file, source)
    writeFileSync(`${file}.new`, source)
    renameSync(`${file}.new`, file)
  }
}

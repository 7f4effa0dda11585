import { writeFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { answering, identityModel } from '../deployments/tiny.ts'
import { createProject, RunningPellet, type LogLine, type ProjectFiles } from '../support/pellet.ts'
import { until } from '../support/process.ts'

/** A function that answers with a word, its process, and what an imported file says. */
export function saying(word: string, manifest = ''): string {
  return answering(`return { word: '${word}', pid: process.pid }`, { manifest })
}

/** A row of `pellet list --json`, as far as these tests look at it. */
export interface ListRow {
  name: string
  state: string
  revision: string | null
  problems: string[]
  is_outdated: boolean
}

/** A Pellet that follows its files, and what is done to them. */
export class WatchedPellet {
  readonly pellet: RunningPellet
  #mark = 0

  static async start(files: ProjectFiles, flags = ['--watch'], command?: string): Promise<WatchedPellet> {
    const folder = createProject({ 'models/identity.onnx': identityModel(), ...files })
    return new WatchedPellet(await RunningPellet.start(folder, flags, {}, command))
  }

  private constructor(pellet: RunningPellet) {
    this.pellet = pellet
  }

  path(file: string): string {
    return join(this.pellet.folder, file)
  }

  save(file: string, content: string | Uint8Array): void {
    mkdirSync(dirname(this.path(file)), { recursive: true })
    writeFileSync(this.path(file), content)
  }

  /** Changes something, and waits for a line that the log has not had before. */
  async after(change: () => unknown, isWanted: (line: LogLine) => boolean): Promise<LogLine> {
    this.#mark = this.pellet.log.length
    await change()
    return this.pellet.logged((line) => this.pellet.log.indexOf(line) >= this.#mark && isWanted(line))
  }

  /** Changes something, and waits until these deployments have another revision. */
  async deployed(names: string | string[], change: () => unknown): Promise<void> {
    const open = new Set([names].flat())
    await this.after(change, (line) => {
      if (line.msg === 'deployed') open.delete(line.deployment!)
      return open.size === 0
    })
  }

  /** How often a deployment has got a revision. */
  deploys(name: string): number {
    return this.pellet.log.filter((line) => line.deployment === name && line.msg === 'deployed').length
  }

  async ask(path: string): Promise<{ word: string; pid: number }> {
    const answer = await this.pellet.post(path, {})
    const text = await answer.text()
    assert.is(answer.status, 200, text)
    return JSON.parse(text) as { word: string; pid: number }
  }

  async list(name: string): Promise<ListRow | undefined> {
    const rows = (await this.pellet.admin('GET', '/api/deployments')) as ListRow[]
    return rows.find((row) => row.name === name)
  }

  /** The deployment's row once it is as wanted. */
  async listWhen(name: string, isWanted: (row: ListRow | undefined) => boolean): Promise<ListRow | undefined> {
    let row: ListRow | undefined
    await until(
      async () => isWanted((row = await this.list(name))),
      () => `another row of ${name}, found ${JSON.stringify(row)}`,
      15_000,
    )
    return row
  }
}

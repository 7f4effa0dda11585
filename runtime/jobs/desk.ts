import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import type { Storage } from 'unstorage'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { Callbacks } from './callbacks.ts'
import { JobStore } from './job-store.ts'
import { Jobs, maxJobs } from './jobs.ts'
import { OwnRequests } from './own-requests.ts'
import { Room } from './room.ts'

export interface JobDeskOptions {
  /** As it is now: some of it may change meanwhile. */
  config: Config
  log: Logger
  clock: Clock
  storage: Storage
  /** How many requests a deployment serves at once. */
  concurrencyOf(deployment: string): number
}

/** Takes what is answered later, and what is many requests in one: all that Pellet has for jobs and batches. */
export class JobDesk {
  readonly jobs: Jobs
  readonly callbacks: Callbacks
  readonly ownRequests: OwnRequests
  /** For bodies that wait in main. */
  readonly room: Room
  readonly #store: JobStore

  constructor({ config, log, clock, storage, concurrencyOf }: JobDeskOptions) {
    const now = () => Date.now()
    const limits = {
      get ttlMs() {
        return config.resultsTtlMs
      },
      get maxBytes() {
        return config.resultsMaxBytes
      },
      maxCount: 10 * maxJobs,
    }
    const store = new JobStore({ storage, limits, clock, now, onProblem: (error) => log.error(messageOf(error)) })
    this.#store = store
    this.callbacks = new Callbacks({ allowUrls: () => config.allowUrls, log, store })
    this.jobs = new Jobs({ store, log, now, deliver: (job) => this.callbacks.deliver(job) })
    this.ownRequests = new OwnRequests({ clock, concurrencyOf })
    this.room = new Room(() => config.maxBytesInFlight)
  }

  /**
   * Looks at what an earlier process has left, and listens for main's own requests.
   * @param folder private, for the socket
   */
  async open(folder: string, handler: RequestListener): Promise<void> {
    void this.#store.recover()
    await this.ownRequests.listen(join(folder, 'own.sock'), handler)
  }

  close(): void {
    this.#store.close()
    this.ownRequests.close()
  }
}

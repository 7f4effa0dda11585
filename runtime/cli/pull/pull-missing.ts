import { existsSync } from 'node:fs'
import type { Config } from '../../config.ts'
import type { FailedSource } from '../../deployments/deployment.ts'
import { readCatalog } from '../../models/catalog.ts'
import { isAccepted, noticeOf } from '../../models/licences.ts'
import { readLock } from '../../models/lock.ts'
import { toTarget } from '../../models/project-models.ts'
import { Puller } from './puller.ts'

/**
 * The setting `fetch`, for commands that need what is missing now: fetches it where its licence was accepted.
 * @returns whether anything is there now that was not before
 */
export async function pullMissing(config: Config, failures: readonly FailedSource[]): Promise<boolean> {
  const own = failures.flatMap(({ name, missing }) => (missing?.deployment === name ? missing.files.slice(0, 1) : []))
  if (!config.fetch || own.length === 0) return false
  const [catalog, lock] = [await readCatalog(), await readLock(config.lockFile)]
  const puller = new Puller(config, catalog, false, new AbortController().signal)
  let hasNew = false
  try {
    for (const { name, missing } of failures) {
      const [file] = missing?.deployment === name ? missing.files : []
      const target = file && toTarget(name, file, config)
      const notice = target && noticeOf(catalog, target)
      if (!target || existsSync(target.file) || (notice && !isAccepted(notice, lock, config.acceptLicences))) continue
      const { problem } = await puller.pull(target)
      if (problem !== null) console.error(problem)
      hasNew ||= problem === null
    }
  } finally {
    await puller.close()
  }
  return hasNew
}

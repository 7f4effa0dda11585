import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { dieWithParent } from '../../ffi/libc.ts'
import { compileOrigins } from '../deployments/compile.ts'
import { createMemo } from '../deployments/memo.ts'
import { messageOf } from '../errors.ts'
import { createDataStore } from '../storage/storage.ts'
import { readCatalog } from './catalog.ts'
import { defaultDelaysMs, type Progress } from './download.ts'
import { fetchModel } from './fetch-model.ts'
import type { FromFetcher, ToFetcher } from './fetches.ts'
import { isAccepted, noticeOf } from './licences.ts'
import { readLock } from './lock.ts'
import { toTarget } from './project-models.ts'
import { createConnections } from './request.ts'

/** Progress is told so often. */
const tellEveryMs = 250

dieWithParent(Number(process.env['PELLET_PARENT_PID']))
// Ctrl+C signals the whole group; main ends this process.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))
process.once('message', (task: ToFetcher) => {
  const last = work(task).catch((error: unknown): FromFetcher => ({ type: 'failed', message: messageOf(error) }))
  void last.then((message) => process.send!(message, () => process.exit(0)))
})

// --- internal ---

async function work({ config, npu, name, missing, origins }: ToFetcher): Promise<FromFetcher> {
  const file = resolve(config.root, missing.file)
  // Somebody may have put it there meanwhile.
  if (!existsSync(file)) await fetchMissing({ config, name, missing })
  if (origins.length === 0) return { type: 'done', results: [] }
  const memo = createMemo(createDataStore({ folder: config.dataFolder }))
  return { type: 'done', results: await compileOrigins(origins, { ...config, npu, memo }) }
}

async function fetchMissing({ config, name, missing }: Pick<ToFetcher, 'config' | 'name' | 'missing'>): Promise<void> {
  const { lockFile, mirrors, acceptLicences } = config
  const target = toTarget(name, missing, config)!
  const notice = noticeOf(await readCatalog(), target)
  if (notice && !isAccepted(notice, await readLock(lockFile), acceptLicences))
    throw new Error(
      `its licence was not accepted: ${notice.id}; pellet pull ${name} shows it, and accept_licences in pellet.yaml accepts it`,
    )
  const connections = await createConnections()
  let news: Progress | undefined
  const timer = setInterval(() => {
    if (news) process.send!({ type: 'progress', ...news } satisfies FromFetcher)
    news = undefined
  }, tellEveryMs)
  try {
    await fetchModel(target, {
      lockFile,
      mirrors,
      isUpdate: false,
      ...(notice && { licence: notice.id }),
      connections,
      signal: new AbortController().signal,
      delaysMs: defaultDelaysMs,
      onProgress: (progress) => (news = progress),
      note: () => {},
    })
  } finally {
    clearInterval(timer)
    await connections.destroy()
  }
}

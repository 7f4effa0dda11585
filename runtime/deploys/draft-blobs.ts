import { knownSha256 } from '../digest.ts'
import type { Memo } from '../deployments/memo.ts'
import { stampOf } from '../deployments/stamps.ts'
import type { BlobStore } from '../storage/blobs.ts'
import { blobsOf } from './draft.ts'
import type { Draft } from './protocol.ts'

/**
 * Looks whether all blobs of a draft are here and whole. One that is damaged is removed, so that the next deploy uploads it
 * again. A blob whose file has not changed since it was found whole is not read again.
 * @returns what lacks, a line each
 */
export async function findDamage(draft: Draft, blobs: BlobStore, memo: Memo): Promise<string[]> {
  const problems: string[] = []
  for (const [what, ref] of blobsOf(draft)) {
    const shown = `${what} (blob ${ref.sha256.slice(0, 12)})`
    if (!(await blobs.has(ref))) {
      problems.push(`${shown}: expected ${ref.sizeBytes} bytes among the uploaded files, found none`)
      continue
    }
    const file = blobs.fileOf(ref.sha256)
    const stamp = await stampOf(file)
    if ((await memo.get(`blob:${ref.sha256}`)) === stamp) continue
    if ((await knownSha256(file)) === ref.sha256) await memo.set(`blob:${ref.sha256}`, stamp)
    else {
      await blobs.remove(ref.sha256)
      problems.push(`${shown}: expected bytes of that sha256, found others: the file was damaged, and is removed`)
    }
  }
  return problems
}

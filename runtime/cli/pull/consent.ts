import { createInterface } from 'node:readline/promises'
import type { Catalog } from '../../models/catalog.ts'
import type { ModelTarget } from '../../models/fetch-model.ts'
import { acceptNotices, isAccepted, noticeOf, type LicenceNotice } from '../../models/licences.ts'
import { readLock } from '../../models/lock.ts'
import { CliError } from '../cli-error.ts'

export interface ConsentOptions {
  lockFile: string
  catalog: Catalog
  /** Accepted by the setting `accept_licences`. */
  accepted: readonly string[]
  /** `--accept-licence` */
  isAccepting: boolean
  signal: AbortSignal
}

/**
 * Shows every licence that was not accepted yet, and has it accepted: by a word on a terminal, else by the flag.
 * @throws CliError (2) with the notices where nobody accepts, (1) where somebody declines
 */
export async function askForLicences(targets: readonly ModelTarget[], options: ConsentOptions): Promise<void> {
  const { lockFile, catalog, accepted, isAccepting, signal } = options
  const lock = await readLock(lockFile)
  const open = new Map<string, { notice: LicenceNotice; files: string[] }>()
  for (const target of targets) {
    const notice = noticeOf(catalog, target)
    if (!notice || isAccepted(notice, lock, accepted)) continue
    const one = open.get(notice.id) ?? { notice, files: [] }
    one.files.push(target.shown)
    open.set(notice.id, one)
  }
  if (open.size === 0) return
  const text = [...open.values()].map(({ notice, files }) => `${files.join(', ')}\n${indent(notice.text)}`).join('\n\n')
  if (!isAccepting && !(process.stdin.isTTY && process.stderr.isTTY))
    throw new CliError(`${text}\n\npull: nothing was fetched; to accept: pellet pull ... --accept-licence`, 2)
  console.error(`${text}\n`)
  if (!isAccepting && !(await ask(signal))) throw new CliError('pull: nothing was fetched')
  await acceptNotices(
    lockFile,
    [...open.values()].map(({ notice }) => notice),
  )
}

// --- internal ---

async function ask(signal: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`Do you accept? It is asked once. [y/N] `, { signal })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ')
}

import type { DeployEvent, DeployPhase, MissingBlob } from '../../deploys/protocol.ts'
import { formatBytes, formatDuration } from '../../units.ts'
import type { Parcel } from './parcel.ts'
import { createUploadProgress } from './upload-progress.ts'
import { toSend, type UploadWatcher } from './upload.ts'

/** Tells whoever deploys what happens: people on stderr, with the outcome on stdout, or programs in lines of JSON on stdout. */
export interface Reporter {
  /** It did not compile; a line for each problem. */
  refused(name: string, lines: string[]): void
  packed(parcel: Parcel, missing: MissingBlob[]): void
  upload: UploadWatcher
  event(name: string, event: DeployEvent): void
  /** It ended before the other side could say how: the connection, or a refusal of what was sent. */
  broken(name: string, phase: DeployPhase | 'upload', message: string): void
  summary(count: number, failed: string[]): void
}

export function createReporter({ isJson, isDryRun }: { isJson: boolean; isDryRun: boolean }): Reporter {
  return isJson ? jsonReporter() : textReporter(isDryRun)
}

/** How a deploy or a rollback of `name` ended, in a line or more. */
export function toOutcome(name: string, event: Exclude<DeployEvent, { type: 'phase' }>, isDryRun = false): string {
  if (event.type === 'failed') {
    const { message, problems, serves } = event
    // A message may be one of the problems, or quote the first of them: nothing is told twice.
    const isTold = problems.some((problem) => message.includes(problem))
    const told = isTold ? problems : [message, ...problems]
    const lines = told.map((line) => (line.startsWith(`${name}: `) ? line.slice(name.length + 2) : line))
    const rest = serves === null ? 'nothing serves under this name' : `revision ${short(serves)} serves on`
    return [...(told.length > 1 && isTold ? [`${told.length} problems`] : []), ...lines, rest].join('\n  ')
  }
  const { revision, previous, isChanged, ms, notes } = event
  const before = previous === null ? ', where nothing served before' : `, in the place of ${short(previous)}`
  const tail = notes.map((note) => `\n  ${note}`).join('')
  if (isDryRun)
    return `revision ${short(revision)} would ${previous === revision ? 'change nothing' : `serve${before}`}${tail}`
  if (!isChanged) return `revision ${short(revision)} serves already${tail}`
  return `revision ${short(revision)} serves${before} (${formatDuration(ms)})${tail}`
}

// --- internal ---

function textReporter(isDryRun: boolean): Reporter {
  return {
    refused: (_name, lines) => console.error(lines.join('\n')),
    packed({ draft, blobs, notes }, missing) {
      for (const note of notes) console.error(`${draft.name}: ${note}`)
      const all = missing.length === blobs.length ? 'all of it' : formatBytes(toSend(missing))
      const send = missing.length === 0 ? 'all of it is there already' : `${all} is to be sent`
      console.error(`${draft.name}: ${toCount(blobs.length)}, ${formatBytes(sizeOf(blobs))}; ${send}`)
      const isLacking = new Set(missing.map(({ sha256 }) => sha256))
      if (isDryRun)
        for (const { sha256, sizeBytes, shown } of blobs)
          if (isLacking.has(sha256)) console.error(`  ${shown}, ${formatBytes(sizeBytes)}`)
    },
    upload: createUploadProgress(),
    event(name, event) {
      if (event.type === 'phase') console.error(`${name}: ${event.message}`)
      else if (event.type === 'done') console.log(`${name}: ${toOutcome(name, event, isDryRun)}`)
      else console.error(`${name}: not deployed: ${toOutcome(name, event)}`)
    },
    broken: (name, _phase, message) => console.error(`${name}: ${message}`),
    summary(count, failed) {
      if (count > 1)
        console.error(
          `${count - failed.length} of ${count} ${isDryRun ? 'would be deployed' : 'deployed'}${failed.length > 0 ? `; failed: ${failed.join(', ')}` : ''}`,
        )
    },
  }
}

function jsonReporter(): Reporter {
  const print = (name: string, value: object) => console.log(JSON.stringify({ name, ...value }))
  const failed = { type: 'failed', code: null, serves: null }
  const silent = () => {}
  return {
    refused: (name, problems) => print(name, { ...failed, phase: 'compile', message: 'it does not compile', problems }),
    packed({ draft, blobs, notes }, missing) {
      const list = blobs.map(({ sha256, sizeBytes, shown }) => {
        const lacking = missing.find((one) => one.sha256 === sha256)
        return { sha256, sizeBytes, shown, isMissing: !!lacking, receivedBytes: lacking?.receivedBytes ?? sizeBytes }
      })
      print(draft.name, { type: 'packed', sizeBytes: sizeOf(blobs), blobs: list, notes })
    },
    upload: { started: silent, sent: silent, ended: silent, broke: silent },
    event: print,
    broken: (name, phase, message) => print(name, { ...failed, phase, message, problems: [] }),
    summary: silent,
  }
}

function sizeOf(blobs: readonly { sizeBytes: number }[]): number {
  return blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

function toCount(count: number): string {
  return `${count} file${count === 1 ? '' : 's'}`
}

function short(revision: string): string {
  return revision.slice(0, 12)
}

import type { Deployment } from '../../deployments/deployment.ts'
import type { DeployEvent, DeployPhase } from '../../deploys/protocol.ts'
import { messageOf } from '../../errors.ts'
import type { About } from '../../http/admin.ts'
import { RefusalError } from '../client-errors.ts'
import type { Target } from '../target.ts'
import { followEvents } from './events.ts'
import { toParcel } from './parcel.ts'
import type { Reporter } from './reporter.ts'
import { askMissing, toSend, upload } from './upload.ts'

export interface DeployOptions {
  target: Target
  about: About
  folders: { root: string; modelsFolder: string }
  reporter: Reporter
  /** Ends it here; what was ordered goes on there. */
  signal: AbortSignal
  isDryRun: boolean
  isProbed: boolean
}

/** Sends one deployment, and tells what becomes of it. @returns whether it went well */
export async function deployOne(deployment: Deployment, options: DeployOptions): Promise<boolean> {
  const { target, about, folders, reporter, signal, isDryRun } = options
  const { name } = deployment
  let phase: DeployPhase | 'upload' = 'upload'
  const parcel = await toParcel(deployment, folders, about).catch((error: unknown) => messageOf(error))
  if (typeof parcel === 'string') {
    reporter.refused(name, [parcel])
    return false
  }
  const { draft, blobs, notes } = parcel
  try {
    const missing = await askMissing(target, blobs)
    reporter.packed({ draft, blobs, notes }, missing)
    const order = (query: Record<string, string>, onEvent: (event: DeployEvent) => void) =>
      followEvents(target, `/api/deployments/${name}/revisions?${new URLSearchParams(query)}`, draft, onEvent, signal)
    const tell = (event: DeployEvent) => {
      if (event.type === 'phase') phase = event.phase
      reporter.event(name, event)
    }
    if (isDryRun) return (await order({ dry_run: 'true' }, tell)).type === 'done'
    if (toSend(missing) > largeBytes) {
      // What it conflicts with is better known before much is sent.
      const outlook = await order({ dry_run: 'true' }, () => {})
      if (outlook.type === 'failed') {
        tell(outlook)
        return false
      }
    }
    const sendAndOrder = async (onEvent: (event: DeployEvent) => void) => {
      phase = 'upload'
      await upload(target, blobs, { watcher: reporter.upload, signal })
      phase = 'stage'
      return order(options.isProbed ? {} : { probe: 'false' }, onEvent)
    }
    // A file that was damaged there is removed when it is looked at: once more sends it anew.
    const first = await sendAndOrder((event) => isBlobMissing(event) || tell(event))
    if (!isBlobMissing(first)) return first.type === 'done'
    tell({ type: 'phase', phase: 'stage', message: `${first.problems[0]}; it is sent anew` })
    return (await sendAndOrder(tell)).type === 'done'
  } catch (error) {
    const isOrdered = phase !== 'upload' && !isDryRun && !(error instanceof RefusalError)
    const rest = isOrdered
      ? `the deploy goes on there, and pellet history ${name} says how it has ended`
      : 'what was sent stays there, and the next deploy goes on behind it'
    const message = signal.aborted ? `interrupted; ${rest}` : messageOf(error)
    reporter.broken(name, phase, isOrdered || signal.aborted ? message : `not deployed: ${message}`)
    return false
  }
}

// --- internal ---

function isBlobMissing(event: DeployEvent): event is Extract<DeployEvent, { type: 'failed' }> {
  return event.type === 'failed' && event.code === 'blob_missing'
}

/** What takes long enough to be worth a question before. */
const largeBytes = 8 * 1024 ** 2

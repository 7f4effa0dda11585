import type { Deployment } from '../../deployments/deployment.ts'
import { messageOf } from '../../errors.ts'
import type { About } from '../../http/admin.ts'
import type { Target } from '../target.ts'
import { followEvents } from './events.ts'
import { toParcel } from './parcel.ts'
import type { Reporter } from './reporter.ts'
import { askMissing, upload } from './upload.ts'

export interface DeployOptions {
  target: Target
  about: About
  folders: { root: string; modelsFolder: string }
  reporter: Reporter
  /** Ends the upload. What was ordered then goes on there. */
  signal: AbortSignal
  isDryRun: boolean
  isProbed: boolean
}

/** Sends one deployment, and tells what becomes of it. @returns whether it went well */
export async function deployOne(deployment: Deployment, options: DeployOptions): Promise<boolean> {
  const { target, about, folders, reporter, signal, isDryRun, isProbed } = options
  const { name } = deployment
  try {
    const parcel = await toParcel(deployment, folders, about)
    reporter.packed(parcel, await askMissing(target, parcel.blobs))
    if (!isDryRun) await upload(target, parcel.blobs, { watcher: reporter.upload, signal })
    const query = new URLSearchParams({ ...(isDryRun && { dry_run: 'true' }), ...(!isProbed && { probe: 'false' }) })
    const path = `/api/deployments/${encodeURIComponent(name)}/revisions${query.size > 0 ? `?${query}` : ''}`
    const last = await followEvents(target, path, parcel.draft, (event) => reporter.event(name, event))
    return last.type === 'done'
  } catch (error) {
    const message = signal.aborted
      ? 'interrupted; what was sent stays there, and the next deploy goes on behind it'
      : messageOf(error)
    reporter.broken(name, message)
    return false
  }
}

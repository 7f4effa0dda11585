import type { About, PsRow } from '../../http/admin.ts'
import { callJson } from '../client.ts'
import { readSocketPath } from '../settings.ts'
import type { RunningFacts } from './facts.ts'

/** What the Pellet that runs here says of itself; undefined where none answers. */
export async function askRunning(args: Record<string, unknown>): Promise<RunningFacts | undefined> {
  const socketPath = await readSocketPath(args)
  const target = { shown: socketPath, socketPath }
  try {
    const about = await callJson<About>(target, 'GET', '/api/about')
    const rows = await callJson<PsRow[]>(target, 'GET', '/api/ps')
    const { version, address, npu } = about
    return {
      version,
      address,
      ...(npu.is_usable ? { chip: npu.chip, kind: npu.kind } : { whyNot: npu.reason }),
      onNpu: rows.filter(({ engine, pid }) => pid !== null && engine !== 'onnxruntime').map(({ name }) => name),
    }
  } catch {
    return undefined
  }
}

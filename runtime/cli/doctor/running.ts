import { messageOf } from '../../errors.ts'
import type { About, PsRow } from '../../http/admin.ts'
import { callJson } from '../client.ts'
import { readSocketPath } from '../settings.ts'
import type { RunningFacts } from './facts.ts'

/** What the Pellet that runs here says of itself; nothing where none runs. */
export async function askRunning(
  args: Record<string, unknown>,
): Promise<{ running?: RunningFacts; runningProblem?: string }> {
  const socketPath = await readSocketPath(args)
  const target = { shown: socketPath, socketPath }
  try {
    const about = await callJson<About>(target, 'GET', '/api/about')
    const rows = await callJson<PsRow[]>(target, 'GET', '/api/ps')
    const { version, address, npu } = about
    const onNpu = rows.filter(({ engine, pid }) => pid !== null && engine !== 'onnxruntime').map(({ name }) => name)
    const uses = npu.is_usable ? { chip: npu.chip, kind: npu.kind } : { whyNot: npu.reason }
    return { running: { version, address, ...uses, onNpu } }
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ECONNREFUSED' ? {} : { runningProblem: messageOf(error) }
  }
}

import type { StagedRevision } from '../../deployments/staged.ts'
import { messageOf, PelletError } from '../../errors.ts'
import type { Pellet } from '../../pellet.ts'
import { socketFolderOf } from '../../socket-folder.ts'
import { judge } from './judge.ts'
import { ProbeRequests } from './probe-requests.ts'
import { selfTest } from './self-test.ts'

/** So many lines say enough of what is wrong. */
const maxProblems = 20

/**
 * Tries a staged revision that is loaded: with the manifest's probes, one after the other, or by a run of its model where
 * there are none.
 * @throws PelletError `probe_failed`, with all that was not as expected in its details; the signal's reason when that aborts
 */
export async function runProbes(
  { proxy, config }: Pick<Pellet, 'config' | 'proxy'>,
  staged: StagedRevision,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  const { name, manifest, places } = staged.deployment
  if (manifest.probe.length === 0) {
    const problems = await selfTest(staged, signal)
    return expectNone(
      name,
      problems.map((problem) => `${name}: self-test: ${problem}`),
    )
  }
  const requests = await ProbeRequests.open(staged, proxy, socketFolderOf(config.dataFolder))
  const problems: string[] = []
  try {
    for (const [index, probe] of manifest.probe.entries()) {
      const place = places.probes[index] || `${name}: probe`
      const found = await requests.make(probe, signal).then(
        (answer) => judge(probe, answer),
        (error: unknown) => [`${probe.method} ${probe.path}: expected an answer, found ${messageOf(error)}`],
      )
      signal.throwIfAborted()
      problems.push(...found.map((problem) => `${place}: ${problem}`))
    }
  } finally {
    requests.close()
  }
  expectNone(name, problems)
}

// --- internal ---

function expectNone(name: string, problems: string[]): void {
  if (problems.length === 0) return
  const all = problems.length === 1 ? problems[0] : `${problems.length} problems, the first: ${problems[0]}`
  const message = `${name}: the new revision does not answer as it is to: ${all}`
  const shown = problems.slice(0, maxProblems)
  if (problems.length > maxProblems) shown.push(`and ${problems.length - maxProblems} more`)
  const details = shown.map((msg) => ({ loc: ['probe'], msg, type: 'probe_failed' }))
  throw new PelletError('probe_failed', message, { details })
}

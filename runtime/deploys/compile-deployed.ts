import { availableParallelism } from 'node:os'
import type { DeploymentResult } from '../deployments/deployment.ts'
import { mapLimited } from '../deployments/map-limited.ts'
import { compileDraft, type DraftOptions } from './compile-draft.ts'
import { DamagedRecord, type Made, type Records } from './records.ts'

/** Makes what was live before of what is kept, each name for itself. Never throws for what a record or a blob holds. */
export async function compileDeployed(
  names: string[],
  records: Records,
  options: DraftOptions,
): Promise<DeploymentResult[]> {
  return mapLimited(names, availableParallelism(), (name) => compileLive(name, records, options))
}

// --- internal ---

async function compileLive(name: string, records: Records, options: DraftOptions): Promise<DeploymentResult> {
  let history: Made[] = []
  try {
    const live = await records.live(name)
    if (!live) throw new DamagedRecord('it is gone')
    history = live.history
    const { revision } = live
    const deployed = { atMs: history[0]!.atMs }
    const record = await records.revision(name, revision)
    if (!record) throw new DamagedRecord(`that of revision ${revision.slice(0, 12)} is gone`)
    const { result } = await compileDraft(name, record.draft, options)
    const origin = { ...record.draft.origin, deployed }
    if (!('problems' in result)) return { ...result, origin, revision }
    return { ...result, origin, problems: [...result.problems, whatToDo(name, others(history, revision))] }
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error
    const kept =
      history.length > 0
        ? others(history, history[0]!.revision)
        : (await records.keptOf(name)).map(({ revision }) => revision)
    const problem = `${name}: the record of what was deployed is damaged: ${error.message}`
    return { name, origin: { deployed: { atMs: 0 } }, problems: [problem, whatToDo(name, kept)] }
  }
}

function others(history: Made[], revision: string): string[] {
  return history.map((made) => made.revision).filter((other) => other !== revision)
}

function whatToDo(name: string, kept: string[]): string {
  const older = kept.map((revision) => revision.slice(0, 12))
  const back =
    older.length > 0 ? `, or bring back one that is kept (${older.join(', ')}): pellet rollback ${name} REVISION` : ''
  return `${name}: nothing serves under this name. Deploy it again${back}; pellet delete ${name} gives it up`
}

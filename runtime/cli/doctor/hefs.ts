import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config } from '../../config.ts'
import { keysFor } from '../../deployments/engine-choice.ts'
import { whyNot } from '../../deployments/hef-check.ts'
import { Records } from '../../deploys/records.ts'
import { displayPath } from '../../display-path.ts'
import type { HailoArch } from '../../manifest/manifest.ts'
import { namesOfChips } from '../../manifest/manifest.ts'
import { projectModels } from '../../models/project-models.ts'
import { createDataStore, openBlobs } from '../../storage/storage.ts'
import { compileAside } from '../compile-aside.ts'
import type { HefFacts } from './facts.ts'

/** The HEFs of a project and of what was deployed to it, and whether the chips that they are for would take them. */
export async function readHefs(
  config: Config,
  here: { chip: HailoArch; library: string } | undefined,
): Promise<HefFacts[]> {
  const named = [...(await ofProject(config)), ...(await ofDeploys(config))]
  return Promise.all(
    named.map(async ({ name, chip, file, shown }): Promise<HefFacts> => {
      const isThere = existsSync(file)
      const isForHere = here && keysFor(here.chip).includes(chip)
      const refusal = isThere ? await whyNot(chip, file, isForHere ? here : undefined) : undefined
      return { name, chip, shown, isThere, ...(refusal && { refusal: refusal.reason.replaceAll(file, shown) }) }
    }),
  )
}

// --- internal ---

interface NamedHef {
  name: string
  chip: HailoArch
  file: string
  shown: string
}

async function ofProject(config: Config): Promise<NamedHef[]> {
  const sources = await compileAside(config, (options) => projectModels(options))
  return sources.flatMap(({ models }) =>
    models.flatMap(({ name, chip, file, shown }) => (chip === undefined ? [] : { name, chip, file, shown })),
  )
}

/** What is live of `pellet deploy`, whose files are blobs. */
async function ofDeploys(config: Config): Promise<NamedHef[]> {
  if (!existsSync(config.dataFolder)) return []
  const storage = createDataStore({ folder: config.dataFolder })
  try {
    const [records, blobs] = [new Records(storage), openBlobs(config.dataFolder)]
    const found: NamedHef[] = []
    for (const name of await records.names()) {
      const live = await records.live(name)
      const record = live && (await records.revision(name, live.revision))
      for (const chip of namesOfChips) {
        const blob = record?.draft.models[chip]
        const entry = record?.draft.manifest.model.hef?.[chip]
        if (!entry) continue
        const file = blob ? blobs.fileOf(blob.sha256) : resolve(config.modelsFolder, entry.file)
        const shown = blob ? `${entry.file} as it was deployed` : displayPath(config.root, file)
        found.push({ name, chip, file, shown })
      }
    }
    return found
  } finally {
    await storage.dispose()
  }
}

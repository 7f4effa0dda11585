import { setImmediate as turn } from 'node:timers/promises'
import { dieWithParent } from '../../ffi/libc.ts'
import { engineOf } from '../engines/engine.ts'
import { engines } from '../engines/index.ts'
import { messageOf } from '../errors.ts'
import { firstFrames, importFunction, readFiles } from '../isolate/child/function.ts'
import { createOptionReader } from '../isolate/child/options.ts'
import { bindChains, checkChains } from '../isolate/child/pipeline.ts'
import { entryOf } from '../manifest/manifest.ts'
import type { FromDescriber, ToDescriber } from './describe.ts'

dieWithParent(Number(process.env['PELLET_PARENT_PID']))
process.on('disconnect', () => process.exit(0))
/** What nobody caught: an isolate ends of it, so the function is not deployed. */
let lost: string | undefined
process.on('uncaughtException', (error) => {
  lost = `the function throws while it is loaded, and nobody catches it: ${firstFrames(error)}`
  send({ type: 'failed', message: lost })
})
process.on('message', (message: ToDescriber) => {
  if (lost !== undefined) return send({ type: 'failed', message: lost })
  const answer = message.type === 'describe' ? describe(message) : check(message)
  answer.then(send, (error: unknown) => send({ type: 'failed', message: messageOf(error) }))
})
send({ type: 'started' })

// --- internal ---

function send(answer: FromDescriber): void {
  process.send!(answer)
}

async function describe({ bundleFile }: Extract<ToDescriber, { type: 'describe' }>): Promise<FromDescriber> {
  const { manifest, input = {}, steps = {} } = await importFunction(bundleFile)
  // What it left to run, such as a promise that is rejected, does so before it counts as loaded.
  await turn()
  return {
    type: 'described',
    description: {
      ...(manifest !== undefined && { manifest: toData(manifest) }),
      input: createOptionReader(input).schema,
      steps: Object.fromEntries(Object.entries(steps).map(([name, { from, to }]) => [name, { from, to }])),
    },
  }
}

function toData(manifest: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(manifest))
  } catch (error) {
    throw new Error(`manifest: expected plain data, found: ${messageOf(error)}`, { cause: error })
  }
}

async function check(message: Extract<ToDescriber, { type: 'check' }>): Promise<FromDescriber> {
  const definition = message.bundleFile ? await importFunction(message.bundleFile) : undefined
  const { pipelines, problems, options } = bindChains(message.manifest, definition)
  const checked = { type: 'checked', input: options.schema } as const
  if (message.model === undefined) return { ...checked, problems }
  const { key, file } = message.model
  const engine = engineOf(key)
  const entry = entryOf(message.manifest.model, key)!
  const model = await engines[engine].describe(file)
  const files = await readFiles(message.files, message.manifest.files)
  const found = checkChains(pipelines, { engine, entry, ...model }, files, problems)
  return { ...checked, problems: [...problems, ...found], model }
}

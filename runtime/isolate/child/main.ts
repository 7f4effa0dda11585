import { writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { dieWithParent, exitNow } from '../../../ffi/libc.ts'
import { usedEntry, type Deployment } from '../../deployments/deployment.ts'
import { deviceSocketName } from '../../device/protocol.ts'
import { sha256File } from '../../digest.ts'
import type { LoadedModel } from '../../engines/loaded-model.ts'
import { messageOf, PelletError } from '../../errors.ts'
import type { Limits } from '../../manifest/manifest.ts'
import { warmUp } from '../../steps/index.ts'
import { callsSocketName } from '../calls.ts'
import type { FromIsolate, ToIsolate } from '../messages.ts'
import { createCallClient } from './call-client.ts'
import { firstFrames, importFunction, readFiles } from './function.ts'
import { bindChains } from './pipeline.ts'
import { createResultClient } from './result-client.ts'
import { createIsolateServer, type IsolateServer } from './server.ts'
import { Turnstile } from './turnstile.ts'

// The process of one loaded deployment: its code and its session. It is ended by SIGKILL, at any moment.
dieWithParent(Number(process.env['PELLET_PARENT_PID']))
goFirst()
let isolate: IsolateServer | undefined
/** Once it is loaded. */
let test: (() => Promise<string[]>) | undefined

process.on('disconnect', end)
// Function code threw where nobody catches, or called process.exit: Node would stop the engine's thread on its way out, and
// writes an error only behind this.
process.on('uncaughtExceptionMonitor', (error) => console.error(`nobody caught this: ${firstFrames(error)}`))
process.on('exit', exitNow)
// Ctrl+C and service managers signal the whole group; the requests in here are main's to finish, and it ends us then.
process.on('SIGTERM', () => {})
process.on('SIGINT', () => {})
process.on('message', (message: ToIsolate) => {
  if (message.type === 'ping') send({ type: 'pong', nonce: message.nonce, active: [...(isolate?.active ?? [])] })
  else if (message.type === 'test')
    void test?.().then((problems) => send({ type: 'tested', nonce: message.nonce, problems }))
  else load(message).catch(fail)
})

// --- internal ---

/** One that runs, and one that is ready, so that the engine need not wait for this thread to hand it the next. */
const inEngineHands = 2

/** Where memory is short the kernel ends one of the isolates, which is started anew, and not main, which serves all. */
function goFirst(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '300')
  } catch {
    // Not Linux, or a supervisor that has it higher.
  }
}

function end(): void {
  process.kill(process.pid, 'SIGKILL')
}

function send(message: FromIsolate): void {
  process.send!(message)
}

async function load(message: Extract<ToIsolate, { type: 'load' }>): Promise<void> {
  const { deployment, socketPath, allowUrls, inspectPort } = message
  const startedAt = performance.now()
  if (inspectPort !== undefined) {
    const { openInspector } = await import('./inspector.ts')
    await openInspector(inspectPort, (text) => send({ type: 'inspector', message: text }))
  }
  const { manifest, engine, bundleFile } = deployment
  await expectSameModel(deployment)
  // The model is opened while this thread imports what it needs.
  const opening = engine === 'hailort' ? openOnNpu(deployment, socketPath) : openOnCpu(deployment)
  opening.catch(() => {})
  const definition = bundleFile ? await importFunction(bundleFile) : undefined
  const { pipelines, options, problems } = bindChains(manifest, definition)
  if (problems.length > 0)
    throw new PelletError('load_failed', `the steps no longer fit the manifest: ${JSON.stringify(problems[0])}`)
  if (pipelines.some(({ pre }) => pre.some(({ step }) => step.from === 'image' || step.to === 'image'))) await warmUp()
  const files = await readFiles(deployment.files, manifest.files)
  const callsPath = join(dirname(socketPath), callsSocketName)
  const call = createCallClient(callsPath)
  const askForResult = createResultClient(callsPath)
  const { pixels } = manifest.limits
  const opened = await opening
  const model = { engine, entry: usedEntry(deployment), inputs: opened.inputs, outputs: opened.outputs }
  const engineTurn = new Turnstile(engine === 'hailort' ? slotsOf(manifest.limits) : inEngineHands)
  const pixelTurn = new Turnstile(pixels)
  const loaded = { engine: opened, model, files, options, pixels, engineTurn, pixelTurn, call, askForResult }
  isolate = createIsolateServer(manifest, loaded, pipelines, async (url) => {
    const { fetchPicture } = await import('./fetch-picture.ts')
    return fetchPicture(url, allowUrls, manifest.limits.bodyBytes)
  })
  test = async () => (await import('./self-test.ts')).selfTest(loaded, pipelines)
  isolate.server.on('error', fail)
  isolate.server.listen(socketPath, () =>
    send({ type: 'ready', loadMs: performance.now() - startedAt, residentBytes: process.memoryUsage.rss() }),
  )
}

async function openOnCpu({ engine, model, manifest, isQuick }: Deployment): Promise<LoadedModel> {
  const { openHere, openOnThread } = await import('../../engines/thread.ts')
  const open = isQuick ? openHere : openOnThread
  return open(engine, model.file, { threads: manifest.limits.threads })
}

/** ONNX Runtime and its thread stay away: such a process is a smaller one. */
async function openOnNpu({ name, manifest, model, tensors }: Deployment, socketPath: string): Promise<LoadedModel> {
  const { openOnDevice } = await import('../../engines/hailort.ts')
  return openOnDevice(model.file, {
    socketPath: join(dirname(socketPath), deviceSocketName),
    name,
    sha256: model.sha256,
    batch: manifest.model.batch ?? 0,
    powerMode: manifest.model.powerMode ?? 'performance',
    priority: manifest.priority,
    slots: slotsOf(manifest.limits),
    expected: tensors,
    onFull: () =>
      send({
        type: 'ending',
        code: 'device_failed',
        message: 'the NPU lost its model and has no room for it now, beside the others',
      }),
  })
}

/** Frames that are on their way to the device at once: one that runs, one that is ready, and no more than there are requests. */
function slotsOf({ concurrency }: Limits): number {
  return Math.min(8, Math.max(2, concurrency))
}

/** A revision is its model too: another file in the same place is not loaded under its name. */
async function expectSameModel(deployment: Deployment): Promise<void> {
  const { name, model, origin } = deployment
  const { file, sizeBytes, modifiedMs, sha256 } = model
  const found = await stat(file).catch(() => undefined)
  if (found?.size === sizeBytes && found.mtimeMs === modifiedMs) return
  // What is not there is the engine's to tell, where it is a file of the project.
  if (!found && !origin.deployed) return
  const digest = found && (await sha256File(file))
  if (digest === sha256) return
  const shown = origin.deployed ? `${usedEntry(deployment).file} as it was uploaded` : file
  const what = origin.deployed
    ? `deploy ${name} again, which sends it anew`
    : 'restart Pellet to deploy it, or put the file back'
  throw new PelletError(
    'load_failed',
    `${shown}: expected the model that was deployed (sha256 ${sha256.slice(0, 12)}...), found ${digest === undefined ? 'none' : `another (${digest.slice(0, 12)}...)`}; ${what}`,
  )
}

function fail(error: unknown): void {
  const code = error instanceof PelletError ? error.code : 'load_failed'
  const message = messageOf(error)
  process.send!({ type: 'failed', code, message, outOfMemory: code === 'out_of_memory' } satisfies FromIsolate, () =>
    end(),
  )
}

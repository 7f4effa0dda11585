import { fork } from 'node:child_process'
import { constants } from 'node:fs'
import { access, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hailoChips, type HailoChip } from '../../ffi/hef/arch.ts'
import { buildShim } from '../../ffi/shim/build.ts'
import { findHailort } from '../../ffi/shim/hailort-files.ts'
import { childEnv } from '../child-env.ts'
import { absent, unusable, type NpuStatus } from './npu.ts'
import type { ProbeConfig, ProbeOptions } from './probe.ts'

/** What the child is asked. */
export interface ProbeQuestion {
  /** Empty: the first that is there. */
  deviceId: string
  /** HailoRT's library. */
  file: string
}

/** What it answers. */
export type ProbeAnswer =
  | { chip: string; library: string; firmware: string; id: string }
  /** `isBusy`: another program holds the device, which then does not say what it is. */
  | { failure: string; isBusy?: boolean }

/**
 * The NPU of this machine, if there is one: what it is, and what is needed to use it.
 * @throws ShimBuildError where the shim cannot be compiled
 */
export async function probeDevice(config: ProbeConfig, options: ProbeOptions): Promise<NpuStatus> {
  const { env = process.env, deviceFolder = '/dev', timeoutMs = 10_000, say } = options
  const nodes = await nodesIn(deviceFolder)
  // Whoever names a library of his own wants it asked.
  if (nodes.length === 0 && !env['PELLET_HAILORT_PREFIX']) return absent('no NPU was found')
  const locked = await firstLocked(nodes)
  if (locked)
    return unusable(`${locked} may not be used: join its group (sudo usermod -aG hailo NAME), and log in again`)
  const { library: file } = await findHailort(env)
  if (!file)
    return unusable(
      `there is ${nodes.join(', ') || 'a driver'}, but no libhailort: apt install hailo-all (Hailo-8, 8L) or hailo-h10-all (Hailo-10H)`,
    )
  const memory = join(config.dataFolder, 'npu', 'device.json')
  const answer = await ask({ deviceId: config.deviceId, file }, env, timeoutMs)
  const found = 'failure' in answer ? answer.isBusy && (await recall(memory)) : answer
  if (!found) return unusable((answer as { failure: string }).failure)
  if (!isKnown(found.chip))
    return unusable(`the device ${found.id} is a ${found.chip}; Pellet runs models on ${hailoChips.join(', ')}`)
  if (found === answer) await remember(memory, answer)
  const { chip, library, firmware } = found
  const onCompile = () => say?.(`the shim over HailoRT ${library} is being compiled: some seconds, once`)
  const { file: shim } = await buildShim({ dataFolder: config.dataFolder, env, onCompile })
  return { isUsable: true, kind: 'hailort', chip, library, file: shim, firmware }
}

// --- internal ---

type Found = Extract<ProbeAnswer, { chip: string }>

/** An answer that HailoRT 5 missed is waited for so long, and then asked for once more: all within the time of a probe. */
const quiet = {
  HAILORT_LOGGER_PATH: 'NONE',
  HAILORT_CONSOLE_LOGGER_LEVEL: 'critical',
  HAILO_REQUEST_TIMEOUT_SECONDS: '3',
}

const isKnown = (chip: string): chip is HailoChip => hailoChips.includes(chip as HailoChip)

/** Device files as the drivers of Hailo-8 and Hailo-10H make them. */
async function nodesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => [])
  return names.filter((name) => /^(hailo|h1x)/.test(name)).map((name) => join(folder, name))
}

async function firstLocked(nodes: string[]): Promise<string | undefined> {
  for (const node of nodes) {
    const isOpen = await access(node, constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    )
    if (!isOpen) return node
  }
  return undefined
}

/** HailoRT is asked in a process of its own: it may hang or crash, and main loads no native code. */
function ask(question: ProbeQuestion, env: NodeJS.ProcessEnv, timeoutMs: number): Promise<ProbeAnswer> {
  const child = fork(fileURLToPath(new URL('probe-child.js', import.meta.url)), {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...env, ...childEnv(), ...quiet },
  })
  return new Promise<ProbeAnswer>((resolve) => {
    const fail = (failure: string) => resolve({ failure: `${failure}: run \`pellet doctor\`` })
    const timer = setTimeout(() => fail(`HailoRT did not answer within ${timeoutMs / 1000} s`), timeoutMs)
    child.once('message', (answer: ProbeAnswer) => resolve(answer))
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      fail(`HailoRT ended the process that asked it (${signal ?? `exit code ${code}`})`)
    })
    child.send(question, () => {})
  }).finally(() => child.kill('SIGKILL'))
}

async function remember(file: string, { chip, library, firmware, id }: Found): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true })
  await writeFile(file, `${JSON.stringify({ chip, library, firmware, id })}\n`)
}

/** The device as it was when nobody else held it. */
async function recall(file: string): Promise<Found | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Found
  } catch {
    return undefined
  }
}

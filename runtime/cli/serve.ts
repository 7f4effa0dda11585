import { isatty } from 'node:tty'
import { setFlagsFromString } from 'node:v8'
import { takeListenFds } from '../../ffi/systemd.ts'
import { bindProblem } from '../auth/bind-rule.ts'
import { isLoopback } from '../auth/loopback.ts'
import type { Config } from '../config.ts'
import { compileInChild, WatchingCompiler } from '../deployments/compiler.ts'
import type { NpuStatus } from '../device/npu.ts'
import type { Inspect } from '../deployments/isolates.ts'
import { messageOf } from '../errors.ts'
import { InheritedSockets } from '../http/inherited.ts'
import { createLogger, type Logger } from '../log.ts'
import { LogRing } from '../log-ring.ts'
import type { Pellet } from '../pellet.ts'
import { reconfigure } from '../reconfigure.ts'
import { CliError } from './cli-error.ts'
import { Reloader } from './reload.ts'
import { ServiceManager } from './service-manager.ts'
import { projectArgs, readConfig } from './settings.ts'
import { watchMemory } from '../tidy-memory.ts'

/** Flags of the commands that serve. */
export const serveArgs = {
  ...projectArgs,
  host: { type: 'string', description: 'Address to listen on (default: 127.0.0.1)', valueHint: 'address' },
  port: { type: 'string', description: 'Port to listen on, 0 for any free one (default: 11500)', valueHint: 'port' },
  public: { type: 'boolean', description: 'Let everybody call the functions without a token, also beyond loopback' },
  memory: {
    type: 'string',
    description: 'Memory for loaded models (default: half of the machine’s)',
    valueHint: 'size',
  },
  'log-level': {
    type: 'string',
    description: 'Least to be logged: trace, debug, info, warn, error, fatal or silent (default: info)',
    valueHint: 'level',
  },
} as const

export interface ServeOptions {
  /** Called once everything stands, before anything is said of it. */
  onStarted?(pellet: Pellet): void
  /** Whose isolate has a debugger. */
  inspect?: Inspect
}

/** Serves the project until a signal ends it, and the process with it. */
export async function serve(flags: Record<string, unknown>, { onStarted, inspect }: ServeOptions = {}): Promise<never> {
  const asRead = await readConfig(flags)
  const sockets = new InheritedSockets(takeListenFds(), asRead.port)
  const manager = new ServiceManager()
  const config = { ...asRead, ...placeOf(sockets) }
  const hosts = sockets.hosts.length > 0 ? sockets.hosts : [config.host]
  const problem = await bindProblem(config, hosts, (message) => console.error(message))
  if (problem !== undefined) throw new CliError(problem, 2)
  // Main only passes bytes on. Left to itself, V8 answers a few megabytes of bodies with 15 MB of nursery for good.
  setFlagsFromString('--semi-space-growth-factor=1')
  const ring = new LogRing()
  const log = await createLogger(config.logLevel, ring)
  const stopping = new AbortController()
  let stoppingSince = 0
  const untilSignal = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()))
  const stop = (signal: NodeJS.Signals) => {
    // A second signal from an impatient person ends it at once; children go with their parent. Supervisors that signal
    // both the process and its group do so within the same moment, and mean one stop.
    if (stopping.signal.aborted) return performance.now() - stoppingSince < sameSignalMs ? undefined : process.exit(1)
    stoppingSince = performance.now()
    log.info(`stopping (${signal})`)
    manager.stopping(config.graceMs)
    stopping.abort()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // A terminal that is closed says the same as a supervisor that wants the project read again.
  let reloader: Reloader | undefined
  let isReloadWanted = false
  if (isatty(0)) process.on('SIGHUP', stop)
  else process.on('SIGHUP', () => (reloader ? void reloader.reload() : (isReloadWanted = true)))
  // The compiler starts before main loads its own modules: both take a quarter of a second, side by side.
  const probe = () => findNpu(config, log)
  const npu = probe()
  const options = { config, flags, npu, signal: stopping.signal }
  const watching = config.watch ? new WatchingCompiler(options) : undefined
  const compiled = watching?.first ?? compileInChild(options)
  const { Pellet } = await import('../pellet.ts')
  const pellet = await Pellet.start(config, { log, ring }, compiled, { inspect, sockets, npu }).catch(
    (error: unknown) => {
      const isWanted = stopping.signal.aborted
      stopping.abort()
      if (!isWanted) throw error
    },
  )
  if (pellet) {
    watching?.subscribe({
      results: (next) => pellet.take(next).catch((error: unknown) => log.error(messageOf(error))),
      configChanged: (changes) => reconfigure(pellet, changes),
      trouble: (message) => log.warn(message),
    })
    log.info(`listening on ${pellet.address}`)
    if (config.requireToken || !hosts.every(isLoopback)) log.info(whoMayCall(pellet))
    manager.ready(pellet)
    reloader = new Reloader({ pellet, manager, flags, config: asRead, signal: stopping.signal, probe, watching })
    if (isReloadWanted) void reloader.reload()
    watchMemory()
    onStarted?.(pellet)
    if (inspect) startInspected(pellet, inspect)
    await untilSignal
    // Whatever goes wrong on the way, who was told to end does.
    await pellet.stop().catch((error: unknown) => log.error(messageOf(error)))
  }
  log.info('stopped')
  log.flush()
  process.exit(0)
}

// --- internal ---

/** Its module is loaded beside the others of main. */
async function findNpu(config: Config, log: Logger): Promise<NpuStatus> {
  const { probeNpu } = await import('../device/probe.ts')
  const npu = await probeNpu(config, { say: (message) => log.info(message) })
  if (!npu.isUsable && !npu.isAbsent) log.warn(`the NPU is not used: ${npu.reason}`)
  return npu
}

function whoMayCall({ config, tokens }: Pellet): string {
  if (config.public) return 'everybody who reaches it may call functions (public); /api needs a token'
  return `callers need a token; ${tokens.size} ${tokens.size === 1 ? 'is' : 'are'} valid`
}

const sameSignalMs = 100

/** Whoever asks for a debugger wants to attach it before the first request. */
function startInspected(pellet: Pellet, { name }: Inspect): void {
  const names = [...pellet.routes.deployments.keys()].join(', ') || 'none'
  if (pellet.routes.deployments.has(name)) pellet.dispatcher.load(name)
  else pellet.log.warn(`--inspect: expected one of ${names}, found ${name}; it is inspected once it is deployed`)
}

/** Where the inherited sockets are, in place of what the configuration says. */
function placeOf({ admin, main }: InheritedSockets): Partial<Config> {
  const [first] = main
  return {
    ...(first && { host: first.host!, port: first.port! }),
    ...(admin && { socketPath: admin.path! }),
  }
}

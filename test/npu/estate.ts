import { answering, identityModel } from '../deployments/tiny.ts'
import { RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'
import { SimControl, simulatedFiles, type SimSettings } from '../support/sim.ts'
import { toFunction, toModel, writeHef, type NpuModel, type Shapes } from './models.ts'

export type ProofChip = 'hailo8' | 'hailo10h'

/** A Pellet over the simulated device: some models on it, each gone with its last request, and one on the CPU. */
export class Estate {
  readonly pellet: RunningPellet
  readonly models: readonly NpuModel[]
  readonly #sim: SimControl
  readonly #usual: SimSettings
  /** Hosts that were killed or stopped here: their ends are no fault of theirs. */
  hostsKilled = 0

  /** @param count of models on the NPU, up to 4 @param frameUs what a frame takes on the chip: the callers ask no faster */
  static async start(chip: ProofChip, count: number, frameUs = 1000): Promise<Estate> {
    const usual: SimSettings = { frame_us: frameUs }
    const sim = new SimControl(usual)
    const models: NpuModel[] = []
    for (const [name, shapes] of Object.entries(kinds).slice(0, count))
      models.push(await toModel(name, writeHef(name, { ...shapes, chip }, weightBytes)))
    const files: ProjectFiles = {
      ...(await simulatedFiles()),
      'models/identity.onnx': identityModel(),
      'functions/cpu.ts': answering('return { ok: true }', { manifest: `route: 'POST /v1/cpu', keep_alive: '1s'` }),
    }
    for (const model of models) {
      files[`models/${model.name}.hef`] = model.hef
      files[`functions/${model.name}.ts`] = toFunction(model, chip, { keep_alive: 0, limits: { concurrency: 8 } })
    }
    const env = { ...sim.env, PELLET_HAILORT: `simulated:${chip}`, PELLET_DEVICE_FRAME_TIMEOUT: `${frameTimeoutMs}ms` }
    return new Estate(await RunningPellet.start(files, [], { ...env, PELLET_LOG_LEVEL: 'info' }), models, sim, usual)
  }

  private constructor(pellet: RunningPellet, models: readonly NpuModel[], sim: SimControl, usual: SimSettings) {
    this.pellet = pellet
    this.models = models
    this.#sim = sim
    this.#usual = usual
  }

  /** What the device does from now on, beside the usual. */
  simulate(settings: SimSettings = {}): void {
    this.#sim.set({ ...this.#usual, ...settings })
  }

  /** The process that has the device. */
  get hostPid(): number | undefined {
    const pid = this.pellet.log.findLast(({ msg }) => msg === 'device host: started')?.['pid'] as number | undefined
    return pid !== undefined && isAlive(pid) ? pid : undefined
  }

  killHost(signal: NodeJS.Signals): boolean {
    const pid = this.hostPid
    if (pid === undefined) return false
    this.hostsKilled++
    process.kill(pid, signal)
    return true
  }

  /** Counts of `/metrics`, by the part of their name that differs. */
  async count(name: 'frames' | 'timeouts' | 'losses' | 'hard_unloads' | 'host_restarts'): Promise<number> {
    const text = await (await this.pellet.fetch('/metrics')).text()
    return Number(new RegExp(`^pellet_device_${name}_total (\\d+)$`, 'm').exec(text)?.[1])
  }

  /** Until all models and the device host are gone. */
  async idle(): Promise<void> {
    await until(
      () => childrenOf(this.pellet.pid).length === 0,
      () => `no process beside main, found ${childrenOf(this.pellet.pid).join(', ')}`,
      30_000,
    )
  }

  /** Hosts that ended by themselves, and what the device would have crashed on. */
  hostDeaths(): string[] {
    const { log } = this.pellet
    const gone = log.filter(({ msg, level }) => level === 'error' && msg.startsWith('device host: gone'))
    const crashes = log.filter(({ msg }) => msg.includes('HailoRT would crash here'))
    const own = gone.length > this.hostsKilled ? gone.map(({ msg }) => msg) : []
    return [...own, ...crashes.map(({ msg }) => msg)]
  }
}

/** Longest that a frame may be on the device. */
export const frameTimeoutMs = 400
/** What the simulated chip needs for each model, about. */
export const weightBytes = 1_000_000

// --- internal ---

/** Inputs and outputs of every kind that the device has. */
const kinds: Record<string, Shapes> = {
  plain: {
    inputs: [[64, 64, 3]],
    outputs: [
      [16, 16, 8],
      [1, 1, 40],
    ],
  },
  pair: {
    inputs: [
      [32, 32, 3],
      [16, 16, 1],
    ],
    outputs: [[8, 8, 4]],
    bytes: 2,
  },
  boxes: {
    inputs: [[64, 64, 3]],
    outputs: [
      [8, 8, 16],
      [4, 4, 9],
    ],
    hasBoxes: true,
  },
  large: { inputs: [[224, 224, 3]], outputs: [[112, 112, 1]] },
}

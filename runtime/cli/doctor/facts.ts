import type { HailoErrorKind } from '../../../ffi/hailort/statuses.ts'

/** What `pellet doctor` finds out before it judges; plain data. */
export interface DoctorFacts {
  machine: MachineFacts
  /** Hailo's devices on the PCIe bus. */
  pci: PciDevice[]
  /** Hailo's kernel modules that are loaded. */
  drivers: DriverFacts[]
  /** Names of those that are installed for this kernel, loaded or not. */
  installedDrivers: string[]
  nodes: DeviceNode[]
  /** Programs that have a node open. */
  holders: Holder[]
  /** Other users' programs could not be looked at. */
  areHoldersHidden: boolean
  library: LibraryFacts
  shim: ShimFacts
  hefs: HefFacts[]
  /** Why nothing is known of them. */
  hefProblem?: string
  /** The Pellet that runs in the project, or the installed one; absent where none answers. */
  running?: RunningFacts
  /** One is there, and could not be asked. */
  runningProblem?: string
  /** The setting `hailort`: `auto`, `off`, `simulated` or `simulated:CHIP`. */
  setting: string
  /** The C compiler that a simulated device is built with is there. */
  hasCompiler: boolean
}

export interface MachineFacts {
  /** As the board itself says, e.g. `Raspberry Pi 5 Model B Rev 1.0`; empty where it does not. */
  model: string
  /** Of the kernel. */
  pageBytes?: number
  availableBytes?: number
  totalBytes?: number
  swapBytes?: number
  /** The board's supply was too weak since it was started; absent where the board does not tell. */
  isUndervolted?: boolean
}

export interface PciDevice {
  /** `0001:01:00.0`. */
  address: string
  /** Of the vendor, in hex: `2864`. */
  deviceId: string
  /** Of the kernel, where one has it. */
  driver?: string
  link?: { speed: string; width: string; bestSpeed: string; bestWidth: string }
}

export interface DriverFacts {
  /** `hailo_pci` or `hailo1x_pci`. */
  name: string
  version?: string
  /** As it is in force; 0: not set. */
  forcedPageBytes?: number
  /** As a file of modprobe.d has it for the next time that it is loaded. */
  configuredPageBytes?: number
}

export interface DeviceNode {
  /** `/dev/hailo0`. */
  path: string
  /** As HailoRT calls the device. */
  id?: string
  /** `crw-rw----` as four octal digits: `0660`. */
  mode: string
  group: string
  /** By the user who asks. */
  isUsable: boolean
}

export interface Holder {
  pid: number
  /** Its command line. */
  command: string
  /** It is Pellet's own device host. */
  isPellet: boolean
  /** The service of the system that it belongs to, which may start it again: `camera.service`. */
  unit?: string
}

/** What HailoRT's library says; it is asked in a process of its own. */
export interface LibraryFacts {
  /** Absent: there is none. */
  file?: string
  version?: string
  /** Why it cannot be loaded, or devices not be asked through it. */
  problem?: string
  devices: QueriedDevice[]
  /** What it was doing when its time was over, or its process ended. */
  stuckAt?: { what: string; end: string; isCrash: boolean }
}

export interface QueriedDevice {
  id: string
  chip?: string
  firmware?: string
  product?: string
  serial?: string
  temperature?: number
  watts?: number
  clockHz?: number
  isThrottlingEnabled?: boolean
  problems: DeviceProblem[]
}

/** What could not be asked, and why. */
export interface DeviceProblem {
  what: string
  reason: string
  /** Where HailoRT said why. */
  kind?: HailoErrorKind
}

export interface ShimFacts {
  isBuilt: boolean
  /** What a build needs and is not there, where it was looked for, and how to get it. */
  missing: { what: string; where: string; advice: string }[]
}

export interface HefFacts {
  /** Of the deployment. */
  name: string
  /** The key in the manifest that names it. */
  chip: string
  shown: string
  isThere: boolean
  /** Why the chip, or the installed HailoRT, would refuse it. */
  refusal?: string
}

export interface RunningFacts {
  version: string
  address: string
  /** Of the NPU that it uses. */
  chip?: string
  kind?: 'hailort' | 'simulated'
  /** Why it uses none. */
  whyNot?: string
  /** Deployments that are loaded on the NPU now, by name. */
  onNpu: string[]
}

/** One line of the answer. */
export interface Finding {
  /** What was looked at, in a word or two. */
  check: string
  level: 'ok' | 'warn' | 'fail'
  found: string
  /** The command that mends it, or what else to do. */
  mend?: string
}

import { release } from 'node:os'
import { findCompiler } from '../../../ffi/shim/build.ts'
import type { Config } from '../../config.ts'
import { messageOf } from '../../errors.ts'
import type { HailoArch } from '../../manifest/manifest.ts'
import type { DoctorFacts, LibraryFacts } from './facts.ts'
import { readDrivers, readHolders, readInstalledDrivers, readNodes, readPci } from './hardware.ts'
import { readHefs } from './hefs.ts'
import { askLibrary } from './library.ts'
import { readMachine } from './machine.ts'
import { askRunning } from './running.ts'
import { readShim } from './shim.ts'

/** Looks at everything, and changes nothing. @param root Folder in which /sys, /proc, /dev, /etc and /lib are */
export async function gatherFacts(config: Config, args: Record<string, unknown>, root = '/'): Promise<DoctorFacts> {
  const [library, shim, running, compiler] = await Promise.all([
    askLibrary(),
    readShim(config.dataFolder),
    askRunning(args),
    findCompiler('c'),
  ])
  return {
    machine: readMachine(root),
    pci: readPci(root),
    drivers: readDrivers(root),
    installedDrivers: readInstalledDrivers(root, release()),
    nodes: readNodes(root),
    ...readHolders(root),
    library,
    shim,
    ...(await readHefs(config, npuOf(library)).then(
      (hefs) => ({ hefs }),
      (error: unknown) => ({ hefs: [], hefProblem: messageOf(error) }),
    )),
    ...running,
    setting: config.hailort,
    hasCompiler: compiler !== undefined,
  }
}

// --- internal ---

function npuOf({ version, devices }: LibraryFacts): { chip: HailoArch; library: string } | undefined {
  const chip = devices.find((device) => device.chip !== undefined)?.chip
  return chip === undefined || version === undefined ? undefined : { chip: chip as HailoArch, library: version }
}

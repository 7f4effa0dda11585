import { fail, ok, warn } from './finding.ts'
import type { DoctorFacts, Finding } from './facts.ts'
import { generationHere, hasNpu, reinstall, reloadDriver } from './generation.ts'

/** The kernel's driver. */
export function checkDriver(facts: DoctorFacts): Finding[] {
  if (!hasNpu(facts)) return []
  const { drivers, installedDrivers, pci, nodes, library } = facts
  const { driver: name, chips } = generationHere(facts)
  const driver = drivers.find((found) => found.name === name)
  if (!driver && library.devices.length > 0)
    return [ok('driver', 'not seen here, but HailoRT sees the device (in a container?)')]
  if (!driver) {
    const wrong = drivers[0] && `; ${drivers[0].name} is loaded, which is for other chips`
    if (installedDrivers.includes(name))
      return [fail('driver', `${name} is installed, but not loaded${wrong ?? ''}`, `sudo modprobe ${name}`)]
    return [
      fail('driver', `${name}, the driver of ${chips}, is not there for this kernel${wrong ?? ''}`, reinstall(facts)),
    ]
  }
  const found = `${name} ${driver.version ?? '(its version is not told)'}`
  const orphan = pci.find((device) => device.driver === undefined)
  if (orphan) return [fail('driver', `${found} does not drive ${orphan.address}`, reloadDriver(facts))]
  if (nodes.length === 0)
    return [fail('driver', `${found} made no device node: the firmware did not start`, reinstall(facts))]
  return [ok('driver', found)]
}

/** HailoRT itself, and whether driver, firmware and library are of one version. */
export function checkLibrary(facts: DoctorFacts): Finding[] {
  const { library, drivers } = facts
  const { file, version, problem, stuckAt, devices } = library
  const { driver: name, chips, major, package: packageName } = generationHere(facts)
  if (file === undefined) {
    if (!hasNpu(facts)) return [ok('HailoRT', 'not installed, and not needed without an NPU')]
    return [fail('HailoRT', 'libhailort is not installed', `sudo apt install ${packageName}`)]
  }
  const found = `${version} (${file})`
  const stuck = stuckAt && `HailoRT ${version ?? `(${file})`} ${stuckAt.end} when it was asked: ${stuckAt.what}`
  const trouble = stuck ?? problem ?? (version === undefined ? `${file} does not tell its version` : undefined)
  if (!hasNpu(facts)) return [trouble === undefined ? ok('HailoRT', found) : warn('HailoRT', trouble)]
  // A library that crashes is at fault itself; one that waits in vain waits for the driver.
  if (stuckAt && stuck) return [fail('HailoRT', stuck, (stuckAt.isCrash ? reinstall : reloadDriver)(facts))]
  if (trouble !== undefined || version === undefined) return [fail('HailoRT', trouble ?? found, reinstall(facts))]
  if (!version.startsWith(`${major}.`))
    return [
      fail('HailoRT', `${found} is not for ${chips}, which want HailoRT ${major}`, `sudo apt install ${packageName}`),
    ]
  const driver = drivers.find((loaded) => loaded.name === name)?.version
  if (driver !== undefined && driver !== version)
    return [
      ok('HailoRT', found),
      fail('versions', `the driver is ${driver}, the library ${version}: they must be the same`, reinstall(facts)),
    ]
  const firmware = devices.find((device) => device.firmware !== undefined && device.firmware !== version)?.firmware
  if (firmware !== undefined) {
    const text = `the firmware is ${firmware}, the library ${version}: they are made for each other in one version`
    // Only of the older generation it is known that nothing works then.
    return [ok('HailoRT', found), (major === 4 ? fail : warn)('versions', text, reinstall(facts))]
  }
  return [ok('HailoRT', found)]
}

/** What Pellet needs to build its own part over HailoRT. */
export function checkShim(facts: DoctorFacts): Finding[] {
  const { shim, library } = facts
  if (!hasNpu(facts) || library.file === undefined) return []
  if (shim.isBuilt) return [ok('shim', `built for HailoRT ${library.version ?? ''}`.trimEnd())]
  if (shim.missing.length === 0) return [ok('shim', 'not built yet; pellet start, or pellet build-shim, builds it')]
  return shim.missing.map(({ what, where, advice }) =>
    fail(
      'shim',
      `${what} is missing (${where}): Pellet cannot build its part over HailoRT`,
      // Of Hailo's packages the advice names several: here it is known which.
      advice.includes('hailo-all') ? reinstall(facts) : `sudo ${advice}`,
    ),
  )
}

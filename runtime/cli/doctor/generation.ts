import type { DoctorFacts, PciDevice } from './facts.ts'

/** What belongs together: chips, their driver, their packages, and the version of HailoRT. */
export interface Generation {
  chips: string
  driver: string
  /** Debian package of Raspberry Pi. */
  package: string
  /** Of HailoRT. */
  major: number
}

/** Of a device on the bus; those of vendor 1e60 that Pellet does not know are taken for the newer. */
export function generationOf({ deviceId }: PciDevice): Generation {
  return deviceId === '2864' ? hailo8 : hailo10
}

/** What a device is called before it was asked. */
export function familyOf({ deviceId }: PciDevice): string {
  return families[deviceId] ?? `a device of Hailo that Pellet does not know (1e60:${deviceId})`
}

/** Of the machine: by its first device, else by what is installed for one. */
export function generationHere({ pci, drivers, library }: DoctorFacts): Generation {
  if (pci[0]) return generationOf(pci[0])
  const isNewer = drivers.some(({ name }) => name === hailo10.driver) || library.version?.startsWith('5.')
  return isNewer ? hailo10 : hailo8
}

/** Something of an NPU is there: on the bus, as a node, or seen by the library. */
export function hasNpu({ pci, nodes, library }: DoctorFacts): boolean {
  return pci.length + nodes.length + library.devices.length > 0
}

/** The command that brings driver, firmware and library of one version: the package by itself only names those that it is made of. */
export function reinstall(facts: DoctorFacts): string {
  return `sudo apt update && sudo apt full-upgrade && sudo apt install --reinstall ${generationHere(facts).package} && sudo reboot`
}

export function reloadDriver(facts: DoctorFacts): string {
  const { driver } = generationHere(facts)
  return `sudo modprobe -r ${driver} && sudo modprobe ${driver}`
}

// --- internal ---

const hailo8: Generation = { chips: 'Hailo-8 and 8L', driver: 'hailo_pci', package: 'hailo-all', major: 4 }
const hailo10: Generation = { chips: 'Hailo-10H', driver: 'hailo1x_pci', package: 'hailo-h10-all', major: 5 }

const families: Record<string, string> = {
  '2864': 'Hailo-8 or 8L',
  '45c4': 'Hailo-10H or 15H',
  '43a2': 'Hailo-15L',
  '26a2': 'Hailo-12L',
}

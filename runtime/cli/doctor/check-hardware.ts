import type { DoctorFacts, Finding } from './facts.ts'
import { fail, ok, warn } from './finding.ts'
import { familyOf, generationHere, hasNpu, reloadDriver } from './generation.ts'

/** What is on the bus, and how fast its link is. */
export function checkBus(facts: DoctorFacts): Finding[] {
  const { pci, machine, setting } = facts
  if (!hasNpu(facts)) {
    const hint = machine.model.startsWith('Raspberry Pi 5')
      ? 'if one is fitted, see its cable, and dtparam=pciex1 in /boot/firmware/config.txt'
      : undefined
    const instead = setting.startsWith('simulated')
      ? 'a simulated one is used'
      : 'models run on the CPU with ONNX Runtime'
    return [ok('NPU', `none on PCIe; ${instead}${hint ? ` (${hint})` : ''}`)]
  }
  if (pci.length === 0) return [warn('NPU', 'none is seen on PCIe, and yet a device of one is there (in a container?)')]
  return pci.flatMap((device) => [
    ok('NPU', `${familyOf(device)} at ${device.address} (1e60:${device.deviceId})`),
    ...(device.link ? [checkLink(device.link, machine.model)] : []),
  ])
}

/**
 * A Hailo-8 on a board with large pages, as the Raspberry Pi 5 has them, fails at the first model without this. The driver of the
 * Hailo-10H keeps to 4 KB by itself.
 */
export function checkPageSize(facts: DoctorFacts): Finding[] {
  const { machine, drivers } = facts
  const { driver: name, major } = generationHere(facts)
  if (!hasNpu(facts) || major !== 4 || machine.pageBytes === undefined || machine.pageBytes <= hardwarePageBytes)
    return []
  const pages = `pages of ${machine.pageBytes / 1024} KB`
  const driver = drivers.find((found) => found.name === name)
  if (!driver) return []
  if (driver.forcedPageBytes === hardwarePageBytes)
    return [ok('page size', `${pages}; force_desc_page_size=4096 is in force`)]
  if (driver.configuredPageBytes === hardwarePageBytes)
    return [
      fail(
        'page size',
        `${pages}; force_desc_page_size=4096 is configured, but the driver was loaded without it`,
        reloadDriver(facts),
      ),
    ]
  return [
    fail(
      'page size',
      `the kernel has ${pages}, and the driver is not told that the chip takes 4 KB at most: models cannot be configured`,
      `echo 'options ${name} force_desc_page_size=4096' | sudo tee -a /etc/modprobe.d/${name}.conf && sudo reboot`,
    ),
  ]
}

/** Whether this user may open the device. */
export function checkNodes({ nodes }: DoctorFacts): Finding[] {
  return nodes.map(({ path, id, mode, group, isUsable }) => {
    const found = `${path}${id ? ` (${id})` : ''}, mode ${mode}, group ${group}`
    if (isUsable) return ok('device node', found)
    const isForGroup = /^0?.6[06]/.test(mode.slice(1)) && group !== 'root'
    const mend = isForGroup
      ? `sudo usermod -aG ${group} "$USER"   (then log in anew)`
      : 'sudo pellet systemd install --yes   (brings a udev rule and the group hailo)'
    return fail('device node', `${found}: this user may not open it`, mend)
  })
}

/** Who has the device. Pellet's own host is who should. */
export function checkHolders(facts: DoctorFacts): Finding[] {
  const { holders, areHoldersHidden, nodes } = facts
  if (nodes.length === 0) return []
  const others = holders.filter(({ isPellet }) => !isPellet)
  const found = holders
    .filter(({ isPellet }) => isPellet)
    .map(({ pid }) => ok('in use', `by the device host of Pellet (pid ${pid})`))
  // With HailoRT 5 programs may share it.
  const level = generationHere(facts).major === 5 ? warn : fail
  for (const { pid, command, unit } of others) {
    const who = `${command.slice(0, 120)} (pid ${pid}${unit ? `, of ${unit}` : ''})`
    const mend = unit ? `sudo systemctl stop ${unit}` : `sudo kill ${pid}`
    found.push(level('in use', `another program has the device open: ${who}`, mend))
  }
  if (found.length > 0) return found
  return [ok('in use', areHoldersHidden ? 'by no program of this user; with sudo all are seen' : 'by no program')]
}

// --- internal ---

/** The largest that the chip's DMA takes. */
const hardwarePageBytes = 4096

function checkLink(link: NonNullable<DoctorFacts['pci'][number]['link']>, model: string): Finding {
  const { speed, width, bestSpeed, bestWidth } = link
  const found = `${speed}, ${width} lane${width === '1' ? '' : 's'} (the device could do ${bestSpeed} and ${bestWidth})`
  const isSlow = parseFloat(speed) < 8 && parseFloat(bestSpeed) >= 8
  if (!isSlow) return ok('PCIe link', found)
  const mend = model.startsWith('Raspberry Pi 5')
    ? `echo dtparam=pciex1_gen=3 | sudo tee -a /boot/firmware/config.txt && sudo reboot`
    : 'see the settings of PCIe in the firmware of this machine'
  return warn('PCIe link', `${found}: slower than it could be`, mend)
}

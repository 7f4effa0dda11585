import { accessSync, constants, readlinkSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { DeviceNode, DriverFacts, Holder, PciDevice } from './facts.ts'
import { namesIn, readText } from './read-files.ts'

/** Hailo's devices on the PCIe bus. @param root Folder in which /sys and the like are */
export function readPci(root: string): PciDevice[] {
  const folder = join(root, 'sys/bus/pci/devices')
  return namesIn(folder)
    .filter((address) => readText(join(folder, address, 'vendor')) === hailoVendor)
    .map((address) => {
      const read = (name: string) => readText(join(folder, address, name)) ?? ''
      const driver = linkName(join(folder, address, 'driver'))
      const speed = read('current_link_speed')
      return {
        address,
        deviceId: read('device').replace(/^0x/, ''),
        ...(driver !== undefined && { driver }),
        ...(speed !== '' && {
          link: {
            speed: toSpeed(speed),
            width: read('current_link_width'),
            bestSpeed: toSpeed(read('max_link_speed')),
            bestWidth: read('max_link_width'),
          },
        }),
      }
    })
}

export function readDrivers(root: string): DriverFacts[] {
  return driverNames.flatMap((name) => {
    const folder = join(root, 'sys/module', name)
    if (namesIn(folder).length === 0) return []
    const version = readText(join(folder, 'version'))
    const forced = readText(join(folder, 'parameters/force_desc_page_size'))
    const configured = readConfiguredPage(root, name)
    return {
      name,
      ...(version !== undefined && { version }),
      ...(forced !== undefined && { forcedPageBytes: Number(forced) }),
      ...(configured !== undefined && { configuredPageBytes: configured }),
    }
  })
}

/** @param release Of the kernel */
export function readInstalledDrivers(root: string, release: string): string[] {
  const modules = readText(join(root, 'lib/modules', release, 'modules.dep')) ?? ''
  return driverNames.filter((name) => new RegExp(`(^|/)${name}\\.ko[.\\w]*:`, 'm').test(modules))
}

export function readNodes(root: string): DeviceNode[] {
  return namesIn(join(root, 'dev'))
    .filter((name) => nodeName.test(name))
    .flatMap((name) => {
      const stats = statSync(join(root, 'dev', name), { throwIfNoEntry: false })
      // A container engine makes a folder of what it is to hand in and is not there.
      if (!stats || stats.isDirectory()) return []
      const { mode, gid } = stats
      const id = classes.map((of) => readText(join(root, 'sys/class', of, name, 'board_location'))).find(Boolean)
      return {
        path: `/dev/${name}`,
        ...(id !== undefined && { id }),
        mode: (mode & 0o7777).toString(8).padStart(4, '0'),
        group: groupName(root, gid),
        isUsable: isUsable(join(root, 'dev', name)),
      }
    })
}

/** Who has a device node open; others' programs only tell root. */
export function readHolders(root: string): { holders: Holder[]; areHoldersHidden: boolean } {
  const holders: Holder[] = []
  let areHoldersHidden = false
  for (const pid of namesIn(join(root, 'proc')).filter((name) => /^\d+$/.test(name))) {
    const folder = join(root, 'proc', pid)
    if (!mayList(join(folder, 'fd'))) areHoldersHidden = true
    const holds = namesIn(join(folder, 'fd')).some((fd) => {
      const target = linkTarget(join(folder, 'fd', fd))
      return target !== undefined && nodePath.test(target)
    })
    if (!holds) continue
    const command = (readText(join(folder, 'cmdline')) ?? '').replaceAll('\0', ' ').trim()
    const unit = unitOf(readText(join(folder, 'cgroup')) ?? '')
    holders.push({
      pid: Number(pid),
      command: command || `process ${pid}`,
      isPellet: hostOfPellet.test(command),
      ...(unit !== undefined && { unit }),
    })
  }
  return { holders, areHoldersHidden }
}

// --- internal ---

const hailoVendor = '0x1e60'
const driverNames = ['hailo_pci', 'hailo1x_pci']
/** Of HailoRT up to 5.2, and of later ones. */
const classes = ['hailo_chardev', 'hailo1x']
const nodeName = /^(hailo\d+|h1x-\d+)$/
const nodePath = /^\/dev\/(hailo\d+|h1x-\d+)$/
const hostOfPellet = /[/]runtime[/]device[/]host[/]/

/** `8.0 GT/s` of `8.0 GT/s PCIe`. */
function toSpeed(text: string): string {
  return text.replace(/ PCIe$/, '')
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

function linkName(path: string): string | undefined {
  const target = linkTarget(path)
  return target && basename(target)
}

function mayList(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK)
    return true
  } catch (error) {
    // It has ended meanwhile.
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

function groupName(root: string, gid: number): string {
  const groups = readText(join(root, 'etc/group')) ?? ''
  return new RegExp(`^([^:]+):[^:]*:${gid}:`, 'm').exec(groups)?.[1] ?? String(gid)
}

/** Of the system's services; those of a user's session are stopped with their program. */
function unitOf(cgroup: string): string | undefined {
  return /^\d+:[^:]*:\/system\.slice\/(?:.*\/)?([^/\s]+\.service)(?:\/|$)/m.exec(cgroup)?.[1]
}

function readConfiguredPage(root: string, driver: string): number | undefined {
  const option = new RegExp(`^\\s*options\\s+${driver}\\s.*\\bforce_desc_page_size=(\\d+)`, 'm')
  for (const folder of ['etc/modprobe.d', 'run/modprobe.d', 'usr/lib/modprobe.d', 'lib/modprobe.d'])
    for (const name of namesIn(join(root, folder)).filter((file) => file.endsWith('.conf'))) {
      const found = option.exec(readText(join(root, folder, name)) ?? '')?.[1]
      if (found !== undefined) return Number(found)
    }
  return undefined
}

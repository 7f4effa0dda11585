import { join } from 'node:path'
import type { MachineFacts } from './facts.ts'
import { namesIn, readText } from './read-files.ts'

/** The board and its memory. @param root Folder in which /sys, /proc and the like are */
export function readMachine(root: string): MachineFacts {
  const memory = readText(join(root, 'proc/meminfo')) ?? ''
  const pageBytes = toBytes(readText(join(root, 'proc/self/smaps')) ?? '', 'KernelPageSize')
  const availableBytes = toBytes(memory, 'MemAvailable')
  const totalBytes = toBytes(memory, 'MemTotal')
  const swapBytes = toBytes(memory, 'SwapTotal')
  const isUndervolted = readUndervoltage(root)
  return {
    model: (readText(join(root, 'proc/device-tree/model')) ?? '').replace(/\0/g, ''),
    ...(pageBytes !== undefined && { pageBytes }),
    ...(availableBytes !== undefined && { availableBytes }),
    ...(totalBytes !== undefined && { totalBytes }),
    ...(swapBytes !== undefined && { swapBytes }),
    ...(isUndervolted !== undefined && { isUndervolted }),
  }
}

// --- internal ---

/** Of a line `Name:   12 kB`. */
function toBytes(text: string, name: string): number | undefined {
  const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

/** What the Pi's own monitor says. */
function readUndervoltage(root: string): boolean | undefined {
  const monitors = join(root, 'sys/class/hwmon')
  const pi = namesIn(monitors).find((name) => readText(join(monitors, name, 'name')) === 'rpi_volt')
  const alarm = pi && readText(join(monitors, pi, 'in0_lcrit_alarm'))
  return alarm === undefined ? undefined : alarm !== '0'
}

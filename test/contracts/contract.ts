import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'

/**
 * What a value must be: a check, a value to be equal to, an array of shapes as long as the value, or an object of shapes
 * by key. Keys beyond those are allowed: clients of a contract pass over what they do not know.
 */
export type Shape = Check | string | number | boolean | null | Shape[] | { [key: string]: Shape }
export type Check = (value: unknown) => boolean

export const text: Check = (value) => typeof value === 'string' && value !== ''
export const number: Check = (value) => typeof value === 'number'
export const integer: Check = (value) => Number.isInteger(value)
export const boolean: Check = (value) => typeof value === 'boolean'
export const within =
  (least: number, largest: number): Check =>
  (value) =>
    typeof value === 'number' && value >= least && value <= largest
export const matching =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === 'string' && pattern.test(value)
export const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)
export const listOf =
  (shape: Shape, length?: number): Check =>
  (value) =>
    Array.isArray(value) &&
    (length === undefined || value.length === length) &&
    value.every((one) => differences(one, shape, '').length === 0)

/** All that is not as it must be, together. */
export function assertShape(value: unknown, shape: Shape, where = 'body'): void {
  const found = differences(value, shape, where)
  // Bodies with pictures are long: they are written out only when something is wrong.
  if (found.length > 0) assert.unreachable(`${found.join('\n')}\nin ${JSON.stringify(value)?.slice(0, 500)}`)
}

/** A file of this repository, to put into a project. */
export function ownFile(path: string): { from: string } {
  return { from: join(projectRoot, path) }
}

/** The shipped manifest with its own ports switched on, at these numbers, as a user does it: by taking a `#` away. */
export function switchedOn(name: string, ports: readonly number[]): string {
  const manifest = readFileSync(join(projectRoot, `manifests/${name}.yaml`), 'utf8')
  const [line, usual] = /^# (?:listen: \[([\d, ]+)\])/m.exec(manifest) ?? []
  if (line === undefined || usual!.split(',').length !== ports.length)
    throw new Error(
      `manifests/${name}.yaml: expected a line "# listen: [...]" of ${ports.length} ports, found ${line ?? 'none'}`,
    )
  return manifest.replace(line, `listen: [${ports.join(', ')}]`)
}

/** What the probes of a shipped manifest send. */
export function probeInputs(name: string): string[] {
  const manifest = readFileSync(join(projectRoot, `manifests/${name}.yaml`), 'utf8')
  return [...manifest.matchAll(/^ +input: (\S+)$/gm)].map(([, input]) => `models/${input}`)
}

/** The files of shipped functions: code, manifest, starter model, and what its probe sends. */
export function shipped(...names: string[]): ProjectFiles {
  return Object.fromEntries(
    names.flatMap((name) => [
      [`functions/${name}.ts`, ownFile(`functions/${name}.ts`)],
      [`manifests/${name}.yaml`, ownFile(`manifests/${name}.yaml`)],
      [`models/${name}.onnx`, ownFile(`models/${name}.onnx`)],
      ...probeInputs(name).map((path) => [path, ownFile(path)] as const),
    ]),
  )
}

export function sample(path: string): Buffer {
  return readFileSync(join(projectRoot, 'models/samples', path))
}

/** 100 rows of 9 from a sample, as its JSON has them. */
export function sampleWindow(name = 'imu_walk'): number[][] {
  return (JSON.parse(sample(`${name}.json`).toString()) as { x: number[][] }).x
}

// --- internal ---

function differences(value: unknown, shape: Shape, where: string): string[] {
  const found = () => JSON.stringify(value)?.slice(0, 100)
  if (typeof shape === 'function') return shape(value) ? [] : [`${where}: found ${found()}`]
  if (shape === null || typeof shape !== 'object')
    return value === shape ? [] : [`${where}: expected ${JSON.stringify(shape)}, found ${found()}`]
  if (Array.isArray(shape)) {
    if (!Array.isArray(value) || value.length !== shape.length)
      return [`${where}: expected a list of ${shape.length}, found ${found()}`]
    return shape.flatMap((one, i) => differences(value[i], one, `${where}[${i}]`))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [`${where}: expected an object, found ${found()}`]
  return Object.entries(shape).flatMap(([key, one]) =>
    Object.hasOwn(value, key)
      ? differences((value as Record<string, unknown>)[key], one, `${where}.${key}`)
      : [`${where}: expected the key ${key}, found ${Object.keys(value).join(', ')}`],
  )
}

import type { HailoArch } from '../manifest/manifest.ts'
import { isTar } from '../manifest/paths.ts'
import { formatBytes } from '../units.ts'
import type { FailedSource } from './deployment.ts'

/** Why a source with nothing wrong in it is not deployed: a model file that people are to fetch. Plain data. */
export interface MissingModel {
  /** The deployment whose model it is: the source itself, or one that it calls. */
  deployment: string
  /** Files of which one would do: the one that this machine needs first, then those for chips. */
  files: MissingFile[]
  /** While the first of them is fetched by the setting `fetch`: changes as that goes on. */
  fetch?: FetchState
}

/** How far the fetching of a file is. */
export interface FetchState {
  /** Present while it is under way. */
  receivedBytes?: number
  totalBytes?: number
  /** Why it failed last; it is tried again. */
  problem?: string
  isDone?: boolean
}

export interface MissingFile {
  /** The chip that it is compiled for; absent: for the CPU. */
  chip?: HailoArch
  /** Where it is expected, relative to the project. */
  file: string
  url?: string
  /** In the archive that `url` leads to. */
  member?: string
  license?: string
  sha256?: string
}

/** `get it: pellet pull detect (licence: MIT)`: what to do about a file that is not there. @param name of the deployment */
export function howToGet(name: string, { chip, url, license }: MissingFile): string {
  const licence = license === undefined ? '' : ` (licence: ${license})`
  if (url === undefined) return `put it there${licence}`
  if (isTar(url)) return `get it: download ${url}, unpack it and put its model there${licence}`
  return `get it: pellet pull ${name}${chip === undefined ? '' : `@${chip}`}${licence}`
}

/** Every other file that would do; a line each. */
export function otherWays({ deployment, files }: MissingModel): string[] {
  return files.slice(1).map((file) => `for ${file.chip ?? 'the CPU'}: ${file.file}; ${howToGet(deployment, file)}`)
}

/** For callers: `faces is not deployed, for it calls arcface, whose model is missing`. What more there is to say is no business of theirs. */
export function whyNotDeployed({ name, missing, serves }: Pick<FailedSource, 'name' | 'missing' | 'serves'>): string {
  const what = serves ? `the newest version of ${name}` : name
  return `${what} is not deployed, ${missing ? reasonOf(name, missing) : 'for something is wrong with it'}`
}

/**
 * For the log, in one line: `detect: not deployed, its model is missing: expected models/a.onnx; get it: ...`.
 * @param serves an older revision serves meanwhile
 */
export function formatMissing(name: string, missing: MissingModel, serves = false): string {
  const [file] = missing.files
  const { fetch: _, ...lasting } = missing
  const how = missing.deployment === name ? `: expected ${file!.file}; ${howToGet(name, file!)}` : ''
  return `${name}: ${serves ? '' : 'not deployed, '}${reasonOf(name, lasting)}${how}`
}

/** `being fetched, 43 %`, `missing`. */
export function formatFetch({ receivedBytes, totalBytes }: FetchState): string {
  if (receivedBytes === undefined) return 'missing'
  const share = totalBytes ? `, ${Math.floor((receivedBytes / totalBytes) * 100)} %` : ''
  return `being fetched${share || (receivedBytes > 0 ? `, ${formatBytes(receivedBytes)}` : '')}`
}

// --- internal ---

function reasonOf(name: string, { deployment, fetch = {} }: MissingModel): string {
  const state = formatFetch(fetch)
  return deployment === name ? `its model is ${state}` : `for it calls ${deployment}, whose model is ${state}`
}

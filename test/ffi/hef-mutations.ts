/**
 * Damages HEFs and reads them: an error or the right answer, never a hang, never over 200 MB. npm run mutate -- [COUNT] [SEED];
 * the suite does a few.
 */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { HefError, readHef, type Hef } from '../../ffi/hef/hef.ts'
import type { HefVersion } from '../../ffi/hef/header.ts'
import { toHefProto, type HefSpec } from '../support/hef-proto.ts'
import { toHef } from '../support/hef-writer.ts'
import { Random } from '../support/random.ts'
import { sharedData } from '../support/shared.ts'

export interface Mutations {
  count: number
  seed: number
}

export interface MutationReport {
  /** A HefError; the answer of the undamaged file; another answer, which only damage under a right checksum may give. */
  results: { refused: number; same: number; other: number }
  slowestMs: number
  mostRssBytes: number
}

/** Half of the damage is under the checksums, half in a protobuf part that gets right ones. @throws Error for a wrong answer */
export async function mutateHefs({ count, seed }: Mutations): Promise<MutationReport> {
  const random = new Random(seed)
  const originals = await readOriginals()
  const report: MutationReport = { results: { refused: 0, same: 0, other: 0 }, slowestMs: 0, mostRssBytes: 0 }
  for (let n = 0; n < count; n++) {
    const { bytes, proto, version, content } = originals[n % originals.length]!
    const isSealed = random.chance(0.5)
    const mutant = isSealed ? toHef(version, mutate(proto, random)) : mutate(bytes, random)
    const startedAt = performance.now()
    const found = await readHef(mutant).catch((error: unknown) => error)
    report.slowestMs = Math.max(report.slowestMs, performance.now() - startedAt)
    if (n % 20 === 0) report.mostRssBytes = Math.max(report.mostRssBytes, process.memoryUsage.rss())
    if (found instanceof HefError) {
      report.results.refused++
      continue
    }
    if (found instanceof Error) throw new Error(`seed ${seed}, number ${n}: expected a HefError`, { cause: found })
    const isSame = contentOf(found as Hef) === content
    if (!isSame && !isSealed) throw new Error(`seed ${seed}, number ${n}: damage was not noticed`)
    for (const { frameBytes = 1 } of tensorsOf(found as Hef))
      if (!(frameBytes > 0 && frameBytes < 2 ** 32)) throw new Error(`seed ${seed}, number ${n}: ${frameBytes} bytes`)
    report.results[isSame ? 'same' : 'other']++
  }
  return report
}

// --- internal ---

/** Of one file, and of the process. */
const mostMs = 5000
const mostBytes = 200 * 1024 * 1024

interface Original {
  version: HefVersion
  bytes: Uint8Array
  proto: Uint8Array
  content: string
}

const spec: HefSpec = {
  extensions: [13, 25],
  optionalExtensions: [8],
  groups: [
    {
      name: 'n',
      layout: 'op',
      networkNames: ['n'],
      edges: [
        { layer: { planes: 'n/in', format: 0, shape: [4, 8, 3], of: [{ name: 'n/y', shape: [8, 8, 1] }] } },
        { layer: { name: 'n/a', shape: [4, 4, 3], featureScales: [1, 2, 3] }, isOutput: true },
        { layer: { name: 'n/b', shape: [2, 2, 4] }, isOutput: true, pad: 1 },
        { layer: { name: 'n/boxes', shape: [1, 1, 1], format: 6, nms: { classes: 3, boxes: 9 } }, isOutput: true },
        { layer: { mux: 'n/m', of: [{ mux: 'n/m2', of: [{ name: 'n/c', shape: [1, 1, 5] }] }] }, isOutput: true },
      ],
      sortedOutputs: ['n/nms', 'n/boxes', 'n/a', 'n/c'],
      ops: [{ name: 'nms', inputs: [11], output: { name: 'n/nms' }, nms: { kind: 12, classes: 4, boxes: 10 } }],
      padEdges: [[1, 11]],
    },
  ],
}

async function readOriginals(): Promise<Original[]> {
  const written = ([0, 1, 2, 3] as const).map((version) => toHef(version, toHefProto(spec)))
  const real = ['mnist_cnn_a.hef', 'scrfd_2.5g.hef'].map((name) => sharedData(`hef/${name}`))
  const files = [...written, ...real.filter((path) => path !== undefined).map((path) => readFileSync(path))]
  return Promise.all(
    files.map(async (bytes) => {
      const hef = await readHef(bytes)
      const { version, headerBytes, protoBytes } = hef.header
      const proto = bytes.subarray(headerBytes, headerBytes + protoBytes)
      return { version, bytes, proto, content: contentOf(hef) }
    }),
  )
}

/** All but sizes and checksums. */
function contentOf({ arch, compiler, extensions, networkGroups }: Hef): string {
  return JSON.stringify({ arch, compiler, extensions, networkGroups })
}

function tensorsOf({ networkGroups }: Hef) {
  return networkGroups.flatMap(({ inputs, outputs }) => [...inputs, ...outputs])
}

/** One to three injuries. */
function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let out = Buffer.from(bytes)
  for (let left = random.integer(1, 3); left > 0 && out.length > 0; left--) {
    // Most of them where most is to be broken: at the start, with the header and the names.
    const at = random.integer(0, (random.chance(0.5) ? Math.min(out.length, 600) : out.length) - 1)
    const some = out.subarray(at, at + random.integer(1, 64))
    const splice = (removed: number, added: Uint8Array) =>
      Buffer.concat([out.subarray(0, at), added, out.subarray(at + removed)])
    const injure = random.pick([
      () => splice(1, Buffer.from([out[at]! ^ (1 << random.integer(0, 7))])),
      () => splice(1, Buffer.from([random.pick([0, 0x7f, 0x80, 0xff])])),
      () => splice(some.length, Buffer.alloc(0)),
      () => splice(0, some),
      () => splice(0, Buffer.from(Array.from({ length: random.integer(1, 8) }, () => random.integer(0, 255)))),
      () => splice(1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])),
      () => splice(0, Buffer.concat(Array<Uint8Array>(random.integer(1, 2000)).fill(some))),
      () => out.subarray(0, at),
    ])
    out = injure()
  }
  return out
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [count = '10000', seed = '1'] = process.argv.slice(2)
  const { results, slowestMs, mostRssBytes } = await mutateHefs({ count: Number(count), seed: Number(seed) })
  console.log(`${count} mutations, seed ${seed}:`, results)
  console.log(`slowest ${slowestMs.toFixed(0)} ms, largest process ${(mostRssBytes / 2 ** 20).toFixed(0)} MB`)
  if (slowestMs > mostMs || mostRssBytes > mostBytes) process.exitCode = 1
}

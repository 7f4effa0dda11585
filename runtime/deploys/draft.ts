import { keysFor } from '../deployments/engine-choice.ts'
import type { NpuStatus } from '../device/npu.ts'
import { entryOf, type ModelKey } from '../manifest/manifest.ts'
import type { BlobRef, Draft } from './protocol.ts'

/** Every blob of a draft, with what it is called in messages: a file and a probe's input may have one name. */
export function blobsOf({ bundle, bundleMap, models, files, probeInputs, manifest }: Draft): [string, BlobRef][] {
  const named: [string, BlobRef | undefined][] = [
    ['the function', bundle],
    ['the function’s source map', bundleMap],
    ...Object.entries(models).map(([key, ref]): [string, BlobRef] => [
      entryOf(manifest.model, key as ModelKey)?.file ?? key,
      ref,
    ]),
    ...Object.entries(files).map(([key, ref]): [string, BlobRef] => [manifest.files[key] ?? key, ref]),
    ...Object.entries(probeInputs),
  ]
  return named.flatMap(([what, ref]) => (ref ? [[what, ref]] : []))
}

/** Bytes of all of its blobs, each counted once. */
export function sizeOf(draft: Draft): number {
  const sizes = new Map(blobsOf(draft).map(([, { sha256, sizeBytes }]) => [sha256, sizeBytes]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

/** Which of its models runs here, as far as it tells. */
export function keyOf({ manifest, models }: Draft, npu: NpuStatus | undefined): ModelKey {
  const wanted = npu?.isUsable && manifest.model.engine !== 'onnxruntime' ? keysFor(npu.chip) : []
  const keys = [...wanted, 'onnx', ...Object.keys(models)] as ModelKey[]
  return keys.find((key) => models[key]) ?? 'onnx'
}

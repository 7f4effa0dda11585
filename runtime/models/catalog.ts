import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from '#zod'
import { namesOfChips, type HailoArch } from '../manifest/manifest.ts'
import { publicUrl } from './fetch-error.ts'

const url = z.url({ protocol: /^https$/ })
const text = z.string().min(1)
const perChannel = z.union([z.number(), z.array(z.number()).length(3)])

/** What stands beside the file in a manifest's entry. */
const entryKeys = z.strictObject({
  mean: perChannel.optional(),
  std: perChannel.optional(),
  layout: z.enum(['nchw', 'nhwc']).optional(),
  channels: z.enum(['rgb', 'bgr']).optional(),
  decode: text.optional(),
})

const download = z.strictObject({
  url,
  /** Of the zip archive at `url`: the file in it. */
  member: text.optional(),
  /** Of the Hailo Model Zoo. */
  zoo: z
    .string()
    .regex(/^v\d+\.\d+\.\d+$/)
    .optional(),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  size: z.number().int().positive().optional(),
})

const fps = z.strictObject({ batch1: z.number().positive(), batch8: z.number().positive().optional() })
const chips = <Value extends z.ZodType>(value: Value) =>
  z.strictObject({ hailo8: value.optional(), hailo8l: value.optional(), hailo10h: value.optional() })

const model = z.strictObject({
  task: text,
  /** The function of this project whose manifest takes it; absent: none comes with Pellet. */
  function: text.optional(),
  licence: text,
  /** What it takes, as the zoo publishes it. */
  input: z
    .strictObject({
      height: z.number().int().positive(),
      width: z.number().int().positive(),
      channels: z.literal(3),
    })
    .optional(),
  /** How a picture comes to that size. */
  resize: text.optional(),
  /** Frames per second that the vendor states, see `fps_source`. Nothing here was measured by Pellet. */
  fps: chips(fps).optional(),
  onnx: download.optional(),
  hef: chips(download).optional(),
  /** Keys of the manifest's entries for these files. */
  manifest: z.strictObject({ onnx: entryKeys.optional(), hef: entryKeys.optional() }),
})

const licence = z.strictObject({ title: text, notice: text, url: url.optional() })

const catalog = z.strictObject({
  fps_source: text,
  licences: z.record(text, licence),
  models: z.record(z.string().regex(/^[a-z0-9][a-z0-9_.-]*$/), model),
})

export type Catalog = z.output<typeof catalog>
export type CatalogModel = z.output<typeof model>
export type CatalogFile = z.output<typeof download>
export type EntryKeys = z.output<typeof entryKeys>

/** `models/catalog.yaml` of this installation. */
export async function readCatalog(): Promise<Catalog> {
  return catalog.parse(parse(await readFile(new URL('../../../models/catalog.yaml', import.meta.url), 'utf8')))
}

/** Every file of a model, the one for the CPU first. */
export function filesOf({ onnx, hef = {} }: CatalogModel): { chip?: HailoArch; file: CatalogFile }[] {
  const forChips = namesOfChips.flatMap((chip) => (hef[chip] ? [{ chip, file: hef[chip] }] : []))
  return [...(onnx ? [{ file: onnx }] : []), ...forChips]
}

/** The model that a URL belongs to. */
export function modelAt({ models }: Catalog, at: string): CatalogModel | undefined {
  return Object.values(models).find((one) => filesOf(one).some(({ file }) => file.url === publicUrl(at)))
}

import { z } from '#zod'
import { defaults } from './defaults.ts'
import { key, mapping, oneOf, text, whenMapping, whole } from './fields.ts'
import { fileOfUrl, isModelPath, isTar, isUrl, isZip } from './paths.ts'

const pathExpected = 'a path under the models folder without "..", or an absolute path'
const urlExpected = 'a URL that begins with http:// or https://'
const entryExpected = 'a path, a URL, or a mapping with file or url'
const memberExpected = 'a URL of the file itself; or write { url, member }, with the file in the archive'
const tarExpected = 'a URL of the file itself, or of a .zip; or write { url, file } and unpack it there by hand'
const inArchive = 'the path of a file in the archive, without ".."'
const meanExpected = 'a number, or a list with one for each channel'
const stdExpected = 'a number other than 0, or a list with one for each channel'

export const modelPath = text(pathExpected).refine(isModelPath, { error: pathExpected })

const url = text(urlExpected).refine((value) => isUrl(value) && URL.canParse(value), { error: urlExpected })
const sha256 = text('a sha256 of 64 hex digits; put it in quotes', /^[0-9a-fA-F]{64}$/)
const mean = perChannel(meanExpected, z.number({ error: meanExpected }))
const std = perChannel(
  stdExpected,
  z.number({ error: stdExpected }).refine((value) => value !== 0, { error: stdExpected }),
)

const entryKeys = mapping(
  {
    name: key(text('a name'), 'The name that answers carry as `model`.', 'the file’s name without its ending'),
    file: key(
      modelPath,
      'Path of the model file, relative to the models folder, or absolute.',
      'the last segment of `url`, or of `member`; for `hef` in a folder named after the chip',
    ),
    url: key(url, 'Where `pellet pull` fetches the file from, or a zip archive that holds it; http or https.', 'none'),
    member: key(
      text(inArchive, /^(?!\/)(?!(?:.*\/)?\.{1,2}(?:\/|$)).*[^/]$/).refine(isModelPath, { error: inArchive }),
      'The file in the zip archive that `url` leads to: its path there, or the end of it.',
      'the archive’s one file that ends as `file` does',
    ),
    sha256: key(sha256, 'Digest that the file must have, 64 hex digits.', 'any'),
    layout: key(oneOf(['nchw', 'nhwc']), 'Order of an image input’s dimensions.', 'read from the input’s shape'),
    mean: key(
      mean,
      'Subtracted before the division by `std`, in units of the raw value (0 to 255 in pictures): a number, or one for each channel.',
      '0',
    ),
    std: key(
      std,
      'Divides what is left after `mean`, in units of the raw value: a number, or one for each channel; not 0.',
      '1',
    ),
    channels: key(oneOf(['rgb', 'bgr']), 'Order of the colour channels that the model takes.', 'rgb'),
    decode: key(
      text('a word that the function knows'),
      'How the function reads the outputs; the words are the function’s own.',
      'the function’s choice',
    ),
    license: key(
      text('a licence such as Apache-2.0'),
      'Licence of the weights, told wherever people are told to fetch the file.',
      'not told',
    ),
  },
  entryExpected,
)
  .refine((entry) => entry.file !== undefined || entry.url !== undefined, {
    error: 'file, url or both',
    when: whenMapping,
  })
  .refine((entry) => entry.member === undefined || entry.url !== undefined, {
    path: ['member'],
    error: 'url as well, of the archive that holds it',
    when: whenMapping,
  })
  .refine((entry) => entry.file !== undefined || entry.member !== undefined || namesFile(entry.url), {
    path: ['url'],
    error: 'a URL that ends in a file name; or give file as well',
    when: whenMapping,
  })
  .refine((entry) => hasFile(entry) || !isZip(entry.url ?? ''), {
    path: ['url'],
    error: memberExpected,
    when: whenMapping,
  })
  .refine((entry) => (hasFile(entry) && entry.member === undefined) || !isTar(String(entry.url)), {
    path: ['url'],
    error: tarExpected,
    when: whenMapping,
  })
  .refine((entry) => sameLength(entry.mean, entry.std), {
    path: ['std'],
    error: 'as many numbers as mean has, or one',
    when: whenMapping,
  })

export const modelEntry = z.union(
  [
    text(entryExpected)
      .refine((value) => isUrl(value) || isModelPath(value), { error: pathExpected })
      .refine((value) => namesFile(value), { error: 'a URL that ends in a file name; or write { url, file }' })
      .refine((value) => !isUrl(value) || !isZip(value), { error: memberExpected })
      .refine((value) => !isUrl(value) || !isTar(value), { error: tarExpected }),
    entryKeys,
  ],
  { error: entryExpected },
)

export const model = mapping(
  {
    engine: key(
      oneOf(['auto', 'hailort', 'onnxruntime']),
      'What runs the model. auto: the NPU where there is one and `hef` has its chip, else the CPU with `onnx`.',
      { value: defaults.engine },
    ),
    hef: key(
      mapping(
        { hailo8: chip('Hailo-8'), hailo8l: chip('Hailo-8L'), hailo10h: chip('Hailo-10H') },
        'an entry for each chip; write hef: { hailo8: file.hef }',
      ),
      'The model compiled for the NPU, an entry for each chip.',
      'none; then `onnx` is needed',
    ),
    batch: key(
      whole(0, 32),
      'Frames that the NPU takes at a time, of those that wait; more is faster where many wait. 0: HailoRT’s choice.',
      { value: defaults.batch },
    ),
    power_mode: key(
      oneOf(['performance', 'ultra_performance']),
      'Of the NPU, while this model runs; ultra_performance takes more power and is for boards that are cooled.',
      { value: defaults.power_mode },
    ),
    onnx: key(modelEntry, 'The model for the CPU: a path, a URL, or a mapping.', 'none; then `hef` is needed'),
  },
  'a mapping with hef, onnx or both; write model: { onnx: file.onnx }',
)

export type ModelEntryInput = z.input<typeof modelEntry>

// --- internal ---

function perChannel(expected: string, number: z.ZodNumber) {
  return z.union([number, z.array(number, { error: expected }).min(1, { error: expected })], { error: expected })
}

function chip(name: string) {
  return key(modelEntry, `The model for ${name}: a path, a URL, or a mapping.`, 'none')
}

/** Whether a URL says which file it downloads to. What is no URL is not judged here. */
function namesFile(value: unknown): boolean {
  return typeof value !== 'string' || !isUrl(value) || fileOfUrl(value) !== undefined
}

/** What is no URL is not judged here. */
function hasFile({ file, url, member }: { file?: unknown; url?: unknown; member?: unknown }): boolean {
  return file !== undefined || member !== undefined || typeof url !== 'string'
}

function sameLength(mean: unknown, std: unknown): boolean {
  if (!Array.isArray(mean) || !Array.isArray(std)) return true
  return mean.length === 1 || std.length === 1 || mean.length === std.length
}

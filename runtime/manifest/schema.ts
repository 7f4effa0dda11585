import { z } from 'zod'
import { formatBytes, maxDurationMs } from '../units.ts'
import { defaults } from './defaults.ts'
import { bytes, count, duration, flag, jsonMap, mapping, namedMap, oneOf, text, whole } from './fields.ts'
import { fileOfUrl, isModelPath, isReservedPath, isUrl, namePattern, reservedPaths, routePattern } from './paths.ts'

/**
 * What people write in `manifests/*.yaml` and in a function file's `manifest`. It only checks: shorthands, units and
 * defaults are `normalizeManifest`'s, so what goes in comes out. Descriptions and defaults reach editors by
 * `manifests/schema.json`.
 */

const stepName = /^[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*$/
const stepExpected =
  'a step: its name, or its name with options, e.g. image.letterbox or { image.letterbox: { fill: 0 } }'
const filePath = 'a path under the models folder without "..", or an absolute path'

const step = z
  .union(
    [
      text(stepExpected, stepName),
      namedMap(
        stepName,
        'a step name such as image.decode',
        z.nullable(jsonMap('the step’s options, e.g. { top: 5 }')),
        stepExpected,
      )
        .refine((value) => Object.keys(value).length === 1, {
          error: 'one step name with its options; indent the options below the name, or begin the next step with "- "',
        })
        .meta({ minProperties: 1, maxProperties: 1 }),
    ],
    { error: stepExpected },
  )
  .meta({ description: 'A step: its name, or { name: { options } }.' })

const stepList = z.array(step, { error: 'a list of steps, e.g. [image.decode, tensor]' })
const optionDefaults = jsonMap('a mapping of option names to values, e.g. { top: 5 }')

const perChannel = (expected: string, number: z.ZodNumber) =>
  z.union([number, z.array(number, { error: expected }).min(1, { error: expected })], { error: expected })
const meanExpected = 'a number, or a list with one for each channel'
const stdExpected = 'a number other than 0, or a list with one for each channel'
const nonZero = z.number({ error: stdExpected }).refine((value) => value !== 0, { error: stdExpected })

const url = text('a URL that begins with http:// or https://').refine((value) => isUrl(value) && URL.canParse(value), {
  error: 'a URL that begins with http:// or https://',
})
const file = text(filePath).refine(isModelPath, { error: filePath })
const sha256 = text('a sha256 of 64 hex digits; put it in quotes', /^[0-9a-fA-F]{64}$/)

const entryObject = mapping(
  {
    name: text('a name')
      .optional()
      .meta({ description: 'The name that answers carry as `model`. Default: the file name without its ending.' }),
    file: file.optional().meta({
      description:
        'Path of the model file, relative to the models folder, or absolute. Default: the last segment of `url`.',
    }),
    url: url.optional().meta({ description: 'Where `pellet pull` fetches the file; http or https. No default.' }),
    sha256: sha256.optional().meta({
      description:
        'Digest that the file must have: 64 hex digits. Default: not checked; a fetched file is pinned to its first digest.',
    }),
    layout: oneOf(['nchw', 'nhwc'])
      .optional()
      .meta({ description: 'Order of an image input’s dimensions. Default: read from the input’s shape.' }),
    mean: perChannel(meanExpected, z.number({ error: meanExpected }))
      .optional()
      .meta({
        description:
          'Subtracted before the division by `std`, in units of the raw value (0-255 for pictures): one number, or one for each channel. Default: nothing is subtracted.',
      }),
    std: perChannel(stdExpected, nonZero as unknown as z.ZodNumber)
      .optional()
      .meta({
        description:
          'Divides after `mean` was subtracted, in units of the raw value: one number, or one for each channel; not 0. Default: no division.',
      }),
    channels: oneOf(['rgb', 'bgr'])
      .optional()
      .meta({ description: 'Order of the colour channels that the model takes. Default: rgb.' }),
    decode: text('a word that the function knows').optional().meta({
      description:
        'How the function reads the outputs; the words are the function’s own. Default: the function decides.',
    }),
  },
  'a path, a URL, or a mapping with file or url',
)
  .refine((entry) => entry.file !== undefined || entry.url !== undefined, {
    error: 'file, url or both',
    when: whenMapping,
  })
  .refine(
    (entry) =>
      entry.file !== undefined ||
      typeof entry.url !== 'string' ||
      !isUrl(entry.url) ||
      fileOfUrl(entry.url) !== undefined,
    {
      path: ['url'],
      error: 'a URL that ends in a file name; or give file as well',
      when: whenMapping,
    },
  )
  .refine(
    ({ mean, std }) =>
      !Array.isArray(mean) ||
      !Array.isArray(std) ||
      mean.length === 1 ||
      std.length === 1 ||
      mean.length === std.length,
    {
      path: ['std'],
      error: 'as many numbers as mean has, or one',
      when: whenMapping,
    },
  )

const entryExpected = 'a path, a URL, or a mapping with file or url'
const modelEntry = z.union(
  [
    text(entryExpected)
      .refine((value) => isUrl(value) || isModelPath(value), { error: filePath })
      .refine((value) => !isUrl(value) || fileOfUrl(value) !== undefined, {
        error: 'a URL that ends in a file name; or write { url, file }',
      }),
    entryObject,
  ],
  { error: entryExpected },
)

const hef = (chip: string) =>
  modelEntry.optional().meta({ description: `The model for ${chip}: a path, a URL, or a mapping. No default.` })

const model = mapping(
  {
    engine: oneOf(['auto', 'hailort', 'onnxruntime']).optional().meta({
      description:
        'What runs the model. auto: the NPU where there is one and `hef` has its chip, else the CPU by `onnx`. Default: auto.',
      default: defaults.engine,
    }),
    hef: mapping(
      { hailo8: hef('Hailo-8'), hailo8l: hef('Hailo-8L'), hailo10h: hef('Hailo-10H') },
      'one entry for each chip; write hef: { hailo8: ... }',
    )
      .optional()
      .meta({ description: 'The model compiled for the NPU, one for each chip. No default.' }),
    onnx: modelEntry
      .optional()
      .meta({ description: 'The model for the CPU: a path, a URL, or a mapping. No default.' }),
  },
  'a mapping with hef, onnx or both; write model: { onnx: file.onnx }',
)

const routeExpected =
  'a method and a path such as "POST /v1/detect": letters, digits and -._~, no parameters, no slash at the end'
const reservedExpected = `a path that is not Pellet’s own (${reservedPaths})`
const unreserved = (value: string) => !routePattern.test(value) || !isReservedPath(value.slice(value.indexOf(' ') + 1))
const routeName = text(routeExpected, routePattern).refine(unreserved, { error: reservedExpected })

const routeEntry = z.union(
  [
    stepList,
    mapping(
      {
        pre: stepList
          .optional()
          .meta({ description: 'Steps before the model, for this route. Default: the manifest’s `pre`.' }),
        post: stepList
          .optional()
          .meta({ description: 'Steps after the model, for this route. Default: the manifest’s `post`.' }),
        input: optionDefaults.optional().meta({
          description: 'Defaults for the function’s options on this route, over the manifest’s `input`. Default: none.',
        }),
      },
      'a list of post steps, or a mapping with pre, post and input',
    ),
  ],
  { error: 'a list of post steps, or a mapping with pre, post and input' },
)

const limits = mapping(
  {
    concurrency: whole(1, 1024).optional().meta({
      description: 'Requests inside the isolate at once; the engine still runs one at a time. Default: 4.',
      default: defaults.limits.concurrency,
    }),
    queue: mapping(
      {
        depth: whole(0).optional().meta({
          description: 'Requests that may wait for their turn. Default: 32.',
          default: defaults.limits.queue.depth,
        }),
        drop: oneOf(['newest', 'oldest']).optional().meta({
          description: 'Which request is refused when the queue is full; `oldest` suits camera loops. Default: newest.',
          default: defaults.limits.queue.drop,
        }),
      },
      'a mapping with depth and drop; write queue: { depth: 32 }',
    )
      .optional()
      .meta({ description: 'The queue before the isolate.' }),
    timeout: duration({ minMs: 1, maxMs: 86_400_000, forever: false }).optional().meta({
      description: 'From receive to respond, loading included; seconds, or with a unit (ms, s, m, h). Default: 30s.',
      default: defaults.limits.timeout,
    }),
    body: bytes(1).optional().meta({
      description: 'Largest request body; bytes, or with a unit (KB, MB, GB; powers of 1024). Default: 50MB.',
      default: defaults.limits.body,
    }),
    pixels: count(1).optional().meta({
      description: 'Largest picture, width times height; pixels, or with a unit (k, M; powers of 1000). Default: 50M.',
      default: defaults.limits.pixels,
    }),
    heap: bytes(minHeapBytes())
      .optional()
      .meta({
        description: `JavaScript heap of the isolate; bytes, or with a unit (powers of 1024), at least ${formatBytes(minHeapBytes())}. Default: 256MB.`,
        default: defaults.limits.heap,
      }),
    memory: bytes(minMemoryBytes())
      .optional()
      .meta({
        description: `Memory (PSS) above which an idle isolate is started anew; at twice that it is killed. Bytes, or with a unit (powers of 1024), at least ${formatBytes(minMemoryBytes())}. Default: 512MB.`,
        default: defaults.limits.memory,
      }),
    threads: whole(1, 256)
      .optional()
      .meta({ description: 'Threads of one inference on the CPU. Default: 1.', default: defaults.limits.threads }),
  },
  'a mapping with limits such as { concurrency: 4, timeout: 30s }',
)

const nameExpected = 'a name of lower-case letters, digits and inner dashes, at most 63'

export const manifestSchema = mapping(
  {
    name: text(nameExpected, namePattern).optional().meta({
      description:
        'Name of the deployment: lower-case letters, digits and inner dashes, at most 63. Default: the file’s name without its ending.',
    }),
    function: text('the name of a file in functions/ without its ending', /^[A-Za-z0-9_-]+$/)
      .optional()
      .meta({
        description:
          'Name of the file in `functions/`, without its ending. Default: `name`, where there is such a file; else built-in steps only.',
      }),
    model: model.optional().meta({ description: 'The model: `onnx`, `hef` or both.' }),
    files: namedMap(
      /^[A-Za-z_][A-Za-z0-9_-]*$/,
      'a name of letters, digits, _ and -',
      file,
      'a mapping of names to paths, e.g. { labels: labels.txt }',
    )
      .optional()
      .meta({
        description:
          'Further files that steps read, by name; paths relative to the models folder, or absolute. Default: none.',
      }),
    keep_alive: duration({ minMs: 0, maxMs: maxDurationMs, forever: true }).optional().meta({
      description:
        'How long the model stays loaded after its last request; seconds, or with a unit (ms, s, m, h, d). 0: at once. -1: for ever. Default: 5m.',
      default: defaults.keep_alive,
    }),
    preload: flag()
      .optional()
      .meta({ description: 'Load at start; Pellet is not ready before. Default: false.', default: defaults.preload }),
    pin: flag()
      .optional()
      .meta({ description: 'Never evicted and never idled out. Default: false.', default: defaults.pin }),
    priority: whole(0, 31).optional().meta({
      description: 'Order in which requests wait for the engine, 0 to 31, higher first. Default: 16.',
      default: defaults.priority,
    }),
    pre: stepList.optional().meta({ description: 'Steps from the request to the model’s inputs. Default: none.' }),
    post: stepList.optional().meta({ description: 'Steps from the model’s outputs to the answer. Default: none.' }),
    route: routeName.optional().meta({ description: 'The one route, "METHOD /path". Default: POST /v1/{name}.' }),
    routes: z
      .record(routeName, routeEntry, { error: 'a mapping of routes to steps, e.g. POST /v1/detect: [detections]' })
      .refine((value) => Object.keys(value).length > 0, { error: 'at least one route, or no routes key at all' })
      .optional()
      .meta({
        description:
          'Several routes: "METHOD /path" to a list of post steps, or to { pre, post, input }. Instead of `route`.',
      }),
    input: optionDefaults.optional().meta({
      description: 'Defaults for the function’s options; a request overrides them. Default: the function’s own.',
    }),
    errors: oneOf(['pellet', 'text', 'object', 'detail']).optional().meta({
      description: 'Shape of error answers that the clients of this deployment know. Default: pellet.',
      default: defaults.errors,
    }),
    limits: limits.optional().meta({ description: 'Bounds for requests and for the isolate.' }),
  },
  'a manifest: a mapping with keys such as name, model, pre and post',
)

/** What people write, by hand or in a function file; see `Manifest` for what becomes of it. */
export type ManifestInput = z.input<typeof manifestSchema>
export type ModelEntryInput = z.input<typeof modelEntry>
export type StepInput = z.input<typeof step>
export type RouteInput = z.input<typeof routeEntry>

// --- internal ---

/** Refinements over an entry's keys run although one of them is wrong, so that all errors are told at once. */
function whenMapping({ value }: { value: unknown }): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** V8 does not start well below this. */
function minHeapBytes(): number {
  return 32 * 1024 ** 2
}

/** An isolate with an empty model is about 60 MB. */
function minMemoryBytes(): number {
  return 64 * 1024 ** 2
}

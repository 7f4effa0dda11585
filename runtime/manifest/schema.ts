import { z } from '#zod'
import { formatBytes, maxDurationMs } from '../units.ts'
import { defaults } from './defaults.ts'
import { bytes, count, duration, flag, key, mapping, namedMap, oneOf, text, whole } from './fields.ts'
import { fileNamePattern, functionPattern, namePattern } from './paths.ts'
import { model, modelPath } from './schema-model.ts'
import { probe } from './schema-probe.ts'
import { statusMap } from './schema-status.ts'
import { inputDefaults, routeMap, routeName, stepList } from './schema-steps.ts'

export type { ModelEntryInput } from './schema-model.ts'
export type { ProbeInput } from './schema-probe.ts'
export type { StatusInput } from './schema-status.ts'
export type { RouteInput, StepInput } from './schema-steps.ts'

/** V8 does not start well below this. */
const minHeapBytes = 32 * 1024 ** 2
/** An isolate with a model of no size takes about 60 MB. */
const minMemoryBytes = 64 * 1024 ** 2

const queue = mapping(
  {
    depth: key(whole(0), 'Requests that may wait for their turn.', { value: defaults.limits.queue.depth }),
    drop: key(
      oneOf(['newest', 'oldest']),
      'Which request is refused when the queue is full; oldest for camera loops.',
      {
        value: defaults.limits.queue.drop,
      },
    ),
  },
  'a mapping with depth and drop; write queue: { depth: 32 }',
)

const limits = mapping(
  {
    concurrency: key(whole(1, 1024), 'Requests inside the isolate at once; the engine still runs one at a time.', {
      value: defaults.limits.concurrency,
    }),
    queue: key(queue, 'The queue before the isolate.', 'that of its keys'),
    timeout: key(
      duration({ minMs: 1, maxMs: 86_400_000, forever: false }),
      'From receive to respond, loading included. Seconds, or with a unit: ms, s, m, h, d; at most a day.',
      { value: defaults.limits.timeout },
    ),
    body: key(bytes(1), 'Largest request body. Bytes, or with a unit: KB, MB, GB (powers of 1024).', {
      value: defaults.limits.body,
    }),
    pixels: key(count(), 'Largest picture, width times height. Pixels, or with a unit: k, M, G (powers of 1000).', {
      value: defaults.limits.pixels,
    }),
    heap: key(
      bytes(minHeapBytes),
      `JavaScript heap of the isolate. Bytes, or with a unit: MB, GB (powers of 1024); at least ${formatBytes(minHeapBytes)}.`,
      { value: defaults.limits.heap },
    ),
    memory: key(
      bytes(minMemoryBytes),
      `Memory (PSS) above which an isolate takes no new requests and ends when idle; at twice that it is killed. Bytes, or with a unit: MB, GB (powers of 1024); at least ${formatBytes(minMemoryBytes)}.`,
      { value: defaults.limits.memory },
    ),
    threads: key(whole(1, 256), 'Threads of one inference on the CPU.', { value: defaults.limits.threads }),
  },
  'a mapping with limits such as { concurrency: 4, timeout: 30s }',
)

const cacheExpected = 'a mapping such as { ttl: 10m, max: 64MB }, true, or false'
const cache = z.union(
  [
    flag(),
    mapping(
      {
        ttl: key(
          duration({ minMs: 1, maxMs: maxDurationMs, forever: false }),
          'How long an answer is kept. Seconds, or with a unit: ms, s, m, h, d.',
          { value: defaults.cache.ttl },
        ),
        max: key(bytes(1), 'All kept answers together. Bytes, or with a unit: KB, MB, GB (powers of 1024).', {
          value: defaults.cache.max,
        }),
      },
      cacheExpected,
    ),
  ],
  { error: cacheExpected },
)

const portExpected = 'a port from 1 to 65535, or a list of such'
const port = z.int({ error: portExpected }).min(1, { error: portExpected }).max(65_535, { error: portExpected })
const ports = z.union(
  [
    port,
    z
      .array(port, { error: portExpected })
      .refine((list) => new Set(list).size === list.length, { error: 'each port once' })
      .meta({ uniqueItems: true }),
  ],
  { error: portExpected },
)

/**
 * What people write in `manifests/*.yaml` and in a function file's `manifest`. It only checks: shorthands, units and
 * defaults are `normalizeManifest`'s, so what goes in comes out. Descriptions and defaults reach editors by
 * `manifests/schema.json`.
 */
export const manifestSchema = mapping(
  {
    name: key(
      text('a name of lower-case letters, digits and inner dashes, at most 63', namePattern),
      'Name of the deployment: lower-case letters, digits and inner dashes, at most 63.',
      'the file’s name without its ending',
    ),
    function: key(
      text('the name of a file in functions/ without its ending', functionPattern),
      'Name of a file in `functions/`, without its ending.',
      '`name` where there is such a file, else built-in steps only',
    ),
    model: key(model, 'The model: `onnx`, `hef` or both.', 'the function file’s; one is needed'),
    files: key(
      namedMap(
        fileNamePattern,
        'a name of letters, digits, _ and -',
        modelPath,
        'a mapping of names to paths such as { labels: labels.txt }',
      ),
      'Further files that steps read, by name; paths relative to the models folder, or absolute.',
      'none',
    ),
    keep_alive: key(
      duration({ minMs: 0, maxMs: maxDurationMs, forever: true }),
      'How long the model stays loaded after its last request. Seconds, or with a unit: ms, s, m, h, d. 0: not at all. -1: for ever.',
      { value: defaults.keep_alive },
    ),
    preload: key(flag(), 'Load at start; Pellet is not ready before.', { value: defaults.preload }),
    pin: key(flag(), 'Never evicted and never idled out.', { value: defaults.pin }),
    priority: key(whole(0, 31), 'Which waits less for the engine: 0 to 31, higher first.', {
      value: defaults.priority,
    }),
    pre: key(stepList, 'Steps from the request to the model’s inputs.', 'none'),
    post: key(stepList, 'Steps from the model’s outputs to the answer.', 'none'),
    route: key(routeName, 'The route, "METHOD /path". Instead of `routes`.', 'POST /v1/{name}'),
    routes: key(
      routeMap,
      'Several routes: "METHOD /path" to a list of post steps, or to { pre, post, input }. Instead of `route`.',
      '`route`',
    ),
    input: key(inputDefaults, 'Defaults for the function’s options; a request overrides them.', 'the function’s own'),
    errors: key(
      oneOf(['pellet', 'text', 'object', 'detail', 'deepstack']),
      'Shape of error answers that its clients know.',
      {
        value: defaults.errors,
      },
    ),
    status: key(
      statusMap,
      'Routes answered without an isolate, "GET /path" to a body or a list of cases: on the deployment’s own ports, and under /f/{name} on the main one.',
      'none',
    ),
    listen: key(ports, 'Ports on which the deployment is alone: a number from 1 to 65535, or a list.', 'none'),
    limits: key(limits, 'Bounds for requests and for the isolate.', 'those of its keys'),
    cache: key(
      cache,
      'Keeps answers, and gives them again to equal requests: { ttl, max }, or true for their defaults.',
      'nothing is kept',
    ),
    probe: key(
      probe,
      'Requests that a new revision must answer well before it goes live: a mapping, or a list of such.',
      'one run of the model',
    ),
  },
  'a manifest: a mapping with keys such as name, model, pre and post',
)

/** What people write, by hand or in a function file; see `Manifest` for what becomes of it. */
export type ManifestInput = z.input<typeof manifestSchema>

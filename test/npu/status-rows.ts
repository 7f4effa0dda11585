import type { HailoChip } from '../../ffi/hef/arch.ts'
import type { ErrorCode } from '../../runtime/errors.ts'
import type { SimSettings } from '../support/sim.ts'

/** A status of HailoRT in its situation, and what a caller is told. */
export interface StatusRow {
  what: string
  chip: HailoChip
  /** When it happens: at the first request, whose model is to be loaded; at the next one; while that is on the chip; after it. */
  at: 'load' | 'loaded' | 'flying' | 'unload'
  /** How the simulated device is brought to it. */
  sim: SimSettings
  /** Absent: the caller notices nothing. */
  code?: ErrorCode
  /** In the caller's sentence. */
  says?: RegExp
}

/** What the real libraries answered, each situation once; without those that only a program could meet which uses them wrongly. */
export const statusRows: StatusRow[] = [
  load('no device: 74', { device: 'absent' }, 'device_unavailable', /no NPU is free: .*74\); `pellet doctor` tells/),
  load('another program has it: 74', { device: 'busy' }, 'device_unavailable', /or another program holds it/),
  load(
    'the same with an id: 73',
    { 'fail.open': 73 },
    'device_unavailable',
    /another program holds the NPU .*73\); end/,
  ),
  load('an id that is not there: 2', { 'fail.open': 2 }, 'device_unavailable', /there is no NPU of that id .*`device`/),
  load('no driver: 64', { 'fail.open': 64 }, 'device_unavailable', /driver is not loaded .*modprobe hailo_pci/),
  load(
    'driver of another version: 76',
    { 'fail.open': 76 },
    'device_unavailable',
    /different versions .*of one version/,
  ),
  load('another family of chips: 79', { 'fail.open': 79 }, 'device_unavailable', /does not serve .*hailo-all/),
  load('the device does not answer: 36', { 'fail.open': 36 }, 'device_unavailable', /driver cannot reach the NPU .*36/),
  load('opening takes too long, once: 4', { 'fail.open': '4:1' }),
  load('opening always takes too long: 4', { 'fail.open': 4 }, 'device_failed', /did not open in time .*4\)/),

  load('memory of the chip: 71', { memory_bytes: 1 }, 'out_of_memory', /chip’s memory is full .*71\); unload another/),
  load('too many configured: 6', { 'fail.configure': 6 }, 'out_of_memory', /no more models can be configured .*6\)/),
  load('memory of the machine: 3', { 'fail.configure': 3 }, 'out_of_memory', /this machine has no memory left/),
  load('contiguous memory: 81', { 'fail.configure': 81 }, 'out_of_memory', /no contiguous memory left/),
  load('descriptors: 47', { 'fail.configure': 47 }, 'out_of_memory', /no descriptors left .*page size/),
  load('a batch that is too large: 2', { 'fail.configure': 2 }, 'load_failed', /cannot be had with this batch/),
  load('a file that is not there: 13', { 'fail.load': 13 }, 'load_failed', /cannot be opened/),
  load('a file that is no file: 14', { 'fail.load': 14 }, 'load_failed', /cannot be read to its end/),
  load('a HEF that contradicts itself: 26', { 'fail.load': 26 }, 'load_failed', /contradicts itself/),
  load('a damaged HEF: 91', { 'fail.load': 91 }, 'load_failed', /cut off or damaged .*91\); get it anew/),
  load(
    'an unknown extension: 92',
    { 'fail.load': 92 },
    'load_failed',
    /does not take the HEF .*this version of HailoRT/,
  ),
  load('a HEF for another chip: 93', { 'fail.configure': 93 }, 'load_failed', /for another chip .*under `hef`/),
  load('the firmware refuses: 18', { 'fail.configure': 18 }, 'device_failed', /firmware refused to configure/),
  load('page size: 8', { 'fail.configure': 8 }, 'device_failed', /could not configure .*page size of PCIe/),
  load('lost while it is loaded: 36', { 'fail.configure': 36 }, 'device_failed', /driver refuses: the NPU no longer/),
  load('configuring takes too long, once: 4', { 'fail.configure': '4:1' }),
  load('a priority that is refused: 2', { 'fail.priority': '2:1' }),
  load('a priority that takes too long: 4', { 'fail.priority': '4:1' }),

  loaded('a frame that fails: 63', { 'fail.frame': '63:1' }, 'device_failed', /shut down, or the NPU stopped .*63/),
  loaded('a frame that the chip refuses: 18', { 'fail.frame': '18:1' }, 'device_failed', /the firmware refused .*18/),
  loaded('a model that is broken: 63', { 'fail.start': '63:1' }, 'device_failed', /63/),
  loaded(
    'a queue that is full for the moment: 82',
    { 'fail.start': '82:1' },
    'device_failed',
    /as many frames .*82\); try again/,
  ),
  loaded('the chip stands still: 4', { stall: 1 }, 'device_failed', /did not answer within 300 ms/),
  loaded('lost while nothing is under way: 72', { device: 'lost' }, 'device_failed', /no longer/),
  {
    ...loaded(
      'lost with a frame on the chip: no answer at all',
      { device: 'lost', frame_us: 250_000 },
      'device_failed',
      /./,
    ),
    at: 'flying',
  },

  toRow('unload', 'frames that never come back: 4', { 'fail.unload': '4:1' }, []),
  toRow('unload', 'a device that cannot be closed: 36', { 'fail.close': '36:1' }, []),

  ...[
    toRow('unload', 'the connection is gone: 62', { 'fail.unload': '62:1' }, []),
    toRow('unload', 'a false timeout of close: 4', { 'false_timeout.close': 1 }, []),
    load('the server on the module refuses: 89', { device: 'lost' }, 'device_unavailable', /takes no connection .*89/),
    load('held in another group: 73', { 'fail.open': 73 }, 'device_unavailable', /another program holds the NPU/),
    load('away for the moment: 97', { 'fail.open': 97 }, 'device_unavailable', /away for the moment .*97\); try again/),
    load('not connected: 96', { 'fail.open': 96 }, 'device_unavailable', /is not connected/),
    load('a false timeout of open: 4', { 'false_timeout.open': 1 }),
    load('a false timeout of configure: 4', { 'false_timeout.configure': 1 }),
    load(
      'the connection goes while it is loaded: 62',
      { 'fail.configure': 62 },
      'device_failed',
      /connection to the NPU/,
    ),
    loaded('a frame that was given up: 95', { 'fail.frame': '95:1' }, 'device_failed', /it was given up .*95/),
    {
      ...loaded(
        'the connection goes with a frame on the chip: 62',
        { device: 'lost', frame_us: 250_000 },
        'device_failed',
        /62/,
      ),
      at: 'flying' as const,
    },
  ].map((row): StatusRow => ({ ...row, chip: 'hailo10h' })),
]

// --- internal ---

type Told = [code?: ErrorCode, says?: RegExp]

function load(what: string, sim: SimSettings, ...told: Told): StatusRow {
  return toRow('load', what, sim, told)
}

function loaded(what: string, sim: SimSettings, ...told: Told): StatusRow {
  return toRow('loaded', what, sim, told)
}

function toRow(at: StatusRow['at'], what: string, sim: SimSettings, [code, says]: Told): StatusRow {
  return { what, chip: 'hailo8', at, sim, ...(code && { code }), ...(says && { says }) }
}

import { createRequire } from 'node:module'
import { toSlow, type Slow } from '../slow.ts'

/** A handle of the library, as koffi gives it. */
export type Handle = bigint

/** The functions of `pellet_npu.h`. Nothing outside `ffi/` sees them. */
export interface NpuLibrary {
  kind(): string
  version(out: Uint32Array): number
  lastError(): string | null
  open: Slow<[id: string | null, group: string | null, out: BigUint64Array, err: Buffer, errBytes: number]>
  identify: Slow<[device: Handle, json: Buffer, bytes: number, err: Buffer, errBytes: number]>
  fd(device: Handle): number
  close: Slow<[device: Handle, err: Buffer, errBytes: number]>
  abandon(device: Handle): number
  load: Slow<
    [
      device: Handle,
      hef: Uint8Array,
      hefBytes: number,
      network: string | null,
      inType: number,
      outType: number,
      batch: number,
      power: number,
      depth: number,
      flags: number,
      out: BigUint64Array,
      err: Buffer,
      errBytes: number,
    ]
  >
  info(model: Handle): string
  slotMemory(model: Handle, slot: number): Handle | null
  acquire(model: Handle, slot: Uint32Array): number
  release(model: Handle, slot: number): number
  start(model: Handle, slot: number, user: number, ticket: BigUint64Array): number
  take(model: Handle, ticket: bigint, into: Uint8Array, bytes: number): number
  orphan(model: Handle, ticket: bigint): number
  flying(model: Handle): number
  broken(model: Handle): number
  priority: Slow<[model: Handle, priority: number, err: Buffer, errBytes: number]>
  unload: Slow<[model: Handle, drainMs: number, err: Buffer, errBytes: number]>
  /** The memory there, not copied. */
  view(address: Handle, bytes: number): ArrayBuffer
}

/** @throws Error where the file is no library with these functions, or one that it needs is not there */
export function loadLibrary(file: string): NpuLibrary {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const library = koffi.load(file)
  const quick = (prototype: string) => library.func(prototype) as never
  const abi = (quick('uint32_t pn_abi(void)') as () => number)()
  if (abi !== wantedAbi)
    throw new Error(
      `expected interface ${wantedAbi} of pellet_npu.h, found ${abi}: remove the file, it is compiled anew`,
    )
  const slow = (prototype: string) => toSlow(library.func(prototype)) as never
  return {
    kind: quick('const char *pn_kind(void)'),
    version: quick('uint32_t pn_version(void *out3)'),
    lastError: quick('const char *pn_last_error(void)'),
    open: slow('uint32_t pn_open(const char *id, const char *group, void *out, void *err, size_t err_cap)'),
    identify: slow('uint32_t pn_identify(void *dev, void *json, size_t cap, void *err, size_t err_cap)'),
    fd: quick('int32_t pn_fd(void *dev)'),
    close: slow('uint32_t pn_close(void *dev, void *err, size_t err_cap)'),
    abandon: quick('uint32_t pn_abandon(void *dev)'),
    load: slow(
      'uint32_t pn_load(void *dev, const void *hef, size_t hef_bytes, const char *network, uint32_t in_type, uint32_t out_type, ' +
        'uint32_t batch, uint32_t power, uint32_t depth, uint32_t flags, void *out, void *err, size_t err_cap)',
    ),
    info: quick('const char *pn_info(void *model)'),
    slotMemory: quick('void *pn_slot_memory(void *model, uint32_t slot)'),
    acquire: quick('uint32_t pn_acquire(void *model, void *slot)'),
    release: quick('uint32_t pn_release(void *model, uint32_t slot)'),
    start: quick('uint32_t pn_start(void *model, uint32_t slot, uint64_t user, void *ticket)'),
    take: quick('uint32_t pn_take(void *model, uint64_t ticket, void *out, size_t cap)'),
    orphan: quick('uint32_t pn_orphan(void *model, uint64_t ticket)'),
    flying: quick('uint32_t pn_flying(void *model)'),
    broken: quick('uint32_t pn_broken(void *model)'),
    priority: slow('uint32_t pn_priority(void *model, uint32_t priority, void *err, size_t err_cap)'),
    unload: slow('uint32_t pn_unload(void *model, uint32_t drain_ms, void *err, size_t err_cap)'),
    view: (address, bytes) => koffi.view(address, bytes),
  }
}

/** Room for the text of a slow call that fails. */
export const errorBytes = 512

/** The C string that is in a buffer. */
export function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
}

// --- internal ---

/** PN_ABI of pellet_npu.h. */
const wantedAbi = 1

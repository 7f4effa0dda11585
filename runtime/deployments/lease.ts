import type { PelletError } from '../errors.ts'
import type { Isolate } from '../isolate/isolate.ts'

/** A request's hold on an isolate. */
export interface Lease {
  /** Its number, for calls that the request makes. */
  request: number
  isolate: Isolate
  /** How long the request waited, in milliseconds: for a place, and for the model to be loaded. */
  queueMs: number
  loadMs: number
  /**
   * Gives the place back; safe to call twice. `ok`: the isolate answered, whatever it said. Otherwise the connection
   * broke, most likely because the isolate ended: until that is certain it gets no other request.
   */
  release(ok: boolean): void
  /** The deadline passed: finds out whether the isolate still works, gives the place back or has it ended. */
  overdue(exchange: string): void
  /** The caller left: the place is given back when the request's steps have ended, as after the deadline at the latest. */
  abandon(exchange: string): void
  /** The connection broke: finds out why, gives the place back, and resolves with what to tell the caller. */
  lost(reason: string): Promise<PelletError>
}

/** Who asked for a place. */
export interface LeaseReceiver {
  grant(lease: Lease): void
  refuse(error: PelletError): void
}

export interface AcquireOptions {
  /** From now. */
  timeoutMs: number
  /** From `X-Keep-Alive`. */
  keepAliveMs?: number
  /** The request, by the number of its lease, that this one is called for. */
  parent?: number
}

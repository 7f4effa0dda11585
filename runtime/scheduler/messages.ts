import type { Isolate, Request } from './state.ts'
import type { Terms } from './types.ts'

/** The texts that callers and the log meet: what was asked, what was found, what to do. */

export function notFound(name: string): string {
  return `There is no deployment ${name}: see "pellet list" for those there are.`
}

export function stopping(): string {
  return 'Pellet is shutting down and takes no new requests: try again when it is back.'
}

export function queueFull(terms: Terms, outstanding: number): string {
  return (
    `${terms.name} has ${count(outstanding, 'request')} in work or waiting, as many as limits.concurrency (${terms.concurrency}) and ` +
    `limits.queue.depth (${terms.queue.depth}) allow: try again later, or send fewer at once.`
  )
}

export function dropped(terms: Terms): string {
  return (
    `A newer request took the place of this one: the queue of ${terms.name} holds ${terms.queue.depth} ` +
    `(limits.queue.depth) and drops the oldest (limits.queue.drop).`
  )
}

export function tooLate(request: Request, now: number): string {
  const waited = Math.round(now - request.arrivedAt)
  return (
    `The request waited ${waited} ms for ${request.deployment.terms.name} and did not start before its deadline ` +
    `(limits.timeout): try again when less is going on, or allow it more time.`
  )
}

export function backingOff(name: string, message: string, retryAfterMs: number): string {
  return `${message} ${name} is tried again in ${seconds(retryAfterMs)}.`
}

export function loadFailed(name: string, message: string): string {
  return `${name} could not be loaded: ${sentence(withoutName(name, message))}`
}

export function crashed(name: string, message: string, crashesInRow: number): string {
  return `${name} ended ${crashesInRow} times in a row without serving a request: ${sentence(message)}`
}

export function neverFits(terms: Terms, sizeBytes: number, pinnedBytes: number, budgetBytes: number): string {
  return (
    `${terms.name} needs ${bytes(sizeBytes)}, and of the budget of ${bytes(budgetBytes)} ("memory") the pinned ` +
    `isolates hold ${bytes(pinnedBytes)}: raise the budget, or ${terms.isStaged ? 'unload' : 'take pin from'} one of those deployments.`
  )
}

export function neverTogether(terms: Terms, sizeBytes: number, held: Isolate[], budgetBytes: number): string {
  const others = held.map(({ deployment, sizeBytes: own }) => `${deployment.terms.name} ${bytes(own)}`).join(', ')
  const all = held.reduce((sum, isolate) => sum + isolate.sizeBytes, sizeBytes)
  return (
    `${terms.name} is called while ${others} cannot go, and needs ${bytes(sizeBytes)}: together ${bytes(all)}, ` +
    `and the budget is ${bytes(budgetBytes)} ("memory"): raise the budget, or take smaller models.`
  )
}

export function full(terms: Terms, others: Isolate[]): string {
  return `There is no room for ${terms.name} on ${place(terms)} beside ${names(others)}: it is tried again with one fewer.`
}

export function fullBeside(terms: Terms, held: Isolate[], message: string): string {
  return `${terms.name} is called while ${names(held)} cannot go, and ${place(terms)} has no room for it beside: ${sentence(withoutName(terms.name, message))}`
}

export function deadlocked(terms: Terms, sizeBytes: number): string {
  return (
    `${terms.name} needs ${bytes(sizeBytes)}, and all room is taken by deployments whose requests wait for each ` +
    `other's calls: try again, or raise the budget so that fewer must share it.`
  )
}

export function callerGone(name: string): string {
  return `The request that calls ${name} is over: its process has ended.`
}

export function oversized(terms: Terms, sizeBytes: number, budgetBytes: number): string {
  return (
    `${terms.name} is expected to need ${bytes(sizeBytes)}, more than the whole budget ` +
    `("memory", ${bytes(budgetBytes)}): it is tried with nothing else loaded.`
  )
}

export function overMemory(terms: Terms, sizeBytes: number, memoryBytes: number, isFatal: boolean): string {
  const what = isFatal
    ? 'more than twice its limits.memory, and is killed'
    : 'more than its limits.memory, and is recycled'
  return `The isolate of ${terms.name} holds ${bytes(sizeBytes)}, ${what} (${bytes(memoryBytes)}).`
}

export function evictedFor(terms: Terms, sizeBytes: number): string {
  return `Makes room for ${terms.name}, which needs ${bytes(sizeBytes)}.`
}

export function evictedFromFull(terms: Terms): string {
  return `Makes room for ${terms.name}, for which ${place(terms)} was full.`
}

export function outgrown(budgetBytes: number): string {
  return `What is loaded has outgrown the budget ("memory", ${bytes(budgetBytes)}).`
}

export function bytes(sizeBytes: number): string {
  const megabytes = sizeBytes / 1024 ** 2
  return `${megabytes < 10 ? Math.round(megabytes * 10) / 10 : Math.round(megabytes)} MB`
}

export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}

// --- internal ---

function place({ engine }: Terms): string {
  return engine === 'hailort' ? 'the NPU' : engine
}

function names(isolates: Isolate[]): string {
  return [...new Set(isolates.map(({ deployment }) => deployment.terms.name))].join(', ')
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`
}

/** Whoever serves many deployments begins with whose it is. */
function withoutName(name: string, message: string): string {
  return message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`
}

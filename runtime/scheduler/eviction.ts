/**
 * The eviction rule: who must go so that one more isolate fits, or what to wait for. Pure: it reads what is
 * resident and decides; the scheduler acts.
 *
 * - Idle isolates go first, those with the highest idle time / load time before the others: least recently used,
 *   weighted by what bringing them back would cost (the greedy-dual idea, without sizes).
 * - Never one that is busy, pinned, loading, or ready for less than `minResidencyMs`.
 * - Never one that is held: it ends only when a request that its own requests wait for got memory.
 * - Where an engine has said that it is full, isolates of that engine go, and no others for it.
 * - Only when the one that needs room is starving, busy isolates are closed too: lowest priority first, then the
 *   longest turn / load time. Each first gets a turn of at least `minResidencyMs` and its own load time.
 */

/** One living isolate, as the rule sees it. `leaving`: closed or being killed; its memory comes back by itself. */
export interface Resident {
  isolate: number
  engine: string
  state: 'loading' | 'idle' | 'busy' | 'leaving'
  isHeld: boolean
  sizeBytes: number
  /** What its load took. */
  loadMs: number
  /** Infinity while loading. */
  readyAt: number
  /** Time of the last release, or of becoming ready. */
  idleSince: number
  isPinned: boolean
  priority: number
}

export interface Demand {
  neededBytes: number
  engine: string
  /** The engine was full, whatever the numbers say: no more than so many others of it, pinned ones not counted. */
  beside: number
  /** It has waited long enough for busy isolates to be closed. */
  isStarving: boolean
  /** Already promised to others that come before it. */
  promisedBytes: number
}

export interface Rules {
  budgetBytes: number
  minResidencyMs: number
}

export type Verdict =
  /** It fits now. */
  | { act: 'load' }
  /** Room is made, or is on its way already: kill the idle victims, close the busy ones, keep what they leave for it. */
  | { act: 'claim'; victims: Resident[]; wakeAt: number }
  /** Not now. `wakeAt`: when an isolate's minimum residency passes, else Infinity: only an event changes it. */
  | { act: 'wait'; wakeAt: number }
  /** Earlier promises come first, and it has waited so long that nobody behind it may pass. */
  | { act: 'hold' }
  /** Not before chained requests got memory whose callers are in its way: these may pass, whatever was promised. */
  | { act: 'blocked' }
  /** What is pinned leaves too little for it. */
  | { act: 'never'; pinnedBytes: number }

export function roomFor(demand: Demand, residents: readonly Resident[], rules: Rules, now: number): Verdict {
  const { neededBytes, promisedBytes, isStarving } = demand
  const { budgetBytes } = rules
  const staying = residents.filter((resident) => resident.state !== 'leaving' || resident.isHeld)
  const pinnedBytes = bytesOf(staying.filter((resident) => resident.isPinned))
  if (pinnedBytes > 0 && pinnedBytes + neededBytes > budgetBytes) return { act: 'never', pinnedBytes }

  // Larger than the whole budget: predictions can be wrong, so it is tried, with the memory to itself.
  const isOversized = neededBytes > budgetBytes
  const maxRivals = isOversized ? 0 : demand.beside
  const isRival = (resident: Resident) =>
    (isOversized || resident.engine === demand.engine) && !(resident.isPinned && resident.state !== 'leaving')
  const rivals = residents.filter(isRival).length
  const stayingBytes = bytesOf(staying)
  const fits = isOversized
    ? promisedBytes === 0
    : bytesOf(residents) + neededBytes <= budgetBytes && stayingBytes + promisedBytes + neededBytes <= budgetBytes
  if (fits && rivals <= maxRivals) return { act: 'load' }

  const heldBytes = bytesOf(residents.filter((resident) => resident.isHeld && !resident.isPinned))
  const heldRivals = residents.filter((resident) => resident.isHeld && isRival(resident)).length
  if ((heldBytes > 0 && pinnedBytes + heldBytes + neededBytes > budgetBytes) || heldRivals > maxRivals)
    return { act: 'blocked' }

  if (isOversized ? promisedBytes > 0 : pinnedBytes + promisedBytes + neededBytes > budgetBytes)
    return isStarving ? { act: 'hold' } : { act: 'wait', wakeAt: Infinity }

  const missing: Missing = {
    bytes: isOversized ? 0 : stayingBytes + promisedBytes + neededBytes - budgetBytes,
    rivals: staying.filter(isRival).length - maxRivals,
    isRival,
  }
  const idle = staying.filter((resident) => resident.state === 'idle' && !resident.isPinned).sort(byIdleTime(now))
  const ripe = idle.filter((resident) => ripeAt(resident, rules) <= now)
  const victims = choose(ripe, missing)
  if (isEnough(victims, missing)) return { act: 'claim', victims, wakeAt: Infinity }

  if (!isStarving) {
    // Only worth waking up for where the young ones, once of age, are enough.
    const isWorthIt = isEnough(choose(idle, missing), missing)
    return { act: 'wait', wakeAt: isWorthIt ? earliest(idle, rules, now) : Infinity }
  }
  const busy = staying.filter(isClosable).sort(byPriority(now))
  const closing = choose([...ripe, ...busy.filter((resident) => ripeAt(resident, rules) <= now)], missing)
  const wakeAt = isEnough(closing, missing) ? Infinity : earliest([...idle, ...busy], rules, now)
  return { act: 'claim', victims: closing, wakeAt }
}

/** Idle isolates to evict where those that stay have outgrown the budget; none where only one is left. */
export function overgrown(residents: readonly Resident[], rules: Rules, now: number): Resident[] {
  const staying = residents.filter((resident) => resident.state !== 'leaving')
  const excessBytes = bytesOf(staying) - rules.budgetBytes
  if (excessBytes <= 0 || staying.length < 2) return []
  const ripe = staying.filter(
    (resident) => resident.state === 'idle' && !resident.isPinned && ripeAt(resident, rules) <= now,
  )
  const victims = fewest(ripe.sort(byIdleTime(now)), excessBytes)
  return victims.length === staying.length ? victims.slice(0, -1) : victims
}

// --- internal ---

function bytesOf(residents: readonly Resident[]): number {
  let bytes = 0
  for (const resident of residents) bytes += resident.sizeBytes
  return bytes
}

/** What must go still; none where it is 0 or less. */
interface Missing {
  bytes: number
  /** Of those whom `isRival` names, so many, whatever their size. */
  rivals: number
  isRival: (resident: Resident) => boolean
}

function choose(ordered: readonly Resident[], { bytes, rivals, isRival }: Missing): Resident[] {
  const first = ordered.filter(isRival).slice(0, Math.max(0, rivals))
  const others = ordered.filter((resident) => !first.includes(resident))
  return [...first, ...fewest(others, bytes - bytesOf(first))]
}

function isEnough(victims: readonly Resident[], { bytes, rivals, isRival }: Missing): boolean {
  return bytesOf(victims) >= bytes && victims.filter(isRival).length >= rivals
}

/**
 * From the front until it is enough (all, where it never is), then those spared, least deserving last, that a later
 * and larger one has made superfluous.
 */
function fewest(ordered: readonly Resident[], missingBytes: number): Resident[] {
  const taken: Resident[] = []
  let bytes = 0
  for (const resident of ordered) {
    if (bytes >= missingBytes) break
    taken.push(resident)
    bytes += resident.sizeBytes
  }
  for (let at = taken.length - 1; at >= 0; at--) {
    const sizeBytes = taken[at]!.sizeBytes
    if (bytes - sizeBytes < missingBytes) continue
    bytes -= sizeBytes
    taken.splice(at, 1)
  }
  return taken
}

function byIdleTime(now: number): (a: Resident, b: Resident) => number {
  return (a, b) => score(now - b.idleSince, b) - score(now - a.idleSince, a) || a.isolate - b.isolate
}

function byPriority(now: number): (a: Resident, b: Resident) => number {
  return (a, b) =>
    a.priority - b.priority || score(now - b.readyAt, b) - score(now - a.readyAt, a) || a.isolate - b.isolate
}

function score(ms: number, resident: Resident): number {
  return ms / Math.max(1, resident.loadMs)
}

function isClosable(resident: Resident): boolean {
  return resident.state === 'busy' && !resident.isPinned && !resident.isHeld
}

/** When it may go. A busy one has then served for as long as its load took, so that half of the time is work. */
function ripeAt(resident: Resident, rules: Rules): number {
  const turnMs = resident.state === 'busy' ? Math.max(rules.minResidencyMs, resident.loadMs) : rules.minResidencyMs
  return resident.readyAt + turnMs
}

function earliest(residents: readonly Resident[], rules: Rules, now: number): number {
  let at = Infinity
  for (const resident of residents) {
    const ripe = ripeAt(resident, rules)
    if (ripe > now && ripe < at) at = ripe
  }
  return at
}

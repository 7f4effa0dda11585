/** One who wants an answer that is perhaps being made already. */
export interface Passenger<Result> {
  /** It is for him to make it, and to say `land`, `leave` or `disband`. Called at once where nobody else makes it. */
  lead(): void
  /** Another has made it. */
  land(result: Result): void
}

/**
 * Single flight: of all who want the same answer at the same time one makes it, and the others wait. Where he fails or
 * goes, the next takes his place. Pure.
 */
export class Flights<Result> {
  /** By key; the first leads. */
  readonly #flights = new Map<string, Passenger<Result>[]>()

  join(key: string, passenger: Passenger<Result>): void {
    const flight = this.#flights.get(key)
    if (flight) return void flight.push(passenger)
    this.#flights.set(key, [passenger])
    passenger.lead()
  }

  /** He does not want it any more, or cannot make it. */
  leave(key: string, passenger: Passenger<Result>): void {
    const flight = this.#flights.get(key) ?? []
    const at = flight.indexOf(passenger)
    if (at === -1) return
    flight.splice(at, 1)
    if (flight.length === 0) this.#flights.delete(key)
    else if (at === 0) flight[0]!.lead()
  }

  /** The leader has made it. */
  land(key: string, leader: Passenger<Result>, result: Result): void {
    for (const passenger of this.#end(key, leader)) passenger.land(result)
  }

  /** The leader's answer is for nobody else: everybody makes his own. */
  disband(key: string, leader: Passenger<Result>): void {
    for (const passenger of this.#end(key, leader)) passenger.lead()
  }

  // --- internal ---

  #end(key: string, leader: Passenger<Result>): Passenger<Result>[] {
    const [first, ...others] = this.#flights.get(key) ?? []
    if (first !== leader) return []
    this.#flights.delete(key)
    return others
  }
}

/** What a thing needs to stand in a queue; the queue alone writes `previous` and `next`. */
export interface Link<T> {
  /** On the scheduler's clock; Infinity: none. */
  readonly deadlineAt: number
  /** Made by a request that holds a place while it waits for this one: it stands before all that are not. */
  readonly isChained: boolean
  previous: T | undefined
  next: T | undefined
}

/**
 * Waiting requests in order of arrival, the chained ones first. A linked list, so that a caller who leaves is taken out of
 * the middle in constant time, however long the queue.
 */
export class Queue<T extends Link<T>> {
  size = 0
  /** How many of them are chained. */
  chained = 0
  /** No deadline in the queue is earlier than this; Infinity when there is none. May be too early, never too late. */
  deadlineAt = Infinity
  #first: T | undefined
  #last: T | undefined
  #lastChained: T | undefined

  push(item: T): void {
    item.previous = item.isChained ? this.#lastChained : this.#last
    item.next = item.previous === undefined ? this.#first : item.previous.next
    if (item.previous === undefined) this.#first = item
    else item.previous.next = item
    if (item.next === undefined) this.#last = item
    else item.next.previous = item
    if (item.isChained) {
      this.#lastChained = item
      this.chained++
    }
    this.size++
    if (item.deadlineAt < this.deadlineAt) this.deadlineAt = item.deadlineAt
  }

  get first(): T | undefined {
    return this.#first
  }

  /** Takes the first out. */
  shift(): T | undefined {
    const item = this.#first
    if (item !== undefined) this.remove(item)
    return item
  }

  /** Of those that are not chained, the one that has waited longest. */
  get oldestUnchained(): T | undefined {
    return this.#lastChained === undefined ? this.#first : this.#lastChained.next
  }

  chainedOnes(): T[] {
    const items: T[] = []
    for (let item = this.#first; item?.isChained === true; item = item.next) items.push(item)
    return items
  }

  /** `item` must stand in this queue. */
  remove(item: T): void {
    if (item.previous === undefined) this.#first = item.next
    else item.previous.next = item.next
    if (item.next === undefined) this.#last = item.previous
    else item.next.previous = item.previous
    if (item === this.#lastChained) this.#lastChained = item.previous
    if (item.isChained) this.chained--
    item.previous = undefined
    item.next = undefined
    this.size--
    if (this.size === 0) this.deadlineAt = Infinity
  }

  /** Takes out all whose deadline has come, in their order. Looks at the queue only when there may be one. */
  takeExpired(now: number): T[] {
    const expired: T[] = []
    if (this.deadlineAt > now) return expired
    let earliest = Infinity
    for (let item = this.#first; item !== undefined;) {
      const next = item.next
      if (item.deadlineAt <= now) {
        this.remove(item)
        expired.push(item)
      } else if (item.deadlineAt < earliest) earliest = item.deadlineAt
      item = next
    }
    this.deadlineAt = earliest
    return expired
  }
}

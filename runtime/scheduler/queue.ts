/** What a thing needs to stand in a queue; the queue alone writes `previous` and `next`. */
export interface Link<T> {
  /** On the scheduler's clock; Infinity: none. */
  readonly deadlineAt: number
  previous: T | undefined
  next: T | undefined
}

/**
 * Waiting requests in order of arrival. A linked list, so that a caller who leaves is taken out of the middle in
 * constant time, however long the queue.
 */
export class Queue<T extends Link<T>> {
  size = 0
  /** No deadline in the queue is earlier than this; Infinity when there is none. May be too early, never too late. */
  deadlineAt = Infinity
  #first: T | undefined
  #last: T | undefined

  push(item: T): void {
    item.previous = this.#last
    item.next = undefined
    if (this.#last === undefined) this.#first = item
    else this.#last.next = item
    this.#last = item
    this.size++
    if (item.deadlineAt < this.deadlineAt) this.deadlineAt = item.deadlineAt
  }

  /** The one that has waited longest. */
  shift(): T | undefined {
    const item = this.#first
    if (item !== undefined) this.remove(item)
    return item
  }

  /** `item` must stand in this queue. */
  remove(item: T): void {
    if (item.previous === undefined) this.#first = item.next
    else item.previous.next = item.next
    if (item.next === undefined) this.#last = item.previous
    else item.next.previous = item.previous
    item.previous = undefined
    item.next = undefined
    this.size--
    if (this.size === 0) this.deadlineAt = Infinity
  }

  /** Takes out all whose deadline has come, in order of arrival. Looks at the queue only when there may be one. */
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

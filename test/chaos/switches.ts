import type { Asked } from './callers.ts'
import type { Mark, MarkedAnswer } from './marks.ts'

/** Which revision went live when, and which of them an answer may be from. */
export class Switches {
  /** Numbers of marks, in the order in which they were to go live; all but the last are live or have been. */
  readonly #numbers: number[] = []
  /** How many of them have been reported to be live. */
  #done = 0
  readonly #byRevision = new Map<string, number>()
  /** By caller: the last that he has met. */
  readonly #met = new Map<number, number>()

  /** From now on answers may be from this one. */
  begin({ number }: Pick<Mark, 'number'>): void {
    this.#numbers.push(number)
  }

  /** From now on answers must be. */
  done(revision: string): void {
    this.#done = this.#numbers.length
    this.#byRevision.set(revision.slice(0, 12), this.#numbers.at(-1)!)
  }

  /** It did not come to pass. */
  failed(): void {
    this.#numbers.pop()
  }

  numberOf(revision: string): number | undefined {
    return this.#byRevision.get(revision.slice(0, 12))
  }

  /** Before a request is sent: since then an answer must be of what is live now, or of what comes. */
  atSending(): number {
    return this.#done - 1
  }

  /**
   * What is wrong with where an answer comes from. One caller's requests follow each other: none goes back behind what
   * he has seen before.
   */
  judge(caller: number, atSending: number, { planned, outcome }: Asked): string | undefined {
    const { headers, body } = outcome
    const answers = planned.batch
      ? linesOf(body).flatMap(({ answer }) => answer ?? [])
      : [JSON.parse(String(body)) as MarkedAnswer]
    const first = Math.max(atSending, this.#met.get(caller) ?? 0)
    let last = first
    for (const { manifest, bundle, model } of answers) {
      if (manifest !== bundle || bundle !== model)
        return `expected one whole revision, found manifest ${manifest}, bundle ${bundle}, model ${model}`
      const at = this.#numbers.indexOf(manifest, first)
      if (at === -1)
        return `expected revision ${this.#numbers.slice(first).join(' or ')}, found ${manifest} (history: ${this.#numbers.join(', ')})`
      last = Math.max(last, at)
      const told = headers['x-pellet-revision']
      if (planned.batch || told === undefined) continue
      const number = this.numberOf(String(told))
      // Between the switch and its report nobody knows the revision's name.
      if (number === undefined ? this.#done === this.#numbers.length : number !== manifest)
        return `expected X-Pellet-Revision of revision ${manifest}, found ${told} of ${number}`
    }
    // Lines of a batch are worked on side by side.
    if (!planned.batch && !planned.later) this.#met.set(caller, last)
    return undefined
  }
}

// --- internal ---

function linesOf(body: Buffer): { answer?: MarkedAnswer }[] {
  return String(body)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { answer?: MarkedAnswer })
}

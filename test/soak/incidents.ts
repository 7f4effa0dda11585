import { deploymentOf, type Name } from './project.ts'

/** For so long after a crash its deployment may refuse: it backs off from the third in a row. */
const aftermathMs = 10_000

/** Times at which a deployment was brought down, on `performance.now()`. */
export class Incidents {
  readonly #list: { name: Name; from: number; to: number; isHang: boolean }[] = []

  /** @returns what tells that it is over */
  begin(name: Name, isHang = false): () => void {
    const incident = { name, from: performance.now(), to: Infinity, isHang }
    this.#list.push(incident)
    return () => void (incident.to = performance.now())
  }

  codesFor(name: Name, from: number, to: number): string[] {
    const touching = this.#list.filter(
      (one) =>
        (one.name === name || deploymentOf(name).calls?.includes(one.name)) &&
        one.from <= to &&
        one.to + aftermathMs >= from,
    )
    if (touching.length === 0) return []
    // A load that is killed fails.
    const codes = ['isolate_crashed', 'load_failed']
    return touching.some(({ isHang }) => isHang) ? [...codes, 'deadline_exceeded'] : codes
  }
}

import { createHash } from 'node:crypto'
import { shownEngine, type Deployment } from '../deployments/deployment.ts'

/**
 * Keys of kept answers: `name:generation:r<digest>` for an answer, by what was understood of its request, and
 * `name:generation:b<digest>` for the bytes of a request, which lead to one.
 */
export interface KeyParts {
  name: string
  generation: string
  kind: 'answer' | 'bytes'
}

export function toKey(name: string, generation: string, kind: KeyParts['kind'], digest: string): string {
  return `${name}:${generation}:${kind === 'answer' ? 'r' : 'b'}${digest}`
}

/** Undefined for what is no such key. */
export function partsOf(key: string): KeyParts | undefined {
  const [, name, generation, kind] = /^([^:]+):([0-9a-f]{32}):([rb])[0-9a-f]{64}$/.exec(key) ?? []
  return name && generation ? { name, generation, kind: kind === 'r' ? 'answer' : 'bytes' } : undefined
}

export function nameIn(key: string): string {
  return key.slice(0, key.indexOf(':'))
}

/**
 * What an answer depends on beside its request: this revision, those of all deployments that it calls, through however
 * many others, and Pellet itself, whose steps may change with its version. Answers of another generation are never given.
 */
export function generationOf(
  deployment: Deployment,
  deployments: ReadonlyMap<string, Deployment>,
  version: string,
): string {
  const revisions = new Map<string, string>()
  const visit = (one: Deployment) => {
    const { name, revision, calls } = one
    if (revisions.has(name)) return
    revisions.set(name, `${name} ${revision} ${shownEngine(one)}`)
    for (const call of calls) {
      const callee = deployments.get(call.deployment)
      if (callee) visit(callee)
    }
  }
  visit(deployment)
  const [own, ...called] = revisions.values()
  const text = [version, own, ...called.sort()].join('\n')
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

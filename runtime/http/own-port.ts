import type { RequestListener } from 'node:http'
import { targetNeed } from '../auth/needs.ts'
import { PelletError } from '../errors.ts'
import type { Pellet } from '../pellet.ts'
import { methodNotAllowed, sendError, sendTarget, toOrigin, turnAway, withoutQuery } from './answer.ts'
import { isResultPath, serveResult } from './results.ts'
import { methodsOf, targetOf } from './route-table.ts'

/**
 * The handler of a deployment's own port: there the deployment is alone, and every answer speaks as its clients expect.
 * Nothing of other deployments and nothing of Pellet's administration is ever here.
 */
export function createOwnHandler(pellet: Pellet, name: string): RequestListener {
  return (req, res) => {
    const { alone, deployments } = pellet.routes
    const shape = deployments.get(name)?.manifest.errors ?? 'pellet'
    req.url = toOrigin(req.url!)
    const path = withoutQuery(req.url)
    if (req.headers.host === undefined && req.httpVersion === '1.1')
      return sendError(req, res, new PelletError('invalid_request', 'headers: expected Host, found none'), shape)
    const paths = alone.get(name)
    const entry = paths?.find(path)
    const target = entry && targetOf(entry, req.method!)
    const refusal = pellet.gate.isOpen(req) ? undefined : pellet.gate.refusalOf(req, targetNeed(path, target))
    if (refusal) return turnAway(req, res, refusal, shape)
    if (target) return sendTarget(pellet, target, req, res)
    if (entry) return sendError(req, res, methodNotAllowed(req.method!, path, methodsOf(entry)), shape)
    if (isResultPath(path)) return void serveResult(pellet, req, res, { shape, deployment: name })
    const known = paths?.list().join(', ') ?? 'nothing'
    const message = `expected one of ${known}, found ${req.method} ${path}`
    return sendError(req, res, new PelletError('not_found', message), shape)
  }
}

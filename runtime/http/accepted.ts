import type { RequestListener } from 'node:http'
import { PelletError } from '../errors.ts'
import { toErrorAnswer } from '../error-body.ts'
import type { Pellet } from '../pellet.ts'
import { withoutQuery } from './answer.ts'
import { toRequestId } from './request-id.ts'
import { sendRefusal } from './refusal.ts'
import type { RouteTarget } from './route-table.ts'

/** The handler of requests that main makes to itself: `/f/{name}{path}` only, and never asynchronous again. */
export function createAcceptedHandler(pellet: Pellet): RequestListener {
  return (req, res) => {
    try {
      pellet.proxy.serve(acceptedTarget(pellet, req.method!, req.url!), req, res)
    } catch (error) {
      sendRefusal(req, res, toErrorAnswer(error, 'pellet', toRequestId(req)))
    }
  }
}

/**
 * The route of such a request.
 * @throws PelletError `not_found` when it is gone since the request was accepted
 */
export function acceptedTarget(pellet: Pellet, method: string, url: string): RouteTarget {
  const path = withoutQuery(url)
  const target = pellet.routes.find(path)?.get(method)
  if (target && 'path' in target) return target
  const message = `${method} ${path}: expected a route, found that it is not deployed any more`
  throw new PelletError('not_found', message)
}

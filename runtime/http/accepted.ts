import type { RequestListener } from 'node:http'
import { PelletError } from '../errors.ts'
import { toErrorAnswer } from '../error-body.ts'
import type { Pellet } from '../pellet.ts'
import { withoutQuery } from './answer.ts'
import { toRequestId } from './request-id.ts'
import { sendRefusal } from './refusal.ts'

/** The handler of requests that main makes to itself: `/f/{name}{path}` only, and never asynchronous again. */
export function createAcceptedHandler(pellet: Pellet): RequestListener {
  return (req, res) => {
    const path = withoutQuery(req.url!)
    const target = pellet.routes.find(path)?.get(req.method!)
    if (target && 'path' in target) return pellet.proxy.serve(target, req, res)
    const message = `${req.method} ${path}: expected a route, found that it is not deployed any more`
    sendRefusal(req, res, toErrorAnswer(new PelletError('not_found', message), 'pellet', toRequestId(req)))
  }
}

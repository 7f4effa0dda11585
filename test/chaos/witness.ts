/**
 * Loaded into main before all else (`node --import`): writes down the id of each request as soon as main has read its
 * headers, and so says which of those that got no answer were main's to answer. Node tells it on a channel of its own,
 * before any code of Pellet's hears of the request.
 */
import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'

const file = process.env['PELLET_CHAOS_WITNESS']
// The variable is inherited by the processes that main starts: what they read, main has read before.
if (file !== undefined && process.argv[1]?.endsWith('cli/main.js'))
  subscribe('http.server.request.start', (message) => {
    const { request } = message as { request: IncomingMessage }
    const id = request.headers['x-request-id']
    // At once: what is only meant to be written is lost where the process ends.
    if (id !== undefined) appendFileSync(file, `${String(id)}\n`)
  })

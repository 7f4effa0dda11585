// @not-a-test: loaded before Pellet by `NODE_OPTIONS=--import=`. Its scheduler never hears of requests for `lost`; one for
// `blocked` blocks the whole process for ever.
import { Scheduler } from '../../runtime/scheduler/scheduler.ts'

const { request } = Scheduler.prototype
Scheduler.prototype.request = function (terms) {
  if (terms.name === 'blocked') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  return terms.name === 'lost' ? [] : request.call(this, terms)
}

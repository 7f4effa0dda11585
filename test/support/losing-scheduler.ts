// @not-a-test: loaded before Pellet by `NODE_OPTIONS=--import=`: its scheduler never hears of requests for `sick`.
import { Scheduler } from '../../runtime/scheduler/scheduler.ts'

const { request } = Scheduler.prototype
Scheduler.prototype.request = function (terms) {
  return terms.name === 'sick' ? [] : request.call(this, terms)
}

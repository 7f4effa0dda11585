import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { mockEvent } from 'h3/node'
import { RouteTable } from '../../runtime/http/route-table.ts'
import { logsPage } from '../../runtime/http/logs.ts'
import { LogRing } from '../../runtime/log-ring.ts'
import type { Pellet } from '../../runtime/pellet.ts'

const test = suite('the last lines of the log')
const line = (msg: string, deployment?: string) =>
  `${JSON.stringify({ level: 'info', time: '2026-01-01T00:00:00.000Z', deployment, msg })}\n`
const messages = (lines: readonly string[]) => lines.map((text) => (JSON.parse(text) as { msg: string }).msg)

test('are kept up to a number of lines and of bytes, the newest', () => {
  const few = new LogRing({ maxLines: 3 })
  for (const msg of ['1', '2', '3', '4']) few.push(line(msg))
  assert.equal(messages(few.last(100)), ['2', '3', '4'])
  assert.equal(messages(few.last(2)), ['3', '4'])
  assert.equal(few.last(0), [])
  const small = new LogRing({ maxBytes: 10_000 })
  for (let i = 0; i < 100; i++) small.push(line(`${i} ${'é'.repeat(450)}`))
  const kept = small.last(100)
  assert.is(messages(kept).at(-1)!.slice(0, 2), '99')
  assert.is(kept.length, 10, 'of 976 bytes each')
})

test('of one deployment are its own, whatever others say of it', () => {
  const ring = new LogRing()
  ring.push(line('a', 'depth'))
  ring.push(line('b', 'depth-2'))
  ring.push(line('"deployment":"depth"'))
  assert.equal(messages(ring.last(10, 'depth')), ['a'])
})

test('are shortened when one is long, and stay JSON', () => {
  const ring = new LogRing()
  ring.push(line('x'.repeat(10_000_000), 'chatty'))
  const [kept] = ring.last(1, 'chatty')
  assert.ok(kept!.length < 5000)
  assert.match(messages([kept!])[0]!, /^x{4096}\.\.\. \(10000\d\d characters|^x{4096}\.\.\. \(100000\d\d characters/)
})

test('reach a follower as they come, until it leaves or the log ends', () => {
  const ring = new LogRing()
  const [all, own]: [string[], string[]] = [[], []]
  let ends = 0
  const leave = ring.follow(
    undefined,
    (text) => all.push(text),
    () => ends++,
  )
  ring.follow(
    'depth',
    (text) => own.push(text),
    () => ends++,
  )
  ring.push(line('1', 'depth'))
  ring.push(line('2'))
  leave()
  ring.push(line('3', 'depth'))
  ring.end()
  ring.push(line('4', 'depth'))
  assert.equal([messages(all), messages(own), ends], [['1', '2'], ['1', '3'], 1])
  ring.follow(
    undefined,
    () => {},
    () => ends++,
  )
  assert.is(ends, 2, 'who comes later is told at once')
})

test('a follower that does not read costs main no memory, and is told how many lines it missed', async () => {
  const ring = new LogRing()
  const pellet = { ring, routes: new RouteTable([], []) } as unknown as Pellet
  const event = mockEvent('http://localhost/api/logs?follow')
  const reader = logsPage(pellet, event).body!.getReader()
  const text = 'y'.repeat(1000)
  for (let i = 0; i < 5000; i++) ring.push(line(`${i} ${text}`))
  // By now nothing was read: what waits is bounded, the rest is gone.
  const seen: string[] = []
  const next = async () =>
    seen.push(
      ...messages(
        Buffer.from((await reader.read()).value!)
          .toString()
          .trim()
          .split('\n'),
      ),
    )
  while (!seen.some((msg) => msg.startsWith('pellet logs: '))) await next()
  const waited = seen.length - 1
  assert.ok(waited > 10 && waited < 200, `${waited} lines waited`)
  assert.is(seen.at(-1), `pellet logs: ${5000 - waited} lines were left out here, since they were not read fast enough`)
  ring.push(line('and on'))
  await next()
  assert.is(seen.at(-1), 'and on')
  ring.end()
  assert.is((await reader.read()).done, true)
})

test.run()

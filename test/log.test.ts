import { closeSync, fstatSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LogRing } from '../runtime/log-ring.ts'
import { createLogger } from '../runtime/log.ts'
import { temporaryFolder } from './support/fixture-tmp.ts'

const test = suite('the log')
const levels = ['fatal', 'error', 'warn', 'info', 'debug'] as const

test('has priorities where it ends in the journal, and only there', async () => {
  const fd = openSync(join(temporaryFolder(), 'stdout'), 'w')
  const { dev, ino } = fstatSync(fd)
  /** What stands before the JSON of a line of each level. */
  const beginnings = async (journal: string | undefined) => {
    if (journal !== undefined) process.env['JOURNAL_STREAM'] = journal
    const lines: string[] = []
    const ring = new LogRing()
    const stream = { fd, write: (line: string) => lines.push(line) } as unknown as NodeJS.WriteStream
    const log = await createLogger('debug', ring, stream)
    for (const level of levels) log[level]('x')
    delete process.env['JOURNAL_STREAM']
    const kept = ring.last(10).map((line) => (JSON.parse(line) as { level: string }).level)
    assert.equal(kept, [...levels], 'what is kept is bare JSON')
    return lines.map((line) => line.slice(0, line.indexOf('{')))
  }
  assert.equal(await beginnings(`${dev}:${ino}`), ['<2>', '<3>', '<4>', '<6>', '<7>'])
  for (const journal of [undefined, '', `${dev}:${ino + 1}`, 'nonsense'])
    assert.equal(await beginnings(journal), ['', '', '', '', ''], journal)
  closeSync(fd)
})

test.run()

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isLocked, takeLock } from '../../runtime/models/file-lock.ts'
import { readLock } from '../../runtime/models/lock.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const test = suite('pellet.lock, and the lock of a file')

test('what people have mangled is told, with what to do', async () => {
  const file = join(temporaryFolder(), 'pellet.lock')
  const messageOf = (text: string) => {
    writeFileSync(file, text)
    return readLock(file).then(
      () => 'it was read',
      (error: Error) => error.message,
    )
  }
  assert.match(await messageOf('version: 1\n<<<<<<< HEAD\n'), /found: a merge that is not finished; mend it/)
  for (const text of ['<<<<<<< HEAD\nversion: 1', 'version: 2', 'models: { x: { sha256: y } }\nversion: 1'])
    assert.match(
      await messageOf(text),
      /pellet\.lock: expected what pellet pull writes, found: .*; mend it, or delete it/,
      text,
    )
})

test('a lock that was left by one who was killed is taken by one of many', async () => {
  const file = join(temporaryFolder(), 'm.lock')
  writeFileSync(file, '')
  assert.not(await isLocked(file))
  const takers = await Promise.all(Array.from({ length: 8 }, () => takeLock(file)))
  const [give, ...others] = takers.filter((one) => one !== undefined)
  assert.is(others.length, 0)
  assert.ok(await isLocked(file))
  await give!()
  assert.not(existsSync(file))
})

test.run()

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { dieWithParent } from '../../ffi/libc.ts'
import { isAlive } from '../support/processes.ts'

const libc = suite('libc')
const onLinux = process.platform === 'linux' ? libc : libc.skip
const url = JSON.stringify(new URL('../../ffi/libc.js', import.meta.url))

onLinux('a child in an endless loop dies with its parent', async () => {
  const { parent, childPid } = await startTrio(`
    const { dieWithParent } = await import(${url})
    dieWithParent(process.ppid)`)
  assert.ok(isAlive(childPid))
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  const until = performance.now() + 1000
  while (isAlive(childPid) && performance.now() < until) await sleep(5)
  assert.not.ok(isAlive(childPid))
})

onLinux('a child without it outlives its parent', async () => {
  const { parent, childPid } = await startTrio('')
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  assert.ok(isAlive(childPid))
  process.kill(childPid, 'SIGKILL')
})

onLinux('a child whose parent has gone before the call ends at once', async () => {
  const script = `const { dieWithParent } = await import(${url}); dieWithParent(process.ppid + 1); for (;;);`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit', timeout: 20_000 })
  assert.equal(await once(child, 'exit'), [1, null])
})

libc('goes on with the right parent, and where there is no prctl', () => {
  dieWithParent(process.ppid)
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor
  Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' })
  try {
    dieWithParent(-1)
  } finally {
    Object.defineProperty(process, 'platform', platform)
  }
})

libc.run()

// --- internal ---

/** This process, a parent, and its child, which runs a script, says its pid and then spins. */
async function startTrio(script: string) {
  const child = `${script}; const { writeSync } = await import('node:fs'); writeSync(1, process.pid + '\\n'); for (;;);`
  const parent = spawn(
    process.execPath,
    [
      '-e',
      `require('node:child_process').spawn(process.execPath, ['--input-type=module', '-e', process.argv[1]], { stdio: 'inherit' })`,
      child,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
  return { parent, childPid: Number(line) }
}

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../runtime/errors.ts'
import { Random } from '../support/random.ts'
import { Estate, Refused, unclear } from './estate.ts'
import { createMarks } from './marks.ts'
import type { ChaosOptions, ChaosResult } from './report.ts'

/** Set for a process that has mounts of its own: they end with it. */
const ownMounts = 'PELLET_CHAOS_OWN_MOUNTS'

/** Runs it in a process with mounts of its own; without root that is not possible, and said so. */
export async function withOwnMounts(
  options: ChaosOptions,
  run: (options: ChaosOptions) => Promise<ChaosResult>,
): Promise<ChaosResult> {
  if (process.env[ownMounts] !== undefined) return run(options)
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) {
    const facts = ['SKIPPED: it needs root, to mount a small disk']
    return { name: 'full disk', rounds: 0, facts, violations: [], tookMs: 0 }
  }
  const { seed, rounds } = options
  const script = `
    const { fillDisk } = await import(${JSON.stringify(import.meta.url)})
    const result = await fillDisk({ seed: ${seed}, rounds: ${rounds} })
    process.send(result, () => process.exit(0))`
  const child = spawn('unshare', ['--mount', process.execPath, '--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [ownMounts]: '1' },
  })
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`full disk: ended with ${code}`)))
  const [result] = await Promise.race([once(child, 'message'), ended])
  return result as ChaosResult
}

/**
 * Fills the disk that the data folder lies on, more or less, and does all that writes. To be run in a process with mounts of
 * its own (`unshare --mount`).
 */
export async function fillDisk({ seed, rounds, onRound }: ChaosOptions): Promise<ChaosResult> {
  if (process.env[ownMounts] === undefined) throw new Error(`expected ${ownMounts} to be set`)
  const startedAt = performance.now()
  const random = new Random(seed)
  const marks = await createMarks(Math.min(rounds + 1, 12))
  const estate = new Estate()
  mkdirSync(estate.dataFolder)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', estate.dataFolder])
  const filler = join(estate.dataFolder, 'filler')
  const violations: string[] = []
  const tried = { done: 0, refused: 0 }
  let live = 1
  try {
    await estate.start()
    const first = await estate.deployer.deploy(marks[0]!)
    if (first.type === 'failed') throw new Error(first.message)
    for (let round = 0; round < rounds; round++) {
      onRound?.(round)
      const freeBytes = random.chance(0.3) ? 0 : random.magnitude(4096, 400_000)
      const note = (what: string, problems: (string | undefined)[]) =>
        void violations.push(
          ...problems.flatMap((one) =>
            one === undefined ? [] : `round ${round}, ${freeBytes} bytes free, ${what}: ${one}`,
          ),
        )
      const look = async (what: string) => note(what, await estate.look({ live: [live], mayFail: false }))
      const mark = random.pick(marks.filter(({ number }) => number !== live))
      const deploy = async (isRefusable: boolean) => {
        const end = await estate.deployer.deploy(mark).catch((error: Error) => error)
        if (end instanceof Error) note('deploy', [isRefusable && isClear(end.message) ? undefined : end.message])
        else if (end.type === 'failed')
          note('deploy', [
            isRefusable && isClear(`${end.code} ${end.message}`) ? undefined : `${end.code} ${end.message}`,
          ])
        else live = mark.number
        tried[!(end instanceof Error) && end.type === 'done' ? 'done' : 'refused']++
      }
      const keepJob = async (isRefusable: boolean) => {
        const error = await estate.keepJob().then(
          () => undefined,
          (reason: unknown) => reason,
        )
        if (error === undefined) tried.done++
        else {
          tried.refused++
          note('job', [error instanceof Refused && isRefusable ? unclear(error.outcome) : messageOf(error)])
        }
      }
      const all: Record<string, () => Promise<void>> = {
        look: () => look('routes'),
        job: () => keepJob(true),
        deploy: () => deploy(true),
        restart: async () => {
          await estate.stop()
          await estate.start()
        },
      }
      const order = Object.entries(all).map(([what, work]) => ({ what, work, at: random.next() }))
      fillUp(filler, estate.dataFolder, freeBytes)
      for (const { what, work } of order.sort((a, b) => a.at - b.at)) {
        try {
          await work()
          await look(`after ${what}`)
        } catch (error) {
          note(what, [messageOf(error)])
          if (estate.pellet.hasEnded()) break
        }
      }
      rmSync(filler)
      if (estate.pellet.hasEnded()) await estate.start()
      await look('with room again')
      await deploy(false)
      await keepJob(false)
      await look('at last')
      const defects = estate.pellet.log.filter(({ level, code }) => level === 'fatal' || code === 'internal_error')
      note(
        'log',
        defects.map(({ msg }) => msg),
      )
      estate.pellet.log.length = 0
    }
    await estate.stop()
  } finally {
    await estate.stop('SIGKILL')
    execFileSync('umount', ['--lazy', estate.dataFolder])
  }
  const facts = [`${tried.done} writes done`, `${tried.refused} refused`]
  return { name: 'full disk', rounds, facts, violations, tookMs: performance.now() - startedAt }
}

// --- internal ---

/** Leaves as many bytes free. */
function fillUp(file: string, folder: string, freeBytes: number): void {
  const { bavail, bsize } = statfsSync(folder)
  writeFileSync(file, Buffer.alloc(Math.max(0, bavail * bsize - freeBytes)))
}

/** Says that there is no room, and what to do. */
function isClear(message: string): boolean {
  return message.includes('storage_full') && /room|space/.test(message)
}

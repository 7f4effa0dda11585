import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parse } from 'yaml'
import { messageOf } from '../../runtime/errors.ts'
import { FileServer, sendFile } from '../models/file-server.ts'
import { createProject, pelletBin, runCli } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { Random } from '../support/random.ts'
import { addingModel } from './marks.ts'
import type { ChaosOptions, ChaosResult } from './report.ts'

/** Kills `pellet pull` at any moment: part of a model is never one, and the next pull goes on and is done. */
export async function killPulls({ seed, rounds, onRound }: ChaosOptions): Promise<ChaosResult> {
  const startedAt = performance.now()
  const random = new Random(seed)
  const bytes = addingModel(1, modelBytes)
  const wanted = sha256Of(bytes)
  const server = await FileServer.start()
  const url = server.on('/tags.onnx', (res, req) => sendFile(slowly(res), req, bytes, { etag: '"v1"' }))
  const folder = createProject({ 'manifests/tags.yaml': `model: { onnx: { url: "${url}", license: MIT } }\n` })
  const [models, lock] = [join(folder, 'models'), join(folder, 'pellet.lock')]
  const file = join(models, 'tags.onnx')
  const args = ['pull', 'tags', '--accept-licence']
  const violations: string[] = []
  let whole = 0
  let resumed = 0
  try {
    const firstAt = performance.now()
    const first = await runCli(folder, args)
    if (first.code !== 0) throw new Error(first.stderr)
    const usualMs = performance.now() - firstAt
    for (let round = 0; round < rounds; round++) {
      onRound?.(round)
      const note = (problem: string) => void violations.push(`round ${round}: ${problem}`)
      rmSync(file)
      if (random.chance(0.3)) rmSync(lock)
      const child = spawn(process.execPath, [pelletBin, ...args], { cwd: folder, stdio: 'ignore' })
      const ended = once(child, 'exit')
      // Half of them at any moment, half while bytes come.
      const before = server.asked.length
      if (random.chance(0.5)) await pause(random.next() * usualMs * 1.1)
      else {
        await until(() => server.asked.length > before || child.exitCode !== null, 'the model to be asked for', 30_000)
        await pause(random.next() * transferMs * 2)
      }
      child.kill('SIGKILL')
      await ended
      if (existsSync(file)) {
        whole++
        if (sha256Of(readFileSync(file)) !== wanted) note('a model that is not whole')
      }
      try {
        if (existsSync(lock)) parse(readFileSync(lock, 'utf8'))
      } catch (error) {
        note(`pellet.lock: ${messageOf(error)}`)
      }
      const from = server.asked.length
      const again = await runCli(folder, args)
      if (again.code !== 0) note(`the next pull ended with ${again.code}: ${again.stderr}`)
      else if (sha256Of(readFileSync(file)) !== wanted) note('the next pull gave another file')
      if (server.asked.slice(from).some(({ range }) => range !== undefined)) resumed++
      if (!existsSync(lock) || !readFileSync(lock, 'utf8').includes(wanted)) note('pellet.lock lacks the digest')
      const left = readdirSync(models).filter((name) => name !== 'tags.onnx')
      if (left.length > 0) note(`${left.join(', ')} is left`)
    }
  } finally {
    await server[Symbol.asyncDispose]()
  }
  const facts = [`${whole} had come whole`, `${resumed} went on where they were`]
  return { name: 'kill -9 of pulls', rounds, facts, violations, tookMs: performance.now() - startedAt }
}

// --- internal ---

const [modelBytes, partBytes, partMs] = [2_000_000, 100_000, 10]
const transferMs = (modelBytes / partBytes) * partMs

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The body in parts, as over a network. */
function slowly(res: ServerResponse): ServerResponse {
  const slow = {
    writeHead(...head: Parameters<ServerResponse['writeHead']>) {
      res.writeHead(...head)
      return slow
    },
    async end(body: Uint8Array = Buffer.alloc(0)) {
      for (let at = 0; at < body.length && !res.destroyed; at += partBytes) {
        res.write(body.subarray(at, at + partBytes))
        await pause(partMs)
      }
      res.end()
    },
  }
  return slow as unknown as ServerResponse
}

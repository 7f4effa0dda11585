import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../../config.ts'
import { displayPath } from '../../display-path.ts'
import { shellWord } from '../../shell.ts'
import type { Draft } from './draft.ts'
import type { Plan } from './plan.ts'
import { filesOf } from './project.ts'

/** What was written, what is left to do, and how to go on. */
export function reportText(config: Config, { kind, why, task, files, draft }: Plan): string {
  const { name, file, chip, model, isStarter } = task
  const shown = (path: string) => displayPath(process.cwd(), path)
  const texts = files.map(({ text }) => text ?? '').join('\n')
  const notes = [
    ...(isStarter
      ? [`It is written for the starter model ${file}, trained on synthetic data; --model names your own.`]
      : []),
    ...(chip
      ? [
          `It runs on a ${chip}. The test runs it on the simulated device, and so does PELLET_HAILORT=simulated:${chip} pellet dev:`,
          'answers have the right shapes, their numbers are made up.',
        ]
      : []),
    ...(model ? [] : [`It has no model yet: put it there as ${shown(join(config.modelsFolder, file))}.`]),
    ...(texts.includes('CHECK')
      ? ['Look at the lines marked CHECK: they are guesses at what no model file says.']
      : []),
  ]
  return [
    `${name}, kind ${kind}${why === undefined ? '' : `, since ${why}`}:`,
    ...files.map(({ path, from }) => `  ${shown(path)}${from === undefined ? '' : `   copied from ${from}`}`),
    ...(notes.length > 0 ? ['', ...notes] : []),
    '',
    `test:  ${testCommand(config, filesOf(config, name).test)}`,
    `serve: pellet dev${config.root === process.cwd() ? '' : ` --root ${shellWord(shown(config.root))}`}`,
    `call:  ${callCommand(draft, `http://127.0.0.1:${config.port || 11_500}/v1/${name}`)}`,
  ].join('\n')
}

// --- internal ---

function testCommand({ root }: Config, test: string): string {
  const command = `node --test ${shellWord(displayPath(process.cwd(), test))}`
  const main = fileURLToPath(new URL('../main.js', import.meta.url))
  return isPelletFound(root) ? command : `PELLET=${shellWord(main)} ${command}`
}

/** Whether a test in this project finds Pellet by itself. */
function isPelletFound(root: string): boolean {
  try {
    createRequire(join(root, 'test/any.mjs')).resolve('pellet/package.json')
    return true
  } catch {
    const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '')
    return folders.some((folder) => existsSync(join(folder, 'pellet')))
  }
}

/** To paste as it is: of numbers there are too many to write. */
function callCommand({ test }: Draft, url: string): string {
  if (test.body === 'picture') return `curl -F image=@photo.jpg ${url}`
  const body = `node -p ${shellWord(`JSON.stringify(${test.body.example})`)}`
  return `${body} | curl -H 'Content-Type: application/json' -d @- ${url}`
}

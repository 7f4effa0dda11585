import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../support/root.ts'

export interface Instruction {
  name: string
  rest: string
}

/** Instructions of the Containerfile with their continuation lines, without comments. */
export function readInstructions(): Instruction[] {
  return readFileSync(join(projectRoot, 'Containerfile'), 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name, rest] = /^(\w+)\s+(.*)$/.exec(line)!
      return { name: name!, rest: rest! }
    })
}

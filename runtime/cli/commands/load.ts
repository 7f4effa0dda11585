import { defineCommand } from 'citty'
import type { PsRow } from '../../http/admin.ts'
import { callJson } from '../client.ts'
import { toPsTable } from './ps.ts'
import { readTarget, targetArgs } from '../target.ts'

export const load = defineAction('load', 'Load a model now, and wait until it is ready')
export const unload = defineAction('unload', 'Unload a model; requests under way finish first')

// --- internal ---

/** A command that has one deployment do something, and shows what became of it. */
function defineAction(action: string, description: string) {
  return defineCommand({
    meta: { name: action, description },
    args: {
      name: { type: 'positional', description: 'Name of the deployment', required: true },
      ...targetArgs,
      json: { type: 'boolean', description: 'Print JSON' },
    },
    async run({ args }) {
      const path = `/api/deployments/${encodeURIComponent(args.name)}/${action}`
      const row = await callJson<PsRow>(await readTarget({ ...args }), 'POST', path)
      console.log(args.json ? JSON.stringify(row, null, 2) : toPsTable([row]))
    },
  })
}

import { defineCommand } from 'citty'
import type { PsRow } from '../../http/admin.ts'
import { callJson } from '../client.ts'
import { projectArgs, readSocketPath } from '../settings.ts'
import { toPsTable } from './ps.ts'

export default defineCommand({
  meta: { name: 'load', description: 'Load a model now, and wait until it is ready' },
  args: {
    name: { type: 'positional', description: 'Name of the deployment', required: true },
    ...projectArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const path = `/api/deployments/${encodeURIComponent(args.name)}/load`
    const row = await callJson<PsRow>(await readSocketPath({ ...args }), 'POST', path)
    console.log(args.json ? JSON.stringify(row, null, 2) : toPsTable([row]))
  },
})

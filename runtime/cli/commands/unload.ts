import { defineCommand } from 'citty'
import type { PsRow } from '../../http/admin.ts'
import { callJson } from '../client.ts'
import { projectArgs, readSocketPath } from '../settings.ts'
import { toPsTable } from './ps.ts'

export default defineCommand({
  meta: { name: 'unload', description: 'Unload a model; requests under way finish first' },
  args: {
    name: { type: 'positional', description: 'Name of the deployment', required: true },
    ...projectArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const path = `/api/deployments/${encodeURIComponent(args.name)}/unload`
    const row = await callJson<PsRow>(await readSocketPath({ ...args }), 'POST', path)
    console.log(args.json ? JSON.stringify(row, null, 2) : toPsTable([row]))
  },
})

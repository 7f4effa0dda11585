import { defineCommand } from 'citty'
import type { Deleted } from '../../deploys/protocol.ts'
import { callJson } from '../client.ts'
import { toFiles } from '../table.ts'
import { readTarget, targetArgs } from '../target.ts'

export default defineCommand({
  meta: {
    name: 'delete',
    description:
      'Remove what was deployed under a name, with its history; it does not ask\n' +
      'A dropped file of that name, where there is one, serves again at once.',
  },
  args: {
    name: { type: 'positional', description: 'Name of the deployment', required: true },
    ...targetArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const path = `/api/deployments/${encodeURIComponent(args.name)}`
    const deleted = await callJson<Deleted>(await readTarget({ ...args }), 'DELETE', path)
    if (args.json) return console.log(JSON.stringify(deleted, null, 2))
    const { name, revision, serves, notes } = deleted
    const next = serves ? `${toFiles(serves)} serves from now on` : 'nothing serves under this name from now on'
    const what = revision === null ? 'what was deployed' : `revision ${revision.slice(0, 12)}`
    console.log(`${name}: ${what} and its history are deleted; ${next}`)
    for (const note of notes) console.log(`  ${note}`)
  },
})

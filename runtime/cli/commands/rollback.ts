import { defineCommand } from 'citty'
import { CliError } from '../cli-error.ts'
import { followEvents } from '../deploy/events.ts'
import { toOutcome } from '../deploy/reporter.ts'
import { readTarget, targetArgs } from '../target.ts'

export default defineCommand({
  meta: {
    name: 'rollback',
    description:
      'Have an earlier revision of a deployment serve again; nothing is sent for it\n' +
      'Without a revision it is the one that was live before. pellet history lists them.',
  },
  args: {
    name: { type: 'positional', description: 'Name of the deployment', required: true },
    revision: {
      type: 'positional',
      description: 'The revision, or how it begins (4 digits at least)',
      required: false,
      valueHint: '[revision]',
    },
    ...targetArgs,
    probe: {
      type: 'boolean',
      default: true,
      description: 'Try the revision before it goes live',
      negativeDescription: 'Go live without the probe or the self-test',
    },
    json: { type: 'boolean', description: 'Print what happens as lines of JSON' },
  },
  async run({ args }) {
    const { name, revision, json } = args
    if (revision !== undefined && !/^[0-9a-f]{4,64}$/i.test(revision))
      throw new CliError(
        `rollback: expected a revision as pellet history lists them, by 4 to 64 hexadecimal digits, found ${revision}`,
        2,
      )
    const path = `/api/deployments/${encodeURIComponent(name)}/rollback${args.probe ? '' : '?probe=false'}`
    const order = revision === undefined ? {} : { revision: revision.toLowerCase() }
    const last = await followEvents(await readTarget({ ...args }), path, order, (event) => {
      if (json) console.log(JSON.stringify({ name, ...event }))
      else if (event.type === 'phase') console.error(`${name}: ${event.message}`)
    })
    if (last.type === 'failed') throw new CliError(json ? '' : `${name}: not rolled back: ${toOutcome(name, last)}`)
    if (!json) console.log(`${name}: ${toOutcome(name, last)}`)
  },
})

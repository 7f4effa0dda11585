import { defineCommand } from 'citty'
import { CliError } from '../cli-error.ts'
import { toIntro } from '../dev-intro.ts'
import { serve, serveArgs } from '../serve.ts'

export default defineCommand({
  meta: {
    name: 'dev',
    description:
      'Serve the project and follow every change of its files\n' +
      'What is saved is served; what is broken leaves the revision before it serving, and is told.',
  },
  args: {
    ...serveArgs,
    inspect: { type: 'string', description: 'Open a debugger on the isolate of this deployment', valueHint: 'name' },
    'inspect-port': { type: 'string', description: 'Its port on loopback (default: 9229)', valueHint: 'port' },
  },
  run: ({ args }) => {
    const port = Number(args['inspect-port'] ?? 9229)
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new CliError(`dev: --inspect-port: expected a port from 1 to 65535, found ${args['inspect-port']}`, 2)
    if (args['inspect-port'] !== undefined && args.inspect === undefined)
      throw new CliError('dev: --inspect-port: expected --inspect with the name of a deployment, found none', 2)
    return serve(
      { ...args, watch: true },
      {
        onStarted: (pellet) => console.log(toIntro(pellet)),
        ...(args.inspect !== undefined && { inspect: { name: args.inspect, port } }),
      },
    )
  },
})

import { CliError } from './cli-error.ts'
import { projectArgs, readSocketPath } from './settings.ts'

/** A running Pellet that is asked something: this machine's by its admin socket, or any by its URL. */
export interface Target {
  /** What messages call it: the socket's path, or the URL. */
  shown: string
  socketPath?: string
  /** Its path ends in a slash: a reverse proxy may have Pellet below one. */
  url?: URL
  /** For requests over TCP. Never shown. */
  token?: string
}

/** Flags of the commands that ask a running Pellet. */
export const targetArgs = {
  ...projectArgs,
  to: {
    type: 'string',
    description:
      'URL of a Pellet, or PELLET_TO (default: the one that runs in the project, else the installed one, by its socket)',
    valueHint: 'url',
  },
  token: {
    type: 'string',
    description: 'Its token; better PELLET_TOKEN, since flags are seen by all users of this machine',
    valueHint: 'token',
  },
} as const

/** @throws CliError (2) for a URL that is none, a token without a URL, or a configuration that is wrong */
export async function readTarget(args: Record<string, unknown>, env = process.env): Promise<Target> {
  const [to, place] = args['to'] === undefined ? [env['PELLET_TO'], 'PELLET_TO'] : [String(args['to']), '--to']
  if (to === undefined || to === '') {
    if (args['token'] !== undefined)
      throw new CliError('--token: expected --to URL beside it, found none; the local socket needs no token', 2)
    const socketPath = await readSocketPath(args)
    return { shown: socketPath, socketPath, ...readToken(args, env) }
  }
  const url = toUrl(to, place)
  return { shown: url.href.replace(/\/$/, ''), url, ...readToken(args, env) }
}

// --- internal ---

function readToken(args: Record<string, unknown>, env: NodeJS.ProcessEnv): Pick<Target, 'token'> {
  const token = String(args['token'] ?? env['PELLET_TOKEN'] ?? '').trim()
  if (!/^[\x21-\x7e]*$/.test(token))
    throw new CliError('the token: expected one word as pellet token create prints it, found other characters', 2)
  return token === '' ? {} : { token }
}

function toUrl(text: string, place: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.username || url?.password)
    throw new CliError(`${place}: expected a URL without user and password, found them; give --token instead`, 2)
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash) {
    const guess = /^[\w.-]+(:\d+)?$/.test(text) ? `; did you mean http://${text}${/:/.test(text) ? '' : ':11500'}?` : ''
    throw new CliError(`${place}: expected a URL such as http://pi.local:11500, found ${text}${guess}`, 2)
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

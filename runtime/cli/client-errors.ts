import type { IncomingHttpHeaders } from 'node:http'
import { messageIn } from '../error-body.ts'
import { CliError } from './cli-error.ts'
import type { Target } from './target.ts'

/** No answer came, or not all of it: to try again may help. */
export class ConnectionError extends CliError {}

/** An answer that says no. */
export class RefusalError extends CliError {
  readonly status: number
  /** Pellet's own code for it, where Pellet said no. */
  readonly code: string | undefined

  constructor(message: string, status: number, code?: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Why no answer came, and what to do. */
export function toConnectionError(target: Target, error: NodeJS.ErrnoException): ConnectionError {
  const { shown, url } = target
  const code = error.code ?? ''
  const found = error.message || (error as AggregateError).errors?.[0]?.message || code
  if (code === 'ENOENT' || (code === 'ECONNREFUSED' && !url))
    return new ConnectionError(
      `${shown}: expected a running Pellet, found none; start it with pellet start, or name one elsewhere with --to`,
    )
  if (code === 'ECONNREFUSED')
    return new ConnectionError(
      `${shown}: expected a running Pellet, found nothing that listens there; is it running, with --host for callers on other machines?`,
    )
  if (code === 'EACCES')
    return new ConnectionError(
      `${shown}: expected a socket that this user may open, found another user's; use sudo, or join its group (sudo usermod -aG pellet $USER, then log in again)`,
    )
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new ConnectionError(`${shown}: expected a host that is known, found no address for ${url!.hostname}`)
  if (['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN'].includes(code))
    return new ConnectionError(`${shown}: expected an answer, found none in time (${found}); is it the right address?`)
  if (code === 'EPROTO' || code.startsWith('ERR_SSL'))
    return new ConnectionError(`${shown}: expected TLS, found something else; try http:// (${found.trim()})`)
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return new ConnectionError(
      `${shown}: expected an answer, found the connection closed; is Pellet still running${url?.protocol === 'http:' ? ', and is it http there' : ''}?`,
    )
  if (code.startsWith('HPE_'))
    return new ConnectionError(`${shown}: expected a Pellet, found a server that speaks no HTTP; try https://`)
  if (code.startsWith('CERT_') || code.startsWith('ERR_TLS_CERT') || tlsCodes.includes(code))
    return new ConnectionError(
      `${shown}: expected a certificate that is trusted here, found: ${found}; NODE_EXTRA_CA_CERTS=FILE names an authority of your own`,
    )
  return new ConnectionError(`${shown}: ${found}`)
}

/** What an answer that says no means. */
export function toRefusal(target: Target, status: number, headers: IncomingHttpHeaders, body: string): RefusalError {
  const said = messageIn(body)
  const { shown, url, token } = target
  const code = headers['x-pellet-error'] as string | undefined
  if (url && (status === 401 || status === 403))
    return new RefusalError(`${shown}: ${aboutToken(token, said, status)}`, status, code)
  if (said !== undefined && (code !== undefined || !url)) return new RefusalError(said, status, code)
  if (status >= 300 && status < 400)
    return new RefusalError(
      `${shown}: expected a Pellet, found a redirect to ${headers.location ?? 'nowhere'}; give the address there with --to`,
      status,
    )
  if (url && status >= 502 && status <= 504)
    return new RefusalError(
      `${shown}: expected a Pellet, found a proxy that cannot reach one (status ${status})`,
      status,
    )
  return notPellet(target, `status ${status} of ${headers['content-type'] ?? 'no type'}`, status)
}

/** An answer that Pellet does not give. */
export function notPellet({ shown, url }: Target, found: string, status = 200): RefusalError {
  return new RefusalError(
    `${shown}: expected a Pellet, found ${found}${url ? '; is it the right address?' : ''}`,
    status,
  )
}

// --- internal ---

/** What is wrong with the token, never the token itself. */
function aboutToken(token: string | undefined, said: string | undefined, status: number): string {
  const how = 'make one there (pellet token create --scope deploy, or read, or invoke) and give it as PELLET_TOKEN'
  if (token === undefined) return `expected a token, found none; ${how}`
  if (status === 401)
    return `expected a token that is valid there, found one that is unknown, expired or revoked; ${how}`
  return `${said ?? 'the token may not do this'}; pellet token create, run there with that --scope, makes one that may`
}

const tlsCodes = ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']
tlsCodes.push('UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY')

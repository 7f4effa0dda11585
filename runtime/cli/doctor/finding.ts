import type { Finding } from './facts.ts'

export function ok(check: string, found: string): Finding {
  return { check, level: 'ok', found }
}

export function warn(check: string, found: string, mend?: string): Finding {
  return { check, level: 'warn', found, ...(mend !== undefined && { mend }) }
}

export function fail(check: string, found: string, mend: string): Finding {
  return { check, level: 'fail', found, mend }
}

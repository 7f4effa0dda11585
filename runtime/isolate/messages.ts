import type { ErrorCode } from '../errors.ts'
import type { Deployment } from '../deployments/deployment.ts'

/** Lifecycle talk between main and an isolate, over the fork's IPC. Requests go over the isolate's socket, never here. */
export type ToIsolate =
  /** `inspectPort`: of the debugger, where one is wanted. */
  | { type: 'load'; deployment: Deployment; socketPath: string; allowUrls: string[]; inspectPort?: number }
  | { type: 'ping'; nonce: number }
  /** Run the model once, and say what is wrong with what comes out. */
  | { type: 'test'; nonce: number }

export type FromIsolate =
  | { type: 'ready'; loadMs: number; residentBytes: number }
  | { type: 'failed'; code: ErrorCode; message: string; outOfMemory: boolean }
  /** It cannot go on, and is to be ended: the model was lost, and nothing is left to load it on. */
  | { type: 'ending'; code: ErrorCode; message: string }
  /** What became of the debugger, for people. */
  | { type: 'inspector'; message: string }
  /** `active`: ids of the requests whose steps are still running. */
  | { type: 'pong'; nonce: number; active: string[] }
  | { type: 'tested'; nonce: number; problems: string[] }

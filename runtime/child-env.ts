/**
 * The environment of a process that runs function code or looks at it. A token of whoever started Pellet or the command
 * is none of its business.
 */
export function childEnv(): NodeJS.ProcessEnv {
  return { ...process.env, PELLET_PARENT_PID: String(process.pid), PELLET_TOKEN: undefined }
}

import { resolve } from 'node:path'

/** The project's folder, seen from `dist/test/support`. */
export const projectRoot = resolve(import.meta.dirname, '..', '..', '..')

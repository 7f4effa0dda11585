import { prune } from './prune.ts'

/** `node dist/container/prune-main.js NODE_MODULES`: keeps what this machine needs. */
const { removed, sizeBytes } = prune(process.argv[2] ?? 'node_modules', process)
console.log(`removed ${Math.round(sizeBytes / 1e6)} MB for other machines: ${removed.join(', ') || 'nothing'}`)

import { defineCommand } from 'citty'
import { serve, serveArgs } from '../serve.ts'

export default defineCommand({
  meta: { name: 'start', description: 'Serve all functions and manifests of the project' },
  args: {
    ...serveArgs,
    watch: { type: 'boolean', description: 'Follow changes of files while it runs, as pellet dev does' },
  },
  run: ({ args }) => serve({ ...args }),
})

import type { CommandDef } from 'citty'

/** All commands. Each is loaded when it is asked for. */
export const commands: Record<string, () => Promise<CommandDef<any>>> = {
  start: () => import('./commands/start.ts').then((module) => module.default),
  dev: () => import('./commands/dev.ts').then((module) => module.default),
  deploy: () => import('./commands/deploy.ts').then((module) => module.default),
  history: () => import('./commands/history.ts').then((module) => module.default),
  rollback: () => import('./commands/rollback.ts').then((module) => module.default),
  delete: () => import('./commands/delete.ts').then((module) => module.default),
  list: () => import('./commands/list.ts').then((module) => module.default),
  ps: () => import('./commands/ps.ts').then((module) => module.default),
  logs: () => import('./commands/logs.ts').then((module) => module.default),
  invoke: () => import('./commands/invoke.ts').then((module) => module.default),
  load: () => import('./commands/load.ts').then((module) => module.load),
  unload: () => import('./commands/load.ts').then((module) => module.unload),
  cache: () => import('./commands/cache.ts').then((module) => module.default),
  token: () => import('./commands/token.ts').then((module) => module.default),
  bench: () => import('./commands/bench.ts').then((module) => module.default),
  validate: () => import('./commands/validate.ts').then((module) => module.default),
  models: () => import('./commands/models.ts').then((module) => module.default),
  pull: () => import('./commands/pull.ts').then((module) => module.default),
  new: () => import('./commands/new.ts').then((module) => module.default),
  inspect: () => import('./commands/inspect.ts').then((module) => module.default),
  doctor: () => import('./commands/doctor.ts').then((module) => module.default),
  'build-shim': () => import('./commands/build-shim.ts').then((module) => module.default),
  systemd: () => import('./commands/systemd.ts').then((module) => module.default),
}

/** What `pellet COMMAND --help` ends with. */
export const examples: Record<string, string[]> = {
  dev: ['pellet dev', 'pellet dev --inspect depth'],
  start: ['pellet start', 'pellet start --root /srv/models --port 8080'],
  invoke: [
    'pellet invoke depth -F image=@photo.jpg -F colormap=turbo -o depth.png',
    'pellet invoke tcn -d @window.json',
    `pellet invoke tags -d '{"image": "...", "top": 3}' --route /v1/tags`,
  ],
  cache: ['pellet cache stats', 'pellet cache stats depth --json', 'pellet cache clear depth'],
  ps: ['pellet ps', 'pellet ps --watch', 'pellet ps --watch --interval 5s --json --to http://pi.local:11500'],
  logs: ['pellet logs -f', 'pellet logs depth -n 20', 'pellet logs --json | jq .msg'],
  token: ['pellet token create --name laptop --scope deploy', 'pellet token list', 'pellet token revoke laptop'],
  bench: [
    'pellet bench depth -F image=@photo.jpg',
    'pellet bench tcn --input window.json --concurrency 1,4,16 --duration 10s --save before.json',
    'pellet bench tcn --input window.json --compare before.json',
  ],
  deploy: [
    'pellet deploy manifests/depth.yaml',
    'pellet deploy manifests/*.yaml --to http://pi.local:11500',
    'pellet deploy functions/tags.ts --dry-run',
  ],
  history: ['pellet history depth', 'pellet history depth --json --to http://pi.local:11500'],
  rollback: ['pellet rollback depth', 'pellet rollback depth 3f2a9c'],
  delete: ['pellet delete depth'],
  validate: ['pellet validate', 'pellet validate --probe manifests/depth.yaml functions/tags.ts'],
  models: ['pellet models', 'pellet models remove --unused', 'pellet models remove hailo8/depth.hef'],
  pull: ['pellet pull detect', 'pellet pull scdepthv3@hailo8 --accept-licence', 'pellet pull --all'],
  new: ['pellet new tags --model ~/mobilenet.onnx', 'pellet new detector faces', 'pellet new classifier tags'],
  systemd: ['pellet systemd install', 'pellet systemd install --yes --limits strict', 'pellet systemd status'],
  doctor: ['pellet doctor', 'pellet doctor --json'],
  'build-shim': ['pellet build-shim', 'pellet build-shim --json'],
  inspect: ['pellet inspect models/depth.onnx', 'pellet inspect models/hailo8/depth.hef --json'],
}

/** How `pellet --help` shows them: by what they are for. */
export const groups: Record<string, string[]> = {
  'Make functions': ['new', 'validate', 'inspect', 'pull', 'models'],
  'Serve them': ['start', 'dev'],
  'Deploy them': ['deploy', 'history', 'rollback', 'delete'],
  'Look at a running Pellet': ['list', 'ps', 'logs'],
  'Use it': ['invoke', 'load', 'unload', 'cache', 'bench'],
  'Operate it': ['doctor', 'build-shim', 'token', 'systemd'],
}

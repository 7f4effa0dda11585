import { defineCommand } from 'citty'
import { resolve } from 'node:path'
import { CliError } from '../cli-error.ts'
import { carryOut, formatStep, placeProblem } from '../systemd/carry-out.ts'
import { limits, ownPlaces, type Limits } from '../systemd/files.ts'
import { planInstall, planUninstall } from '../systemd/plan.ts'
import { readStatus, type InstallationStatus } from '../systemd/status.ts'
import { toTable } from '../table.ts'

export default defineCommand({
  meta: {
    name: 'systemd',
    description:
      'Pellet as a service of systemd: install it, uninstall it, or say how it is (status)\n' +
      'Without --yes it only says what it would do.',
  },
  args: {
    action: {
      type: 'positional',
      description: 'install, uninstall or status',
      required: true,
      valueHint: '<install|uninstall|status>',
    },
    yes: { type: 'boolean', description: 'Do it; needs root' },
    limits: {
      type: 'string',
      description: `To install: how much it may use: ${limits.join(', ')} (default: as before, else board)`,
      valueHint: 'limits',
    },
    root: { type: 'string', description: 'Folder of a system image, in place of this system', valueHint: 'folder' },
    json: { type: 'boolean', description: 'Print JSON' },
  },
  run({ args }) {
    const { action, yes, json } = args
    if (!['install', 'uninstall', 'status'].includes(action))
      throw misused(`expected install, uninstall or status, found ${action}`)
    if (args.limits !== undefined && (action !== 'install' || !limits.includes(args.limits as Limits)))
      throw misused(`--limits: expected one of ${limits.join(', ')} to install, found ${args.limits} to ${action}`)
    if (yes && action === 'status') throw misused('--yes: expected install or uninstall, found status')
    const root = resolve(args.root ?? '/')
    const places = ownPlaces()
    if (action === 'status') return printStatus(readStatus(root, places), json)
    const options = { root, places, limits: args.limits as Limits | undefined }
    const steps = action === 'install' ? planInstall(options) : planUninstall(options)
    const problem = action === 'install' ? placeProblem(places) : undefined
    if (!yes) {
      if (json) return console.log(JSON.stringify(steps, null, 2))
      console.log([`pellet systemd ${action} --yes would do this:`, ...steps.map(formatStep)].join('\n'))
      if (steps.length === 0) console.log(nothing)
      if (problem !== undefined) console.error(problem)
      return
    }
    if (root === '/') {
      if (problem !== undefined) throw new CliError(problem)
      if (process.getuid?.() !== 0) throw new CliError(`systemd ${action}: expected root, found another user; use sudo`)
    }
    carryOut(steps, root, (line) => (json ? undefined : console.log(line)))
    if (json) console.log(JSON.stringify(steps, null, 2))
    else if (steps.length === 0) console.log(nothing)
    else if (action === 'install' && root === '/') console.log(next)
  },
})

// --- internal ---

const nothing = '  nothing: Pellet is not installed'
const next = `Pellet is installed and runs. Functions and manifests go into /etc/pellet, models into /var/lib/pellet/models, then
systemctl reload pellet; or pellet deploy. Who is in the group pellet may do that: sudo usermod -aG pellet NAME`

function misused(message: string): CliError {
  return new CliError(`systemd: ${message}\nTry: pellet systemd --help`, 2)
}

/** @throws CliError when something is absent, of another version, or does not run */
function printStatus(status: InstallationStatus, json: boolean | undefined): void {
  const { isWell, ...shown } = status
  if (json) console.log(JSON.stringify(shown, null, 2))
  else console.log(toText(status))
  if (!isWell) throw new CliError('')
}

function toText({ files, limits: chosen, units, exposure }: InstallationStatus): string {
  const cells = units.map((row) => [row.unit, row.active, row.enabled, row.status || '-'])
  return [
    toTable(
      ['FILE', 'STATE'],
      files.map(({ path, state }) => [path, state]),
    ),
    ...(units.length === 0 ? [] : [toTable(['UNIT', 'ACTIVE', 'AT BOOT', 'STATUS'], cells)]),
    `limits: ${chosen}; exposure: ${exposure ?? 'unknown'} (systemd-analyze security, 0 is best)`,
  ].join('\n\n')
}

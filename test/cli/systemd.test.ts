import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { adminSocketPath, loadConfig } from '../../runtime/config.ts'
import { readConfigOrInstalled, readSocketPath } from '../../runtime/cli/settings.ts'
import { placeProblem } from '../../runtime/cli/systemd/carry-out.ts'
import { installedFiles, limits } from '../../runtime/cli/systemd/files.ts'
import { planInstall } from '../../runtime/cli/systemd/plan.ts'
import { runHere } from '../support/cli.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { projectRoot } from '../support/root.ts'

const systemd = suite('pellet systemd')
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
const withSystemd = hasSystemd ? systemd : systemd.skip

const tree = temporaryFolder()
const units = join(tree, 'etc/systemd/system')
const pellet = (...args: string[]) => runHere(tree, ['systemd', ...args, '--root', tree])

systemd('without --yes says each file and command, and does nothing', async () => {
  const { code, stdout } = await pellet('install')
  assert.is(code, 0)
  assert.match(stdout, 'pellet systemd install --yes would do this:\n  write   /etc/systemd/system/pellet.service\n')
  assert.match(stdout, `  run     systemctl --root=${tree} enable pellet.socket pellet.service\n`)
  assert.equal(readdirSync(tree), [])
  assert.is((await pellet('uninstall')).stdout.split('\n')[1], '  nothing: Pellet is not installed')
})

systemd('on this system it would make the user before the units start, and close a socket that changes', () => {
  const plan = (root: string) => planInstall({ root, places: { node: '/usr/bin/node', pellet: '/usr/lib/pellet' } })
  const commands = plan('/').flatMap(({ what, target }) => (what === 'run' ? [target] : []))
  const order = ['systemd-sysusers', 'systemd-tmpfiles', 'systemctl daemon-reload', 'systemctl start pellet.socket']
  const places = order.map((start) => commands.findIndex((command) => command.startsWith(start)))
  assert.ok(
    places.every((place, index) => place >= 0 && place > (places[index - 1] ?? -1)),
    commands.join('\n'),
  )
})

systemd('refuses what it does not know, and a place that services do not see', async () => {
  for (const [args, message] of [
    [['reinstall'], /expected install, uninstall or status, found reinstall/],
    [['install', '--limits', 'some'], /--limits: expected one of board, strict, none to install, found some/],
    [['status', '--yes'], /--yes: expected install or uninstall, found status/],
  ] as const) {
    const { code, stderr } = await pellet(...args)
    assert.is(code, 2)
    assert.match(stderr, message)
  }
  assert.match(placeProblem({ node: '/home/pi/.nvm/node', pellet: '/usr/lib/pellet' })!, /^\/home\/pi\/\.nvm\/node: /)
  assert.is(placeProblem({ node: '/usr/bin/node', pellet: '/usr/lib/node_modules/pellet' }), undefined)
})

systemd('no file has a placeholder left, and a path is one word', () => {
  const places = { node: '/opt/a b%c/node', pellet: '/usr/lib/pellet' }
  for (const chosen of limits)
    for (const { path, content } of installedFiles(places, chosen)) {
      assert.not.match(content, /@[A-Z]+@/, path)
      assert.match(content, /^# /, path)
    }
  const service = installedFiles(places, 'none')[0]!.content
  assert.match(service, 'ExecStart="/opt/a b%%c/node" "/usr/lib/pellet/dist/runtime/cli/main.js" start')
})

withSystemd('installs into a tree: whole, enabled, of this version; what was changed is told', async () => {
  assert.is((await pellet('install', '--yes')).code, 0)
  assert.ok(existsSync(join(units, 'sockets.target.wants')) && existsSync(join(units, 'multi-user.target.wants')))
  assert.is(statSync(join(units, 'pellet.service')).mode & 0o777, 0o644)
  const well = await pellet('status')
  assert.is(well.code, 0, well.stdout)
  assert.match(well.stdout, /^limits: board; exposure: 1\.\d /m)

  writeFileSync(join(units, 'pellet.socket'), '# mine\n')
  writeFileSync(join(tree, 'etc/pellet/pellet.yaml'), 'grace: 5s\n')
  const changed = JSON.parse((await pellet('status', '--json')).stdout) as { files: { path: string; state: string }[] }
  assert.equal(
    changed.files.filter(({ state }) => state !== 'as this version'),
    [
      { path: '/etc/systemd/system/pellet.socket', state: 'differs' },
      { path: '/etc/pellet/pellet.yaml', state: 'yours' },
    ],
  )
  const again = await pellet('install', '--yes', '--limits', 'strict')
  assert.match(again.stdout, '  write   /etc/systemd/system/pellet.socket  (another is there)')
  assert.match(again.stdout, '  keep    /etc/pellet/pellet.yaml  (yours)')
  assert.match((await pellet('install')).stdout, /keep {4}.*10-limits\.conf {2}\(as chosen before/)
  assert.match((await pellet('status')).stdout, /^limits: strict/m)
})

withSystemd('systemd has nothing to say about the units, and rates them 1.5 or better', () => {
  const files = ['pellet.service', 'pellet.socket'].map((unit) => join(units, unit))
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], { encoding: 'utf8' })
  assert.equal([verified.status, verified.stdout, verified.stderr], [0, '', ''])
  const args = ['security', '--no-pager', '--offline=true', '--threshold=15', files[0]!]
  const rated = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
  assert.is(rated.status, 0, rated.stdout)
  assert.match(rated.stdout, /Overall exposure level for pellet.service: 1\.\d/)
})

withSystemd('uninstalling leaves configuration, data and drop-ins of one’s own', async () => {
  mkdirSync(join(tree, 'var/lib/pellet'), { recursive: true })
  writeFileSync(join(units, 'pellet.service.d/override.conf'), '[Service]\nMemoryMax=1G\n')
  assert.is((await pellet('uninstall', '--yes')).code, 0)
  const left = readdirSync(tree, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  assert.equal(left.map(({ name }) => name).toSorted(), ['override.conf', 'pellet.yaml'])
  assert.ok(existsSync(join(tree, 'var/lib/pellet')))
  assert.is((await pellet('status')).code, 1)
  assert.is((await pellet('install', '--yes')).code, 0)
  for (const unit of ['pellet.service', 'pellet.socket']) rmSync(join(units, unit))
  assert.not.match((await pellet('uninstall')).stdout, 'systemctl', 'there is nothing to disable')
  assert.is((await pellet('uninstall', '--yes')).code, 0)
  assert.is((await pellet('uninstall', '--yes')).stdout, '  nothing: Pellet is not installed\n')
})

systemd('the command line finds the installed Pellet where none runs in the current folder', async () => {
  const root = join(tree, 'etc/pellet')
  mkdirSync(root, { recursive: true })
  const yaml = readFileSync(join(projectRoot, 'systemd/pellet.yaml'), 'utf8')
  writeFileSync(join(root, 'pellet.yaml'), yaml)
  const installed = await loadConfig({ root })
  assert.is(adminSocketPath(installed), '/run/pellet/pellet.sock')
  assert.is(installed.modelsFolder, '/var/lib/pellet/models')

  const folder = temporaryFolder()
  const before = process.cwd()
  process.chdir(folder)
  try {
    assert.is(await readSocketPath({}, root), '/run/pellet/pellet.sock')
    assert.is((await readConfigOrInstalled({}, root)).dataFolder, '/var/lib/pellet')
    assert.is(await readSocketPath({ root: folder }, root), join(folder, '.pellet/pellet.sock'), 'one that is named')
    mkdirSync(join(folder, '.pellet'))
    assert.is(await readSocketPath({}, root), '/run/pellet/pellet.sock', 'a project that does not run')
    assert.is((await readConfigOrInstalled({}, root)).dataFolder, join(folder, '.pellet'))
    writeFileSync(join(folder, '.pellet/pellet.sock'), '')
    chmodSync(join(folder, '.pellet/pellet.sock'), 0o600)
    assert.is(await readSocketPath({}, root), join(folder, '.pellet/pellet.sock'))
  } finally {
    process.chdir(before)
  }
})

systemd.run()

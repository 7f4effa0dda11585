import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { diagnose } from '../../runtime/cli/doctor/diagnose.ts'
import type { DoctorFacts } from '../../runtime/cli/doctor/facts.ts'
import {
  readDrivers,
  readHolders,
  readInstalledDrivers,
  readNodes,
  readPci,
} from '../../runtime/cli/doctor/hardware.ts'
import { askLibrary } from '../../runtime/cli/doctor/library.ts'
import { readMachine } from '../../runtime/cli/doctor/machine.ts'
import { testWithCompiler, withCLibrary } from '../support/c-compiler.ts'
import { cases, noDriver, well } from './doctor-cases.ts'
import { hailortSource } from '../ffi/hailort-source.ts'

const test = suite('doctor')
let folder: string
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'doctor-'))
})
test.after(() => rmSync(folder, { recursive: true }))

const shown = (facts: DoctorFacts) =>
  diagnose(facts).map(({ level, check, found, mend }) => `${level} ${check}: ${found}${mend ? ` | ${mend}` : ''}`)

test('a board on which all is well', () => {
  assert.equal(shown(well), [
    'ok NPU: Hailo-8 or 8L at 0001:01:00.0 (1e60:2864)',
    'ok PCIe link: 8.0 GT/s, 1 lane (the device could do 8.0 GT/s and 4)',
    'ok page size: pages of 16 KB; force_desc_page_size=4096 is in force',
    'ok driver: hailo_pci 4.23.0',
    'ok device node: /dev/hailo0 (0001:01:00.0), mode 0660, group hailo',
    'ok in use: by the device host of Pellet (pid 7)',
    'ok HailoRT: 4.23.0 (/usr/lib/libhailort.so.4.23.0)',
    'ok shim: built for HailoRT 4.23.0',
    'ok device: 0001:01:00.0: hailo8l, firmware 4.23.0, HAILO-8L, serial HL1',
    'ok temperature: 52 °C',
    'ok throttling: the chip slows down by itself before it is too hot; its clock is at 400 MHz',
    'ok power: 1.75 W',
    'ok models: 1 HEF, right for the chips that the manifests name',
    'ok memory: 4.7 GB of 7.5 GB available, no swap',
    'ok power supply: no undervoltage',
    'ok Pellet: 0.1.0 at http://127.0.0.1:11500 uses hailo8l: detect loaded',
  ])
})

for (const [what, different, lines] of cases)
  test(what, () =>
    assert.equal(
      shown({ ...well, ...different }).filter((line) => !line.startsWith('ok ')),
      lines,
    ),
  )

test('without an NPU nothing is wrong, whatever else is missing', () => {
  const { running: _running, ...facts } = well
  const none = {
    ...facts,
    ...noDriver,
    pci: [],
    library: { devices: [] },
    shim: { isBuilt: false, missing: [] },
    hefs: [],
  }
  assert.equal(shown(none).slice(0, 2), [
    'ok NPU: none on PCIe; models run on the CPU with ONNX Runtime (if one is fitted, see its cable, and dtparam=pciex1 in /boot/firmware/config.txt)',
    'ok HailoRT: not installed, and not needed without an NPU',
  ])
  assert.not.ok(diagnose(none).some(({ level }) => level !== 'ok'))
  const broken = { ...none, library: { file: '/usr/lib/libhailort.so', problem: 'it cannot be loaded', devices: [] } }
  assert.is(shown(broken)[1], 'warn HailoRT: it cannot be loaded')
})

test('the facts are where the kernel has them', () => {
  const root = join(folder, 'root')
  const tree: Record<string, string> = {
    'proc/device-tree/model': 'Raspberry Pi 5 Model B Rev 1.0\0',
    'proc/self/smaps': '55d0-55d1 r-xp\nSize:   16 kB\nKernelPageSize:       16 kB\n',
    'proc/meminfo': 'MemTotal:        8245120 kB\nMemAvailable:    5000000 kB\nSwapTotal:        102400 kB\n',
    'proc/41/cmdline': 'node\0/opt/pellet/dist/runtime/device/host/main.js\0{}\0',
    'proc/42/cmdline': 'python3\0cam.py\0',
    'proc/42/cgroup': '0::/system.slice/cam.service\n',
    'proc/43/cmdline': 'bash\0',
    'sys/class/hwmon/hwmon2/name': 'rpi_volt\n',
    'sys/class/hwmon/hwmon2/in0_lcrit_alarm': '1\n',
    'sys/bus/pci/devices/0000:00:00.0/vendor': '0x14e4\n',
    'sys/bus/pci/devices/0001:01:00.0/vendor': '0x1e60\n',
    'sys/bus/pci/devices/0001:01:00.0/device': '0x2864\n',
    'sys/bus/pci/devices/0001:01:00.0/current_link_speed': '5.0 GT/s PCIe\n',
    'sys/bus/pci/devices/0001:01:00.0/current_link_width': '1\n',
    'sys/bus/pci/devices/0001:01:00.0/max_link_speed': '8.0 GT/s PCIe\n',
    'sys/bus/pci/devices/0001:01:00.0/max_link_width': '4\n',
    'sys/module/hailo_pci/version': '4.23.0\n',
    'sys/module/hailo_pci/parameters/force_desc_page_size': '0\n',
    'sys/class/hailo_chardev/hailo0/board_location': '0001:01:00.0',
    'etc/modprobe.d/hailo_pci.conf': '# 4096\noptions hailo_pci o_dbg=1 force_desc_page_size=4096\n',
    'etc/group': `audio:x:29:\nhailo:x:${process.getgid!()}:pi\n`,
    'lib/modules/6.12.0/modules.dep': 'kernel/drivers/misc/hailo_pci.ko.xz: kernel/x.ko\nextra/hailo1x_pci_other.ko:\n',
    'dev/hailo0': '',
    'dev/hailo_pci_ep': '',
  }
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text, { mode: 0o660 })
  }
  // What a container engine leaves, and what has just gone.
  mkdirSync(join(root, 'dev/hailo1'))
  symlinkSync('nowhere', join(root, 'dev/hailo2'))
  symlinkSync('../../../../bus/pci/drivers/hailo', join(root, 'sys/bus/pci/devices/0001:01:00.0/driver'))
  for (const [pid, target] of [
    [41, '/dev/hailo0'],
    [42, '/dev/hailo0'],
    [43, '/dev/null'],
  ] as const) {
    mkdirSync(join(root, `proc/${pid}/fd`))
    symlinkSync(target, join(root, `proc/${pid}/fd/9`))
  }
  assert.equal(readMachine(root), {
    model: 'Raspberry Pi 5 Model B Rev 1.0',
    pageBytes: 16384,
    availableBytes: 5_000_000 * 1024,
    totalBytes: 8_245_120 * 1024,
    swapBytes: 102_400 * 1024,
    isUndervolted: true,
  })
  const link = { speed: '5.0 GT/s', width: '1', bestSpeed: '8.0 GT/s', bestWidth: '4' }
  assert.equal(readPci(root), [{ address: '0001:01:00.0', deviceId: '2864', driver: 'hailo', link }])
  assert.equal(readDrivers(root), [
    { name: 'hailo_pci', version: '4.23.0', forcedPageBytes: 0, configuredPageBytes: 4096 },
  ])
  assert.equal(readInstalledDrivers(root, '6.12.0'), ['hailo_pci'])
  const [node, ...none] = readNodes(root)
  assert.equal(
    [node!.path, node!.id, node!.group, node!.isUsable, none],
    ['/dev/hailo0', '0001:01:00.0', 'hailo', true, []],
  )
  assert.equal(readHolders(root), {
    holders: [
      { pid: 41, command: 'node /opt/pellet/dist/runtime/device/host/main.js {}', isPellet: true },
      { pid: 42, command: 'python3 cam.py', isPellet: false, unit: 'cam.service' },
    ],
    areHoldersHidden: false,
  })
})

testWithCompiler(test, 'a library that hangs or crashes costs what it did not answer, and no more', () =>
  withCLibrary(
    hailortSource,
    async (file) => {
      process.env['PELLET_HAILORT_PREFIX'] = dirname(dirname(file))
      process.env['FAKE_HAILORT'] = 'soc'
      try {
        const { version, devices, stuckAt } = await askLibrary()
        assert.equal(
          [version, stuckAt, devices.map(({ id }) => id)],
          ['4.23.0', undefined, ['0000:01:00.0', '0001:01:00.0']],
        )
        assert.equal([devices[0]!.problems[0]!.what, devices[0]!.problems[0]!.kind], ['open', 'absent'])
        const { chip, temperature, watts, isThrottlingEnabled, problems } = devices[1]!
        assert.equal([chip, temperature, watts, isThrottlingEnabled, problems], ['hailo8l', 52.25, 1.75, undefined, []])

        for (const [trouble, end] of [
          ['hang', /^gave no answer in 2 s$/],
          ['crash', /^ended with SIGABRT$/],
        ] as const) {
          process.env['FAKE_HAILORT'] = trouble
          const found = await askLibrary(trouble === 'hang' ? 2000 : 15_000)
          assert.is(found.version, '4.23.0')
          assert.is(found.stuckAt!.what, 'identity of 0001:01:00.0')
          assert.match(found.stuckAt!.end, end)
          assert.is(found.stuckAt!.isCrash, trouble === 'crash')
        }
      } finally {
        delete process.env['PELLET_HAILORT_PREFIX']
        delete process.env['FAKE_HAILORT']
      }
    },
    'libhailort.so',
  ),
)

test.run()

import type { DoctorFacts } from '../../runtime/cli/doctor/facts.ts'

/** What a Raspberry Pi 5 with an AI HAT+ has, all well. */
export const well: DoctorFacts = {
  machine: {
    model: 'Raspberry Pi 5 Model B Rev 1.0',
    pageBytes: 16384,
    availableBytes: 5e9,
    totalBytes: 8e9,
    swapBytes: 0,
    isUndervolted: false,
  },
  pci: [
    {
      address: '0001:01:00.0',
      deviceId: '2864',
      driver: 'hailo',
      link: { speed: '8.0 GT/s', width: '1', bestSpeed: '8.0 GT/s', bestWidth: '4' },
    },
  ],
  drivers: [{ name: 'hailo_pci', version: '4.23.0', forcedPageBytes: 4096, configuredPageBytes: 4096 }],
  installedDrivers: ['hailo_pci'],
  nodes: [{ path: '/dev/hailo0', id: '0001:01:00.0', mode: '0660', group: 'hailo', isUsable: true }],
  holders: [{ pid: 7, command: 'node /opt/pellet/dist/runtime/device/host/main.js', isPellet: true }],
  areHoldersHidden: false,
  library: {
    file: '/usr/lib/libhailort.so.4.23.0',
    version: '4.23.0',
    devices: [
      {
        id: '0001:01:00.0',
        chip: 'hailo8l',
        firmware: '4.23.0',
        product: 'HAILO-8L',
        serial: 'HL1',
        temperature: 51.6,
        isThrottlingEnabled: true,
        clockHz: 4e8,
        watts: 1.752,
        problems: [],
      },
    ],
  },
  shim: { isBuilt: true, missing: [] },
  hefs: [{ name: 'detect', chip: 'hailo8l', shown: 'models/hailo8l/detect.hef', isThere: true }],
  running: { version: '0.1.0', address: 'http://127.0.0.1:11500', chip: 'hailo8l', kind: 'hailort', onNpu: ['detect'] },
  setting: 'auto',
  hasCompiler: true,
}

const pci10h = { address: '0001:01:00.0', deviceId: '45c4', driver: 'hailo1x' }
const device = well.library.devices[0]!
export const noDriver: Partial<DoctorFacts> = {
  drivers: [],
  nodes: [],
  holders: [],
  library: { ...well.library, devices: [] },
}

/** What is different from a board that is well; what is told that is not `ok`. */
export const cases: [what: string, different: Partial<DoctorFacts>, lines: string[]][] = [
  [
    'the driver is not there for this kernel',
    { ...noDriver, installedDrivers: [] },
    [
      'fail driver: hailo_pci, the driver of Hailo-8 and 8L, is not there for this kernel | sudo apt update && sudo apt full-upgrade && sudo apt install --reinstall hailo-all && sudo reboot',
    ],
  ],
  [
    'the driver is installed, and not loaded',
    noDriver,
    ['fail driver: hailo_pci is installed, but not loaded | sudo modprobe hailo_pci'],
  ],
  [
    'the driver of the other generation',
    { ...noDriver, installedDrivers: ['hailo1x_pci'], drivers: [{ name: 'hailo1x_pci', version: '5.2.0' }] },
    [
      'fail driver: hailo_pci, the driver of Hailo-8 and 8L, is not there for this kernel; hailo1x_pci is loaded, which is for other chips | sudo apt update && sudo apt full-upgrade && sudo apt install --reinstall hailo-all && sudo reboot',
    ],
  ],
  [
    'the firmware did not start',
    { nodes: [], holders: [], library: { ...well.library, devices: [] } },
    [
      'fail driver: hailo_pci 4.23.0 made no device node: the firmware did not start | sudo apt update && sudo apt full-upgrade && sudo apt install --reinstall hailo-all && sudo reboot',
    ],
  ],
  [
    'the page size',
    { drivers: [{ name: 'hailo_pci', version: '4.23.0', forcedPageBytes: 0 }] },
    [
      "fail page size: the kernel has pages of 16 KB, and the driver is not told that the chip takes 4 KB at most: models cannot be configured | echo 'options hailo_pci force_desc_page_size=4096' | sudo tee -a /etc/modprobe.d/hailo_pci.conf && sudo reboot",
    ],
  ],
  [
    'the page size is configured, but the driver is older than that',
    { drivers: [{ name: 'hailo_pci', version: '4.23.0', forcedPageBytes: 0, configuredPageBytes: 4096 }] },
    [
      'fail page size: pages of 16 KB; force_desc_page_size=4096 is configured, but the driver was loaded without it | sudo modprobe -r hailo_pci && sudo modprobe hailo_pci',
    ],
  ],
  [
    'pages of 4 KB need nothing',
    { machine: { model: 'PC', pageBytes: 4096 }, drivers: [{ name: 'hailo_pci', version: '4.23.0' }] },
    [],
  ],
  [
    'a slow link',
    { pci: [{ ...well.pci[0]!, link: { speed: '5.0 GT/s', width: '1', bestSpeed: '8.0 GT/s', bestWidth: '4' } }] },
    [
      'warn PCIe link: 5.0 GT/s, 1 lane (the device could do 8.0 GT/s and 4): slower than it could be | echo dtparam=pciex1_gen=3 | sudo tee -a /boot/firmware/config.txt && sudo reboot',
    ],
  ],
  [
    'a node that is for another group',
    { nodes: [{ ...well.nodes[0]!, isUsable: false }] },
    [
      'fail device node: /dev/hailo0 (0001:01:00.0), mode 0660, group hailo: this user may not open it | sudo usermod -aG hailo "$USER"   (then log in anew)',
    ],
  ],
  [
    'a node that is root’s',
    { nodes: [{ path: '/dev/hailo0', mode: '0600', group: 'root', isUsable: false }] },
    [
      'fail device node: /dev/hailo0, mode 0600, group root: this user may not open it | sudo pellet systemd install --yes   (brings a udev rule and the group hailo)',
    ],
  ],
  [
    'another program has it',
    { holders: [{ pid: 99, command: 'python3 detect.py', isPellet: false }] },
    ['fail in use: another program has the device open: python3 detect.py (pid 99) | sudo kill 99'],
  ],
  [
    'a service has it, which the system would start again',
    { holders: [{ pid: 99, command: 'python3 detect.py', isPellet: false, unit: 'detect.service' }] },
    [
      'fail in use: another program has the device open: python3 detect.py (pid 99, of detect.service) | sudo systemctl stop detect.service',
    ],
  ],
  [
    'another program has a Hailo-10H, which may be shared; its driver knows of large pages',
    {
      pci: [pci10h],
      drivers: [{ name: 'hailo1x_pci', version: '5.2.0', forcedPageBytes: 0 }],
      library: { file: '/usr/lib/libhailort.so.5.2.0', version: '5.2.0', devices: [] },
      holders: [{ pid: 99, command: 'chat', isPellet: false }],
    },
    ['warn in use: another program has the device open: chat (pid 99) | sudo kill 99'],
  ],
  [
    'no library',
    { library: { devices: [] } },
    ['fail HailoRT: libhailort is not installed | sudo apt install hailo-all'],
  ],
  [
    'a library of the other generation',
    { pci: [pci10h], drivers: [{ name: 'hailo1x_pci', version: '5.2.0', forcedPageBytes: 4096 }], hefs: [] },
    [
      'fail HailoRT: 4.23.0 (/usr/lib/libhailort.so.4.23.0) is not for Hailo-10H, which want HailoRT 5 | sudo apt install hailo-h10-all',
    ],
  ],
  [
    'a library that is not known',
    { library: { ...well.library, devices: [], version: '4.20.0', problem: 'expected HailoRT 4.23, found 4.20.0' } },
    [
      'fail HailoRT: expected HailoRT 4.23, found 4.20.0 | sudo apt update && sudo apt full-upgrade && sudo apt install --reinstall hailo-all && sudo reboot',
    ],
  ],
  [
    'a driver of another version',
    { drivers: [{ name: 'hailo_pci', version: '4.20.0', forcedPageBytes: 4096 }] },
    [
      'fail versions: the driver is 4.20.0, the library 4.23.0: they must be the same | sudo apt update && sudo apt full-upgrade && sudo apt install --reinstall hailo-all && sudo reboot',
    ],
  ],
  [
    'firmware of another version',
    { library: { ...well.library, devices: [{ ...device, firmware: '4.21.0' }] } },
    [
      'fail versions: the firmware is 4.21.0, the library 4.23.0: they are made for each other in one version | sudo apt update && sudo apt full-upgrade && sudo apt install --reinstall hailo-all && sudo reboot',
    ],
  ],
  [
    'a library that hangs',
    {
      library: {
        ...well.library,
        devices: [],
        stuckAt: { what: 'identity of 0001:01:00.0', end: 'gave no answer in 15 s', isCrash: false },
      },
    },
    [
      'fail HailoRT: HailoRT 4.23.0 gave no answer in 15 s when it was asked: identity of 0001:01:00.0 | sudo modprobe -r hailo_pci && sudo modprobe hailo_pci',
    ],
  ],
  [
    'a library that crashes',
    {
      library: {
        ...well.library,
        devices: [],
        stuckAt: { what: 'look for devices', end: 'ended with SIGSEGV', isCrash: true },
      },
    },
    [
      'fail HailoRT: HailoRT 4.23.0 ended with SIGSEGV when it was asked: look for devices | sudo apt update && sudo apt full-upgrade && sudo apt install --reinstall hailo-all && sudo reboot',
    ],
  ],
  [
    'no headers for the shim',
    {
      shim: {
        isBuilt: false,
        missing: [{ what: 'hailo/infer_model.hpp', where: '/usr/include', advice: 'apt install hailo-all (..)' }],
      },
    },
    [
      'fail shim: hailo/infer_model.hpp is missing (/usr/include): Pellet cannot build its part over HailoRT | sudo apt update && sudo apt full-upgrade && sudo apt install --reinstall hailo-all && sudo reboot',
    ],
  ],
  [
    'no compiler for the shim',
    { shim: { isBuilt: false, missing: [{ what: 'g++', where: 'no c++, g++ in PATH', advice: 'apt install g++' }] } },
    [
      'fail shim: g++ is missing (no c++, g++ in PATH): Pellet cannot build its part over HailoRT | sudo apt install g++',
    ],
  ],
  [
    'a device that answers in part',
    {
      library: {
        ...well.library,
        devices: [{ ...device, problems: [{ what: 'temperature', reason: 'no answer came in time' }] }],
      },
    },
    [
      'fail device: 0001:01:00.0: temperature: no answer came in time | sudo modprobe -r hailo_pci && sudo modprobe hailo_pci',
    ],
  ],
  [
    'a hot chip without its protection',
    { library: { ...well.library, devices: [{ ...device, temperature: 92, isThrottlingEnabled: false }] } },
    [
      'warn temperature: 92 °C: the chip slows down when it gets much hotter | cool it: a heat sink, a fan, or fewer frames a second',
      'warn throttling: the chip’s own protection against heat is switched off; its clock is at 400 MHz | sudo reboot',
    ],
  ],
  [
    'a HEF for another chip',
    {
      hefs: [
        ...well.hefs,
        { name: 'depth', chip: 'hailo8l', shown: 'models/depth.hef', isThere: true, refusal: 'it is for hailo8' },
      ],
    },
    [
      'fail model: depth: it is for hailo8 | pellet inspect models/depth.hef   (then name another file under hef)',
      'warn model: depth has no HEF here for hailo8l: it does not run on the NPU | pellet pull depth',
    ],
  ],
  [
    'models that cannot be looked at',
    { hefs: [], hefProblem: 'a record is damaged' },
    ['warn models: they could not be looked at: a record is damaged'],
  ],
  [
    'a weak board',
    { machine: { ...well.machine, availableBytes: 2e8, isUndervolted: true } },
    [
      'warn memory: 191 MB of 7.5 GB available, no swap: too little for most models | end other programs, or pellet unload NAME',
      'fail power supply: the voltage was too low since the board was started | use the supply that its maker sells for it',
    ],
  ],
  [
    'a Pellet that was started before the NPU was there',
    { running: { version: '0.1.0', address: 'http://[::1]:1', whyNot: 'no NPU was found', onNpu: [] } },
    [
      'warn Pellet: 0.1.0 at http://[::1]:1 runs models on the CPU: no NPU was found | pellet start anew, or systemctl reload pellet',
    ],
  ],
  [
    'it is switched off',
    { setting: 'off' },
    ['warn Pellet: hailort: off in the configuration: the NPU is not used | remove hailort: off from pellet.yaml'],
  ],
  [
    'a simulation without a compiler',
    { setting: 'simulated', hasCompiler: false },
    ['fail simulation: hailort: simulated, but there is no C compiler to build the device with | sudo apt install gcc'],
  ],
]

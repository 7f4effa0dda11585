import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { temporaryFolder } from './fixture-tmp.ts'
import { pelletBin } from './pellet.ts'

/** Whether Python is here: Node has no datagram sockets of the unix family, and cannot hand sockets over as systemd does. */
export const hasPython = spawnSync('python3', ['--version']).status === 0

/** What came of the service, in order. */
export type ServiceEvent = { notify: string } | { exit: number } | { log: string }

/**
 * Does for one program what systemd does for a unit and its socket unit: holds the listening sockets, hands them over,
 * listens to what it says of itself, and starts it again. Ended with the test's process.
 */
export class SmallServiceManager {
  readonly events: ServiceEvent[] = []
  readonly adminSocket: string
  /** Where it listens for what services say; the abstract name is the same place. */
  readonly notifySocket: string
  readonly abstractNotifySocket: string
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()
  #isOpen = false

  /** @param ports of the TCP sockets that it hands over; the first is the main port. With them goes an admin socket. */
  static async start(folder: string, ports: readonly number[], env: Record<string, string> = {}) {
    const manager = new SmallServiceManager(folder, ports, env)
    await manager.#heard(() => manager.#isOpen, 'its sockets')
    return manager
  }

  private constructor(folder: string, ports: readonly number[], env: Record<string, string>) {
    const own = temporaryFolder()
    this.adminSocket = join(own, 'admin.sock')
    this.notifySocket = join(own, 'notify.sock')
    this.abstractNotifySocket = `@${own}`
    const sockets = [ports.join(), this.adminSocket, this.notifySocket, this.abstractNotifySocket]
    const args = ['-c', program, ...sockets, process.execPath, pelletBin, 'start']
    this.#child = spawn('python3', args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const event = JSON.parse(line) as ServiceEvent | { open: true }
      if ('open' in event) this.#isOpen = true
      else this.events.push(event)
      for (const check of this.#waiting) check()
    })
  }

  /** `start`, or the name of a signal for the service's main process. */
  order(what: 'start' | 'SIGTERM' | 'SIGHUP' | 'SIGKILL'): void {
    this.#child.stdin!.write(`${what}\n`)
  }

  /** Orders, and waits until the service says so. @returns all that it said in that message */
  async orderUntil(what: 'start' | 'SIGHUP', said: string): Promise<string> {
    const from = this.events.length
    this.order(what)
    return this.notified(said, from)
  }

  /** The message with a line that begins so, from an event on; the first, or a later one. */
  async notified(line: string, from = 0, count = 1): Promise<string> {
    const has = (text: string) => text.split('\n').some((one) => one.startsWith(line))
    const find = () => this.messages(from).filter(has)[count - 1]
    await this.#heard(() => find() !== undefined, line)
    return find()!
  }

  /** SIGTERM, and how it ended. */
  async stop(): Promise<number> {
    const from = this.events.length
    const find = () => this.events.slice(from).find((event) => 'exit' in event)
    this.order('SIGTERM')
    await this.#heard(() => find() !== undefined, 'the end')
    return (find() as { exit: number }).exit
  }

  messages(from = 0): string[] {
    return this.events.slice(from).flatMap((event) => ('notify' in event ? [event.notify] : []))
  }

  logged(): string {
    return this.events.flatMap((event) => ('log' in event ? [event.log] : [])).join('\n')
  }

  /** Kills what still runs. */
  async close(): Promise<void> {
    this.#child.stdin!.end()
    if (this.#child.exitCode === null) await new Promise((resolve) => this.#child.once('exit', resolve))
  }

  // --- internal ---

  #heard(isThere: () => boolean, what: string, timeoutMs = 20_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(check)
        done()
      }
      const check = () => isThere() && settle(resolve)
      const timer = setTimeout(
        () => settle(() => reject(new Error(`expected ${what}, found ${JSON.stringify(this.events, undefined, 1)}`))),
        timeoutMs,
      )
      this.#waiting.add(check)
      check()
    })
  }
}

// --- internal ---

const program = `
import json, os, select, signal, socket, sys
ports, admin_path, notify_path, abstract, command = sys.argv[1].split(','), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]
def say(**event):
    sys.stdout.write(json.dumps(event) + '\\n')
    sys.stdout.flush()
def listen_to(address):
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(address)
    return receiver
receivers = [listen_to(notify_path), listen_to('\\0' + abstract[1:])]
held = [socket.create_server(('127.0.0.1', int(port)), backlog=4096) for port in ports]
admin = socket.socket(socket.AF_UNIX)
admin.bind(admin_path)
admin.listen()
held.append(admin)
say(open=True)
def hear(ready):
    for one in receivers:
        if one in ready: say(notify=one.recv(65536).decode())
pid, log, rest = 0, None, b''
def start():
    global pid, log
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.dup2(os.open('/dev/null', os.O_RDONLY), 0)
        # First out of the way, then into place.
        high = [os.dup2(one.fileno(), 100 + index) for index, one in enumerate(held)]
        for index, fd in enumerate(high): os.dup2(fd, 3 + index)
        os.closerange(3 + len(held), 256)
        os.environ.update(NOTIFY_SOCKET=notify_path, LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(held)))
        if 'WATCHDOG_USEC' in os.environ: os.environ['WATCHDOG_PID'] = str(os.getpid())
        os.execv(command[0], command)
    os.close(write)
    log = os.fdopen(read, 'rb', buffering=0)
while True:
    ready = select.select([0, *receivers] + ([log] if log else []), [], [])[0]
    hear(ready)
    if log in ready:
        data = log.read(65536)
        rest += data
        *lines, rest = rest.split(b'\\n')
        for line in lines: say(log=line.decode())
        # Its children have the pipe as well, and end with it.
        if not data:
            status = os.waitpid(pid, 0)[1]
            log = None
            while last := select.select(receivers, [], [], 0)[0]: hear(last)
            say(exit=os.waitstatus_to_exitcode(status))
    if 0 in ready:
        orders = os.read(0, 4096).decode().split()
        if not orders:
            if log: os.kill(pid, signal.SIGKILL)
            sys.exit()
        for order in orders:
            if order == 'start': start()
            elif log: os.kill(pid, getattr(signal, order))
`

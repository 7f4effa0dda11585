/**
 * What a failure is to Pellet, whatever its number:
 * `absent` none there, or not reachable · `busy` another program has it · `lost` it was there and is gone · `full` no memory left
 * on the chip · `too_many` models configured · `timeout` no answer in time · `bad_hef` the file · `wrong_chip` a file for another
 * chip · `version` driver, firmware and library do not fit each other · `aborted` the model was shut down · `queue_full` soon
 * again · `argument` what was asked for cannot be · `host_memory` the machine's own memory · `internal` all else
 */
export type HailoErrorKind =
  | 'absent'
  | 'busy'
  | 'lost'
  | 'full'
  | 'too_many'
  | 'timeout'
  | 'bad_hef'
  | 'wrong_chip'
  | 'version'
  | 'aborted'
  | 'queue_full'
  | 'argument'
  | 'host_memory'
  | 'internal'

/** What was under way. The same number means different things. */
export type HailoOperation = 'open' | 'identify' | 'query' | 'load' | 'unload' | 'close' | 'priority' | 'frame'

/** Clauses for a sentence. */
export interface Explanation {
  kind: HailoErrorKind
  /** What happened. */
  meaning: string
  /** What to do. */
  advice: string
}

/** All of hailo_status, by number. HailoRT 4.23 and 5.2 number them alike; 94 and above are of 5 alone. */
export const statuses: readonly (Explanation & { name: string })[] = [
  row('SUCCESS', 'internal', 'it went well', 'nothing is to be done'),
  row('UNINITIALIZED', 'internal', 'HailoRT left a result unset'),
  row('INVALID_ARGUMENT', 'argument', 'HailoRT does not take what it was asked for'),
  row('OUT_OF_HOST_MEMORY', 'host_memory', 'this machine has no memory left', freeMemory()),
  row('TIMEOUT', 'timeout', 'no answer came in time', 'try again; if it lasts, run `pellet doctor`'),
  row('INSUFFICIENT_BUFFER', 'internal', 'a buffer is too small for the answer'),
  row('INVALID_OPERATION', 'argument', 'the NPU cannot do this in its present state'),
  row('NOT_IMPLEMENTED', 'version', 'this HailoRT cannot do it on this chip', fitVersions()),
  row('INTERNAL_FAILURE', 'internal', 'HailoRT failed inside'),
  row('DATA_ALIGNMENT_FAILURE', 'internal', 'data do not lie where the chip can read them'),
  row('CHUNK_TOO_LARGE', 'internal', 'a piece of data is larger than the chip takes at once'),
  row(
    'INVALID_LOGGER_LEVEL',
    'argument',
    'HailoRT does not know its log level',
    'set HAILORT_CONSOLE_LOGGER_LEVEL right',
  ),
  row('CLOSE_FAILURE', 'internal', 'something could not be closed'),
  row('OPEN_FILE_FAILURE', 'bad_hef', 'the file cannot be opened', 'see that it is there and readable'),
  row('FILE_OPERATION_FAILURE', 'bad_hef', 'the file cannot be read to its end', 'see that it is whole, and no folder'),
  row('UNSUPPORTED_CONTROL_PROTOCOL_VERSION', 'version', 'firmware and library talk differently', fitVersions()),
  row('UNSUPPORTED_FW_VERSION', 'version', 'the firmware is not one that this HailoRT works with', fitVersions()),
  row('INVALID_CONTROL_RESPONSE', 'internal', 'the firmware answered what HailoRT cannot read', restartDevice()),
  row('FW_CONTROL_FAILURE', 'internal', 'the firmware refused', restartDevice()),
  row('ETH_FAILURE', 'internal', 'a device on the network failed', noNetwork()),
  row('ETH_INTERFACE_NOT_FOUND', 'absent', 'no network interface leads to the device', noNetwork()),
  row('ETH_RECV_FAILURE', 'lost', 'nothing was received from a device on the network', noNetwork()),
  row('ETH_SEND_FAILURE', 'lost', 'nothing could be sent to a device on the network', noNetwork()),
  row('INVALID_FIRMWARE', 'version', 'the firmware file is none', installAnew()),
  row('INVALID_CONTEXT_COUNT', 'bad_hef', 'the HEF has more parts than the chip can run in turn', compileAnew()),
  row('INVALID_FRAME', 'argument', 'the frame is not one that the model takes'),
  row('INVALID_HEF', 'bad_hef', 'the HEF contradicts itself', compileAnew()),
  row('PCIE_NOT_SUPPORTED_ON_PLATFORM', 'absent', 'HailoRT knows no PCIe on this machine', installAnew()),
  row('INTERRUPTED_BY_SIGNAL', 'aborted', 'a signal interrupted it', 'try again'),
  row('START_VDMA_CHANNEL_FAIL', 'lost', 'a data channel of the chip could not be started', restartDevice()),
  row('SYNC_VDMA_BUFFER_FAIL', 'lost', 'memory could not be handed to the chip', restartDevice()),
  row('STOP_VDMA_CHANNEL_FAIL', 'lost', 'a data channel of the chip could not be stopped', restartDevice()),
  row('CLOSE_VDMA_CHANNEL_FAIL', 'lost', 'a data channel of the chip could not be closed', restartDevice()),
  row('ATR_TABLES_CONF_VALIDATION_FAIL', 'lost', 'the chip’s window into memory is not set up', restartDevice()),
  row('EVENT_CREATE_FAIL', 'internal', 'the system gave HailoRT no event', 'see the limit of open files (ulimit -n)'),
  row('READ_EVENT_FAIL', 'internal', 'an event of the system could not be read'),
  row('DRIVER_OPERATION_FAILED', 'lost', 'the driver refuses: the NPU no longer answers', restartDevice()),
  row('INVALID_FIRMWARE_MAGIC', 'version', 'the firmware file is none', installAnew()),
  row('INVALID_FIRMWARE_CODE_SIZE', 'version', 'the firmware file is damaged', installAnew()),
  row('INVALID_KEY_CERTIFICATE_SIZE', 'version', 'the firmware file is damaged', installAnew()),
  row('INVALID_CONTENT_CERTIFICATE_SIZE', 'version', 'the firmware file is damaged', installAnew()),
  row('MISMATCHING_FIRMWARE_BUFFER_SIZES', 'version', 'the firmware file is damaged', installAnew()),
  row('INVALID_FIRMWARE_CPU_ID', 'version', 'the firmware file is for another chip', installAnew()),
  row('CONTROL_RESPONSE_MD5_MISMATCH', 'internal', 'the firmware’s answer arrived damaged', restartDevice()),
  row('GET_CONTROL_RESPONSE_FAIL', 'lost', 'the firmware’s answer could not be fetched', restartDevice()),
  row('GET_D2H_EVENT_MESSAGE_FAIL', 'lost', 'a message of the firmware could not be fetched', restartDevice()),
  row('MUTEX_INIT_FAIL', 'internal', 'the system gave HailoRT no lock'),
  row(
    'OUT_OF_DESCRIPTORS',
    'host_memory',
    'the driver has no descriptors left for the frames of this model',
    useSmaller(),
  ),
  row('UNSUPPORTED_OPCODE', 'version', 'the firmware does not know what it was asked', fitVersions()),
  row('USER_MODE_RATE_LIMITER_NOT_SUPPORTED', 'argument', 'a rate cannot be limited here'),
  row('RATE_LIMIT_MAXIMUM_BANDWIDTH_EXCEEDED', 'argument', 'a rate is above what the chip can do'),
  row('ANSI_TO_UTF16_CONVERSION_FAILED', 'internal', 'a name could not be read'),
  row('UTF16_TO_ANSI_CONVERSION_FAILED', 'internal', 'a name could not be read'),
  row('UNEXPECTED_INTERFACE_INFO_FAILURE', 'internal', 'the system’s list of networks could not be read', noNetwork()),
  row('UNEXPECTED_ARP_TABLE_FAILURE', 'internal', 'the system’s list of neighbours could not be read', noNetwork()),
  row('MAC_ADDRESS_NOT_FOUND', 'absent', 'no device on the network has this address', noNetwork()),
  row('NO_IPV4_INTERFACES_FOUND', 'absent', 'there is no IPv4 network', noNetwork()),
  row('SHUTDOWN_EVENT_SIGNALED', 'aborted', 'it was shut down meanwhile', 'try again'),
  row('THREAD_ALREADY_ACTIVATED', 'internal', 'a thread of HailoRT runs already'),
  row('THREAD_NOT_ACTIVATED', 'internal', 'a thread of HailoRT does not run'),
  row('THREAD_NOT_JOINABLE', 'internal', 'a thread of HailoRT cannot be waited for'),
  row('NOT_FOUND', 'argument', 'there is nothing of that name or number'),
  row('COMMUNICATION_CLOSED', 'lost', 'the connection to the NPU is gone', restartDevice()),
  row('STREAM_ABORT', 'aborted', 'the model was shut down, or the NPU stopped', 'try again; the model is loaded anew'),
  row('DRIVER_NOT_INSTALLED', 'absent', 'the kernel driver is not loaded', loadDriver()),
  row('NOT_AVAILABLE', 'absent', 'this device does not have it', 'nothing is to be done'),
  row('TRAFFIC_CONTROL_FAILURE', 'internal', 'a rate could not be limited'),
  row('INVALID_SECOND_STAGE', 'version', 'the second part of the firmware is none', installAnew()),
  row('INVALID_PIPELINE', 'internal', 'HailoRT could not build the way of the frames'),
  row('NETWORK_GROUP_NOT_ACTIVATED', 'aborted', 'the model is not active on the chip', 'try again'),
  row('VSTREAM_PIPELINE_NOT_ACTIVATED', 'aborted', 'the model is not active on the chip', 'try again'),
  row('OUT_OF_FW_MEMORY', 'full', 'the chip’s memory is full', unloadAnother()),
  row('STREAM_NOT_ACTIVATED', 'lost', 'the model is no longer active on the chip', restartDevice()),
  row('DEVICE_IN_USE', 'busy', 'another program holds the NPU', 'end it, or wait; `pellet doctor` names it'),
  row('OUT_OF_PHYSICAL_DEVICES', 'absent', 'no NPU is free: none is there, or another program holds it', nameHolder()),
  row('INVALID_DEVICE_ARCHITECTURE', 'version', 'this HailoRT does not know the chip', fitVersions()),
  row('INVALID_DRIVER_VERSION', 'version', 'driver and library of HailoRT have different versions', fitVersions()),
  row('RPC_FAILED', 'lost', 'the program on the NPU’s module failed to answer', restartDevice()),
  row('INVALID_SERVICE_VERSION', 'version', 'library and service of HailoRT have different versions', fitVersions()),
  row('NOT_SUPPORTED', 'version', 'this HailoRT does not serve this family of chips', rightLibrary()),
  row('NMS_BURST_INVALID_DATA', 'internal', 'the chip’s list of boxes cannot be read', compileAnew()),
  row('OUT_OF_HOST_CMA_MEMORY', 'host_memory', 'the system has no contiguous memory left', freeMemory()),
  row('QUEUE_IS_FULL', 'queue_full', 'as many frames are under way as there is room for', 'try again soon'),
  row('DMA_MAPPING_ALREADY_EXISTS', 'internal', 'the same memory was given to the chip twice'),
  row('CANT_MEET_BUFFER_REQUIREMENTS', 'host_memory', 'the driver cannot make buffers for this model', useSmaller()),
  row('DRIVER_INVALID_RESPONSE', 'version', 'the driver answered what the library cannot read', fitVersions()),
  row('DRIVER_INVALID_IOCTL', 'version', 'the driver does not know what the library asks', fitVersions()),
  row('DRIVER_TIMEOUT', 'timeout', 'the chip did not answer the driver in time', restartDevice()),
  row('DRIVER_INTERRUPTED', 'aborted', 'the driver was interrupted', 'try again'),
  row('CONNECTION_REFUSED', 'lost', 'the program on the NPU’s module takes no connection', restartDevice()),
  row('DRIVER_WAIT_CANCELED', 'aborted', 'the wait for the chip was given up', 'try again'),
  row('HEF_FILE_CORRUPTED', 'bad_hef', 'the HEF is cut off or damaged', 'get it anew; `pellet inspect` checks a file'),
  row('HEF_NOT_SUPPORTED', 'bad_hef', 'this HailoRT does not take the HEF', compileAnew()),
  row('HEF_NOT_COMPATIBLE_WITH_DEVICE', 'wrong_chip', 'the HEF is compiled for another chip', otherChip()),
  row('INVALID_HEF_USE', 'bad_hef', 'the HEF cannot be used in this way', compileAnew()),
  row('OPERATION_ABORTED', 'aborted', 'it was given up', 'try again; the model is loaded anew'),
  row('DEVICE_NOT_CONNECTED', 'lost', 'the NPU is not connected', restartDevice()),
  row('DEVICE_TEMPORARILY_UNAVAILABLE', 'lost', 'the NPU is away for the moment', 'try again soon'),
]

/** Where a status means something else than usual while this is under way. */
export const byOperation: Partial<Record<HailoOperation, Record<number, Explanation>>> = {
  open: {
    2: explain('absent', 'there is no NPU of that id', 'see the setting `device`; `pellet doctor` lists what is there'),
    4: explain('timeout', 'the NPU did not open in time', 'try again; if it lasts, run `pellet doctor`'),
    6: explain('absent', 'there is no NPU', '`pellet doctor` says what is seen'),
    36: explain('absent', 'the driver cannot reach the NPU', restartDevice()),
    62: explain('absent', 'the NPU’s module does not answer', restartDevice()),
    89: explain('absent', 'the program on the NPU’s module takes no connection', restartDevice()),
    96: explain('absent', 'the NPU is not connected', '`pellet doctor` says what is seen'),
    97: explain('busy', 'the NPU is away for the moment', 'try again soon'),
  },
  query: { 2: explain('absent', 'there is no NPU of that id', '`pellet doctor` lists what is there') },
  load: {
    2: explain(
      'argument',
      'the model cannot be had with this batch, priority or type of values',
      'see `model` in the manifest',
    ),
    4: explain('timeout', 'the model was not configured in time', 'try again; if it lasts, run `pellet doctor`'),
    6: explain('too_many', 'no more models can be configured on the NPU', unloadAnother()),
    8: explain(
      'internal',
      'HailoRT could not configure the model',
      'on a Raspberry Pi 5 this is often the page size of PCIe: `pellet doctor` checks it',
    ),
    18: explain('internal', 'the firmware refused to configure the model', restartDevice()),
    74: explain('lost', 'the NPU is gone', restartDevice()),
  },
  unload: { 4: explain('timeout', 'frames of the model never came back', 'the device is opened anew') },
  close: { 6: explain('argument', 'models are still loaded', 'unload them first') },
  priority: { 2: explain('argument', 'HailoRT does not take the priority', 'expected 0 to 31: see `priority`') },
  frame: {
    2: explain(
      'argument',
      'the frame has another size than the model’s inputs',
      'send it as `pellet inspect` lists them',
    ),
    4: explain('timeout', 'the chip did not finish the frame in time', 'try again; if it lasts, run `pellet doctor`'),
    6: explain('internal', 'the frame is not done yet', reportIt()),
    61: explain('internal', 'there is no such frame', reportIt()),
  },
}

// --- internal ---

function row(name: string, kind: HailoErrorKind, meaning: string, advice = reportIt()) {
  return { name: `HAILO_${name}`, ...explain(kind, meaning, advice) }
}

function explain(kind: HailoErrorKind, meaning: string, advice: string): Explanation {
  return { kind, meaning, advice }
}

function reportIt(): string {
  return 'run `pellet doctor`; if that finds nothing, report it with the log'
}

function restartDevice(): string {
  return 'run `pellet doctor`; if it lasts, reload the driver or switch the machine off and on'
}

function fitVersions(): string {
  return 'install driver, firmware and library of one version, then reboot; `pellet doctor` shows the three'
}

function installAnew(): string {
  return 'install Hailo’s packages anew, then reboot'
}

function rightLibrary(): string {
  return 'Hailo-8 and 8L want HailoRT 4 (hailo-all on a Raspberry Pi), Hailo-10H wants HailoRT 5 (hailo-h10-all)'
}

function loadDriver(): string {
  return 'load it: sudo modprobe hailo_pci (hailo1x_pci for the Hailo-10H); `pellet doctor` says what is missing'
}

function nameHolder(): string {
  return '`pellet doctor` tells which'
}

function unloadAnother(): string {
  return 'unload another model (`pellet ps`, `pellet unload NAME`), or take a smaller one'
}

function useSmaller(): string {
  return 'unload another model or lower `batch`; on a Raspberry Pi 5 `pellet doctor` checks the page size of PCIe'
}

function freeMemory(): string {
  return 'end other programs or unload models; `pellet doctor` shows the memory'
}

function compileAnew(): string {
  return 'take one that is compiled for this version of HailoRT; `pellet inspect` shows what it is of'
}

function otherChip(): string {
  return 'name one for this chip under `hef` in the manifest; `pellet inspect` shows what a file is for'
}

function noNetwork(): string {
  return 'Pellet uses NPUs on PCIe: see the setting `device`'
}

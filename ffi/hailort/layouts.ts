/** Where a field lies in a struct, in bytes. */
export type FieldPlace = readonly [offset: number, size: number]

export interface StructLayout {
  size: number
  fields: Record<string, FieldPlace>
}

/** The structs that device queries use, with the names of hailort.h. */
export type StructName =
  | 'hailo_version_t'
  | 'hailo_device_id_t'
  | 'hailo_device_identity_t'
  | 'hailo_device_supported_features_t'
  | 'hailo_extended_device_information_t'
  | 'hailo_chip_temperature_info_t'

export type Layouts = Record<StructName, StructLayout>

/** Which of the tables below a library goes by; undefined where none is known to fit. The same on x64 and arm64. */
export function layoutsOf(version: string): Layouts | undefined {
  return layouts[/^\d+\.\d+(?=\.)/.exec(version)?.[0] ?? '']
}

/** Of HailoRT, as people write them. */
export const knownVersions = '4.23 (Hailo-8 and 8L) and 5.2 (Hailo-10H)'

/** It is what tells the version, so it must be the same in all. */
export const versionLayout: StructLayout = { size: 12, fields: { major: [0, 4], minor: [4, 4], revision: [8, 4] } }

// --- internal ---

const same = {
  hailo_version_t: versionLayout,
  hailo_device_id_t: { size: 32, fields: { id: [0, 32] } },
  hailo_device_identity_t: {
    size: 140,
    fields: {
      fw_version: [4, 12],
      board_name_length: [20, 1],
      board_name: [21, 32],
      is_release: [53, 1],
      device_architecture: [56, 4],
      serial_number_length: [60, 1],
      serial_number: [61, 16],
      part_number_length: [77, 1],
      part_number: [78, 16],
      product_name_length: [94, 1],
      product_name: [95, 42],
    },
  },
  hailo_extended_device_information_t: {
    size: 96,
    fields: { neural_network_core_clock_rate: [0, 4], boot_source: [12, 4] },
  },
  hailo_chip_temperature_info_t: {
    size: 12,
    fields: { ts0_temperature: [0, 4], ts1_temperature: [4, 4], sample_count: [8, 2] },
  },
} satisfies Partial<Layouts>

/** What a board can do. HailoRT 5 has one more. */
const features4 = { current_monitoring: [3, 1] } satisfies StructLayout['fields']

const layouts: Record<string, Layouts> = {
  '4.23': { ...same, ...withFeatures(5, features4) },
  '5.2': { ...same, ...withFeatures(6, { ...features4, power_measurement: [5, 1] }) },
}

function withFeatures(size: number, fields: StructLayout['fields']) {
  const outer = same.hailo_extended_device_information_t
  return {
    hailo_device_supported_features_t: { size, fields },
    hailo_extended_device_information_t: {
      ...outer,
      fields: { ...outer.fields, supported_features: [4, size] satisfies FieldPlace },
    },
  }
}

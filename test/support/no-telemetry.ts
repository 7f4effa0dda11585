// Imported before onnxruntime-node: its native library reports usage to its maker unless this says no.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1'

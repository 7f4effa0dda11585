import type { Engine, EngineName } from './engine.ts'
import { hailort } from './hailort.ts'
import { onnxruntime } from './onnxruntime.ts'

/** The engines, by name. What each needs is loaded when it is used first. */
export const engines: Record<EngineName, Engine> = { onnxruntime, hailort }

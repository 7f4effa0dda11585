import type { Engine, EngineName } from './engine.ts'
import { onnxruntime } from './onnxruntime.ts'

/** The engines that this Pellet has, by name. */
export const engines: Partial<Record<EngineName, Engine>> = { onnxruntime }

/** What models/train/make_golden.py keeps of a tensor, in models/golden.json. */
export interface GoldenStats {
  shape: number[]
  min: number
  max: number
  mean: number
  std: number
  argmax: number
  first16: number[]
  all?: number[]
}

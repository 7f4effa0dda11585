/** Resolves with what is waited for, or without when `ms` have passed before. */
export async function within(waitedFor: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))
  await Promise.race([waitedFor, late]).finally(() => clearTimeout(timer))
}

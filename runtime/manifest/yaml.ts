import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Document, Pair, YAMLError, YAMLMap } from 'yaml'
import type { Finding, ManifestPath } from './issues.ts'

export interface YamlText {
  value: unknown
  findings: Finding[]
  /** The text could not be read as one document of plain data: `value` is not worth checking. */
  broken: boolean
  locate(path: ManifestPath, part?: 'key' | 'value'): { line: number; column: number } | undefined
}

// Far above any manifest; they keep a bomb from costing more than a moment.
const maxTextLength = 64 * 1024
const maxAliases = 100
const maxNodes = 20_000
const maxDepth = 32

/** Reads one YAML document, with the position of every key and value. Never throws for what the text holds. */
export function readYaml(text: string): YamlText {
  const lines = new LineCounter()
  const unreadable = (findings: Finding[]): YamlText => {
    return { value: undefined, findings, broken: true, locate: () => ({ line: 1, column: 1 }) }
  }
  if (text.length > maxTextLength) {
    const found = `${Math.ceil(text.length / 1024)} KB`
    return unreadable([{ path: [], expected: `at most ${maxTextLength / 1024} KB of text`, found }])
  }
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
    const positionOf = positionsIn(lines, text)
    const errors = [...document.errors, ...document.warnings]
    if (errors.length > 0) return unreadable(syntaxFindings(errors, text, positionOf))
    const { value, findings, broken } = toPlain(document, positionOf)
    const locate = (path: ManifestPath, part: 'key' | 'value' = 'value') => positionOf(offsetOf(document, path, part))
    return { value, findings, broken, locate }
  } catch (thrown) {
    const found =
      thrown instanceof RangeError ? 'nesting without end' : `what the YAML reader refuses (${String(thrown)})`
    return unreadable([{ path: [], expected: 'YAML', found }])
  }
}

// --- internal ---

type PositionOf = (offset: number) => { line: number; column: number }

function positionsIn(lines: LineCounter, text: string): PositionOf {
  return (offset) => {
    const { line, col } = lines.linePos(Math.min(offset, text.length))
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
}

/** Plain data by a walk of our own: doubled keys, aliases and depth are ours to judge, and `__proto__` is a key. */
function toPlain(document: Document.Parsed, positionOf: PositionOf) {
  const findings: Finding[] = []
  const within = new Set<unknown>()
  const spent = { nodes: 0, aliases: 0 }
  let broken = false
  const refuse = (node: unknown, path: ManifestPath, expected: string, found: string, hint?: string) => {
    broken = true
    findings.push({ path, expected, found, hint, position: positionOf(startOf(node) ?? 0) })
  }
  const walk = (node: unknown, path: ManifestPath): unknown => {
    if (broken) return null
    if (++spent.nodes > maxNodes) return void refuse(node, [], `at most ${maxNodes} values`, 'more')
    if (path.length > maxDepth) return void refuse(node, [], `at most ${maxDepth} levels`, 'more')
    if (isAlias(node)) {
      const target = node.resolve(document)
      if (++spent.aliases > maxAliases) return void refuse(node, path, `at most ${maxAliases} aliases`, 'more')
      if (!target) return void refuse(node, path, 'an anchor before its alias', `*${node.source}`)
      if (within.has(target))
        return void refuse(node, path, 'an alias that is not inside its own anchor', `*${node.source}`)
      return walk(target, path)
    }
    if (isScalar(node)) return node.value ?? null
    within.add(node)
    const value = isSeq(node)
      ? node.items.map((item, i) => walk(item, [...path, i]))
      : isMap(node)
        ? map(node, path)
        : null
    within.delete(node)
    return value
  }
  const map = (node: YAMLMap, path: ManifestPath) => {
    const entries = new Map<string, unknown>()
    for (const pair of node.items) {
      const key = keyOf(pair)
      if (key === undefined) {
        refuse(pair.key, path, 'a plain word as key', 'a list, mapping or alias', 'put text with { [ or * in quotes')
        return null
      }
      if (entries.has(key) && findings.length < 20) {
        const position = positionOf(startOf(pair.key) ?? 0)
        findings.push({
          path: [...path, key],
          expected: 'each key once',
          found: `a second ${JSON.stringify(key)}`,
          position,
        })
      }
      entries.set(key, walk(pair.value, [...path, key]))
    }
    return Object.fromEntries(entries)
  }
  const value = walk(document.contents, [])
  return { value: broken ? undefined : value, findings, broken }
}

function keyOf(pair: Pair): string | undefined {
  return isScalar(pair.key) ? (pair.key.source ?? String(pair.key.value ?? '')) : pair.key === null ? '' : undefined
}

function startOf(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] | null } | null)?.range?.[0]
}

/** Where the value at a path begins, or its key; for what is not there, the key of what should hold it. */
function offsetOf(document: Document.Parsed, path: ManifestPath, part: 'key' | 'value'): number {
  const resolved = (node: unknown) => (isAlias(node) ? node.resolve(document) : node)
  let node: unknown = document.contents
  let key = startOf(node) ?? 0
  for (const step of path) {
    const holder = resolved(node)
    if (isMap(holder)) {
      const pair = holder.items.findLast((item) => keyOf(item) === String(step))
      if (!pair) return key
      key = startOf(pair.key) ?? key
      node = pair.value
    } else if (isSeq(holder) && holder.items[Number(step)] !== undefined) {
      node = holder.items[Number(step)]
      key = startOf(node) ?? key
    } else return key
  }
  const empty = node === null || (isScalar(node) && node.value === null && !node.source)
  return part === 'key' || empty ? key : (startOf(node) ?? key)
}

/** The first on each line, and not too many: one mistake makes the reader stumble again and again. */
function syntaxFindings(errors: YAMLError[], text: string, positionOf: PositionOf): Finding[] {
  const deep = errors.find((error) => error.message.includes('call stack'))
  if (deep)
    return [{ path: [], expected: `at most ${maxDepth} levels`, found: 'more', position: positionOf(deep.pos[0]) }]
  const byLine = new Map<number, Finding>()
  for (const error of errors) {
    const finding = syntaxFinding(error, text, positionOf)
    if (!byLine.has(finding.position!.line)) byLine.set(finding.position!.line, finding)
  }
  return [...byLine.values()].slice(0, 10)
}

function syntaxFinding(error: YAMLError, text: string, positionOf: PositionOf): Finding {
  const position = positionOf(error.pos[0])
  const finding = { path: [], position }
  const line = text.slice(error.pos[0], error.pos[0] + 40).split(/\r?\n/, 1)[0]!
  const near = line === '' ? 'the end of the line' : JSON.stringify(line)
  if (error.code === 'MULTIPLE_DOCS') {
    return {
      ...finding,
      expected: 'one manifest in a file',
      found: 'a second document',
      hint: 'put it into a file of its own',
    }
  }
  if (error.code === 'TAB_AS_INDENT') {
    return { ...finding, expected: 'spaces as indentation', found: 'a tab', hint: 'replace tabs by spaces' }
  }
  if (error.code === 'BAD_ALIAS') {
    return {
      ...finding,
      expected: 'an anchor before its alias',
      found: near,
      hint: 'put text that begins with * in quotes',
    }
  }
  if (error.code === 'TAG_RESOLVE_FAILED') {
    return { ...finding, expected: 'plain data', found: near, hint: 'put text that begins with ! in quotes' }
  }
  return { ...finding, expected: 'YAML', found: near, hint: error.message.replace(/\s+/g, ' ').trim() }
}

import type { ChainProblem } from '../isolate/child/pipeline.ts'
import { formatIssue, sortIssues, toIssueIn, type Finding, type ManifestIssue } from '../manifest/issues.ts'
import type { Manifest } from '../manifest/manifest.ts'
import type { RoutePaths } from '../manifest/normalize.ts'
import type { ManifestSource } from '../manifest/read.ts'
import type { MissingFile } from './missing-model.ts'
import type { ModelError } from './model-file.ts'

/** All that is wrong with one source so far: what can still be looked at is, so that people mend a file once. */
export class SourceProblems {
  readonly #written: ManifestSource | undefined
  #inline: ManifestSource | undefined
  readonly #issues: ManifestIssue[] = []
  /** What has its place in itself: what is wrong inside of the function. */
  readonly #lines: string[] = []
  #missing: MissingFile[] | undefined

  constructor(written: ManifestSource | undefined) {
    this.#written = written
    if (written) this.#issues.push(...written.issues)
  }

  /** What the manifests say is wrong, their models and files included. */
  get issues(): readonly ManifestIssue[] {
    return this.#issues
  }

  /** Only the model is not there: all else can be looked at as if it were. */
  get missesModelOnly(): boolean {
    return this.#missing !== undefined && this.#issues.length === 1 && this.#lines.length === 0
  }

  /** The function file brings a manifest of its own: what is found from now on may stand there. */
  addInline(inline: ManifestSource): void {
    this.#inline = inline
    this.#issues.push(...inline.issues)
  }

  add(path: (string | number)[], message: string): void {
    this.#issues.push(this.#issue(path, message))
  }

  addIssues(issues: readonly ManifestIssue[]): void {
    this.#issues.push(...issues)
  }

  addLines(...lines: string[]): void {
    this.#lines.push(...lines)
  }

  addModelError({ path, message, missing, more }: ModelError): void {
    this.add(path, message)
    for (const other of more) this.add(other.path, other.message)
    this.#missing = missing
  }

  /** @param file of the model that it is found with, where that is not the one that runs */
  addChainProblem(problem: ChainProblem, manifest: Manifest, paths: RoutePaths[], file?: string): void {
    const { route, stage, index, path, expected, found } = problem
    const chain = paths[route]![stage]
    const use = index === undefined ? undefined : manifest.routes[route]![stage as 'pre' | 'post'][index]
    const place = index === undefined ? chain : [...chain, index, ...(path.length > 0 ? [use!.step] : [])]
    if (found !== '') return this.#addChain(this.#place({ path: [...place, ...path], expected, found }))
    // A step's own check speaks in a sentence of its own.
    const sentence = expected.startsWith(`${use?.step}: `) ? expected : `${use?.step}: ${expected}`
    this.#addChain(this.#issue([...place, ...path], file === undefined ? sentence : `with ${file}: ${sentence}`))
  }

  /** Where something is written, as messages begin. */
  whereIs(path: (string | number)[]): string {
    return formatIssue(this.#issue(path, '')).replace(/: $/, '')
  }

  /**
   * All of them, to be thrown.
   * @param deployment its name, as far as it is known
   * @param manifest where its routes are known
   */
  toError(deployment: string, manifest: Manifest | undefined): SourceError {
    const lines = [...sortIssues(this.#issues).map(formatIssue), ...this.#lines]
    return new SourceError(deployment, lines, this.missesModelOnly ? this.#missing : undefined, manifest)
  }

  // --- internal ---

  /** Steps that a function brings may be right for other manifests of it: it is told for which they are not. */
  #addChain(issue: ManifestIssue): void {
    const written = this.#written?.file
    const isElsewhere = written !== undefined && issue.file !== written
    this.#issues.push(isElsewhere ? { ...issue, message: `for ${written}: ${issue.message}` } : issue)
  }

  #issue(path: (string | number)[], message: string): ManifestIssue {
    return { ...this.#place({ path, expected: '', found: '' }), message }
  }

  #place(finding: Finding): ManifestIssue {
    return toIssueIn({ written: this.#written, inline: this.#inline }, finding)
  }
}

/** Everything that is wrong with one source, a line each: by position, then what has none. */
export class SourceError extends Error {
  readonly deployment: string
  readonly lines: string[]
  readonly missing: MissingFile[] | undefined
  readonly manifest: Manifest | undefined

  constructor(deployment: string, lines: string[], missing: MissingFile[] | undefined, manifest: Manifest | undefined) {
    super(lines.join('\n'))
    this.deployment = deployment
    this.lines = lines
    this.missing = missing
    this.manifest = manifest
  }
}

import { stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { extname, resolve } from 'node:path'
import { callSteps, resolveCalls } from './calls.ts'
import { refuseConflicts } from './conflicts.ts'
import type { Compilation, DeploymentResult, FailedSource, Origin } from './deployment.ts'
import { discoverSources, functionEndings, functionName } from './discover.ts'
import { displayPath } from '../display-path.ts'
import { DescriberPool } from '../functions/describers.ts'
import { mapLimited } from './map-limited.ts'
import { manifestJob, projectJobs, type Job } from './project-sources.ts'
import { reconcile } from './reconcile.ts'
import { compileSource, toFailure, type CompileOptions } from './source.ts'

/** Compiles every manifest and function file of a project. Never throws for what a file holds. */
export async function compileProject(options: CompileOptions): Promise<Compilation> {
  return reconcile({ live: [], results: await compileSources(options), ownPort: options.port })
}

/** Compiles every manifest and function file of a project, each for itself. */
export async function compileSources(options: CompileOptions): Promise<DeploymentResult[]> {
  return compileJobs(await projectJobs(options), options)
}

/** Compiles single sources of a project, by the files that they are made from, each for itself. */
export async function compileOrigins(origins: readonly Origin[], options: CompileOptions): Promise<DeploymentResult[]> {
  const { functions } = await discoverSources(options.manifestsFolder, options.functionsFolder)
  const jobs = origins.map(async ({ manifest, function: file }): Promise<Job> => {
    if (manifest !== undefined) return manifestJob(resolve(options.root, manifest), functions, options)
    const functionFile = resolve(options.root, file!)
    return { source: { name: functionName(functionFile), functionFile } }
  })
  return compileJobs(await Promise.all(jobs), options)
}

/**
 * Compiles single manifest or function files, as `pellet validate` does. A function file whose manifest stands in the
 * manifests folder is compiled with it; a file that is named twice, or with what belongs to it, counts once. Where they
 * call other deployments, these are looked at as well, but not told about.
 * @param whom `anybody`: calls are not followed, since they are for another Pellet, which may have other deployments
 */
export async function compileFiles(
  files: string[],
  options: CompileOptions,
  whom: 'project' | 'anybody' = 'project',
): Promise<Compilation> {
  const { root, functionsFolder, manifestsFolder } = options
  const { functions, manifests } = await discoverSources(manifestsFolder, functionsFolder)
  const jobs = new Map<string, Job>()
  const absent: FailedSource[] = []
  for (const file of files) {
    const path = resolve(root, file)
    const source = { name: functionName(path), functionFile: path }
    const found = await stat(path).catch(() => undefined)
    if (!found?.isFile())
      absent.push(
        toFailure({ name: source.name }, options, [
          absentText(file, found !== undefined, [...manifests, ...functions], root),
        ]),
      )
    else if (!functionEndings.includes(extname(path))) jobs.set(path, await manifestJob(path, functions, options))
    else {
      const pairs = await Promise.all(manifests.map((manifest) => manifestJob(manifest, functions, options)))
      const claiming = pairs.filter(({ source }) => source.functionFile === path)
      for (const job of claiming) jobs.set(job.source.manifestFile!, job)
      if (claiming.length === 0) jobs.set(path, { source })
    }
  }
  const named = refuseConflicts(await compileJobs([...jobs.values()], options), { ownPort: options.port })
  named.failures.push(...absent)
  if (whom === 'anybody' || !named.deployments.some(({ manifest }) => callSteps(manifest).length > 0)) return named
  const unnamed = (await projectJobs(options)).filter(
    ({ source }) => !jobs.has(source.manifestFile ?? source.functionFile!),
  )
  const others = refuseConflicts(await compileJobs(unnamed, options), { ownPort: options.port })
  const names = new Set([...named.deployments, ...named.failures].map(({ name }) => name))
  const whole = resolveCalls({
    deployments: [...named.deployments, ...others.deployments.filter(({ name }) => !names.has(name))],
    failures: [...named.failures, ...others.failures.filter(({ name }) => !names.has(name))],
  })
  return {
    deployments: whole.deployments.filter(({ name }) => names.has(name)),
    failures: whole.failures.filter(({ name }) => names.has(name)),
  }
}

// --- internal ---

/** People may know it by the name of the deployment. */
function absentText(file: string, isThere: boolean, sources: string[], root: string): string {
  if (isThere) return `${file}: expected a file, found something else; name the files in it`
  const meant = sources.find((source) => functionName(source) === functionName(file))
  return `${file}: expected a file, found none${meant ? `; did you mean ${displayPath(root, meant)}?` : ''}`
}

function compileJobs(jobs: Job[], options: CompileOptions): Promise<DeploymentResult[]> {
  const describers = new DescriberPool()
  const compile = ({ source, written }: Job) => compileSource(source, written, { ...options, describers })
  return mapLimited(jobs, availableParallelism(), compile).finally(() => describers[Symbol.dispose]())
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { projectRoot } from '../support/root.ts'
import type { Family } from './prometheus.ts'
import { readQuery } from './promql.ts'

interface Rule {
  record?: string
  alert?: string
  expr: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

interface Panel {
  type: string
  title: string
  datasource?: { uid: string }
  targets?: { expr: string; legendFormat: string }[]
}

interface Dashboard {
  panels: Panel[]
  templating: { list: { name: string; type: string; definition?: string }[] }
  annotations: { list: { expr: string }[] }
}

/** One query, and the texts that speak of its labels. */
export interface MonitoringQuery {
  where: string
  expr: string
  texts: string[]
}

const read = (path: string) => readFileSync(join(projectRoot, path), 'utf8')
const { groups } = parse(read('systemd/monitoring/pellet.rules.yaml')) as { groups: { rules: Rule[] }[] }
export const rules = groups.flatMap((group) => group.rules)
export const dashboard = JSON.parse(read('systemd/monitoring/pellet.dashboard.json')) as Dashboard

export function ruleQueries(): MonitoringQuery[] {
  return rules.map(({ record, alert, expr, annotations = {} }) => ({
    where: (record ?? alert)!,
    expr,
    texts: Object.values(annotations),
  }))
}

export function dashboardQueries(): MonitoringQuery[] {
  const ofPanels = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ where: title, expr, texts: [legendFormat] })),
  )
  const ofVariables = dashboard.templating.list.flatMap(({ name, definition }) => {
    const [, expr, label] = /^label_values\((.+), (\w+)\)$/.exec(definition ?? '') ?? []
    return expr ? [{ where: `$${name}`, expr, texts: [`{{${label}}}`] }] : []
  })
  const ofMarks = dashboard.annotations.list.map(({ expr }) => ({ where: 'annotation', expr, texts: [] }))
  return [...ofPanels, ...ofVariables, ...ofMarks]
}

/** What a query names and no export has: metrics, labels, values of labels. */
export function missingIn({ where, expr, texts }: MonitoringQuery, families: Map<string, Family>): string[] {
  const known = samplesOf(families)
  const missing: string[] = []
  const labels = new Set(['job', 'instance'])
  const take = (query: string) => {
    for (const { name, matchers } of readQuery(query).metrics) {
      const recorded = rules.find(({ record }) => record === name)
      if (recorded) take(recorded.expr)
      if (recorded || name === 'up') continue
      const samples = known.get(name)
      if (!samples) {
        missing.push(name)
        continue
      }
      for (const sample of samples) for (const label in sample) labels.add(label)
      for (const { label, operator, value } of matchers) {
        if (label === 'job' || label === 'instance') continue
        const values = samples.map((sample) => sample[label])
        if (values.every((one) => one === undefined)) missing.push(`${name}{${label}}`)
        else if (!value.startsWith('$') && !values.some((one) => fits(operator, value, one)))
          missing.push(`${name}{${label}${operator}"${value}"}`)
      }
    }
  }
  take(expr)
  const named = texts.flatMap((text) =>
    [...text.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, label]) => label!),
  )
  for (const label of [...readQuery(expr).labels, ...named]) if (!labels.has(label)) missing.push(label)
  return missing.map((one) => `${where}: ${one}`)
}

/** Rows of the tables of metrics in docs/monitoring.md. */
export function documentedMetrics(): { name: string; type: string; labels: string[] }[] {
  const rows = read('docs/monitoring.md').matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\|/gm)
  return [...rows].map(([, name, type, labels]) => ({
    name: name!,
    type: type!,
    labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!),
  }))
}

/** Labels of all samples by their name, e.g. of `x_bucket`. */
export function samplesOf(families: Map<string, Family>): Map<string, Record<string, string>[]> {
  const samples = new Map<string, Record<string, string>[]>()
  for (const { samples: own } of families.values())
    for (const key of own.keys()) {
      const [name = ''] = key.split('{')
      const labels = [...key.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, value]) => [label, value])
      samples.set(name, [...(samples.get(name) ?? []), Object.fromEntries(labels) as Record<string, string>])
    }
  return samples
}

// --- internal ---

function fits(operator: string, value: string, found: string | undefined): boolean {
  const isEqual = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(found ?? '') : value === found
  return operator.startsWith('!') ? !isEqual : isEqual
}

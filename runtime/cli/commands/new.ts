import { defineCommand } from 'citty'
import { didYouMean } from '../../manifest/closest.ts'
import { namePattern } from '../../manifest/paths.ts'
import { CliError } from '../cli-error.ts'
import { kinds, type Kind } from '../new/kinds.ts'
import { planFunction } from '../new/plan.ts'
import { failureOf, filesOf, refuseExisting, writeAll } from '../new/project.ts'
import { reportText } from '../new/report.ts'
import { projectArgs, readConfig } from '../settings.ts'

export default defineCommand({
  meta: {
    name: 'new',
    description:
      'Write a function, its manifest and a test for a model, ready to run\n' +
      `Kinds: ${kinds.join(', ')}; with --model the model tells which. Nothing is ever written over.`,
  },
  args: {
    kind: { type: 'positional', description: 'What the model does', required: false, valueHint: '[kind]' },
    name: { type: 'positional', description: 'Name of the deployment', required: false, valueHint: '<name>' },
    model: {
      type: 'string',
      description: 'The model, an .onnx or .hef file; copied into the models folder',
      valueHint: 'file',
    },
    ...projectArgs,
  },
  async run({ args }) {
    const { wanted, name } = readWords(args._)
    const config = await readConfig({ ...args })
    refuseExisting(config, name)
    const plan = await planFunction(name, wanted, args.model, config)
    const undo = await writeAll(plan.files)
    try {
      const failure = await failureOf(filesOf(config, name).manifest, config)
      if (failure && !failure.missing)
        throw new CliError(`nothing was written, since this would not run:\n${failure.problems.join('\n')}`)
    } catch (error) {
      await undo()
      throw error
    }
    console.log(reportText(config, plan))
  },
})

// --- internal ---

/** Of two words the first is the kind, one alone is the name. */
function readWords(words: string[]): { wanted: Kind | undefined; name: string } {
  const isKind = (word: string | undefined): word is Kind => kinds.includes(word as Kind)
  const [first, second] = words
  if (first === undefined || (second === undefined && isKind(first)))
    throw new CliError(`new: expected a name${first ? ` after ${first}` : ''}, found none\nTry: pellet new --help`, 2)
  if (second !== undefined && !isKind(first)) {
    const hint = didYouMean(first, kinds)
    throw new CliError(`new: expected a kind among ${kinds.join(', ')}, found ${first}${hint ? `; ${hint}` : ''}`, 2)
  }
  const name = second ?? first
  if (!namePattern.test(name) || name === 'example')
    throw new CliError(
      `new: expected a name of lower-case letters, digits and inner dashes, other than example, found ${name}`,
      2,
    )
  return { wanted: second === undefined ? undefined : (first as Kind), name }
}

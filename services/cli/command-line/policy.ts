import type { Command } from 'commander'
import type { PreviewOptions } from '../policy/preview-command.ts'
import { answer } from './answer.ts'
import { cluster, context, namespace, type ClusterChoice } from './options.ts'

export function addPolicy(program: Command): Command {
  const policy = program.command('policy').description('Continuous low-rate chaos: what a policy would do, and the policies of a local session or of a cluster')

  policy.command('preview').argument('<file>', 'policy file')
    .description('What would run when, on what, and what would be skipped; the same seed gives the same plan')
    .option('--days <number>', 'how many days', '14')
    .option('--from <date>', 'the first of them, such as 2026-12-24 or 2026-12-24T08:00; now when left out')
    .option('--json', 'print it as JSON')
    .action(async (file: string, options: PreviewOptions) => {
      const { previewCommand } = await import('../policy/preview-command.ts')
      answer(await previewCommand(file, options, Date.now()), options)
    })

  for (const [word, argument, does] of [
    ['apply', ['<file>', 'policy file'], 'Put every policy of a file in force, or replace it by its new form; what it did and spent before is kept'],
    ['list', undefined, 'The policies: state, the next runs, the last ones, error budgets'],
    ['resume', ['<name>', 'the policy, or its object as NAME or NAMESPACE/NAME'], 'Let a paused policy go on'],
    ['remove', ['<name>', 'the policy'], 'End a policy; its runs under way go on to their end (an object\'s policy ends with its object: kubectl delete)'],
  ] as const) {
    const command = policy.command(word).description(does).addOption(cluster()).addOption(context()).addOption(namespace())
    if (word === 'list') command.option('--json', 'print them as JSON')
    if (argument) command.argument(argument[0], argument[1])
    command.action(async (...given: unknown[]) => {
      const { policyCommand } = await import('../policy/policy-command.ts')
      const options = command.opts<ClusterChoice & { json?: boolean }>()
      answer(await policyCommand(word, argument ? String(given[0]) : '', { cluster: options.cluster ? options : undefined, json: options.json ?? false }))
    })
  }
  return policy
}

import type { Command } from 'commander'

export const addGenerate = (program: Command): Command => program.command('generate', { hidden: true }).description('Write the files that are made from code: the JSON Schema, the catalogues of events and metrics, what each user of NATS may, the dashboards')
  .action(async () => {
    const { generate } = await import('../generate.ts')
    process.stdout.write(`${(await generate()).output}\n`)
  })

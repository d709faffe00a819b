import type { Command } from 'commander'
import type { CampaignOptions } from '../campaign/campaign-command.ts'
import { namespace } from './options.ts'

export const addCampaign = (program: Command): Command => program.command('campaign').argument('<file>', 'campaign file')
  .description('Do the steps of a campaign on the cluster of the kubeconfig\'s current context: checks, installs, loads, experiments, judgement, reports, clean-up')
  .option('--profile <name>', 'one of the file\'s profiles')
  .option('--results <folder>', 'where a new folder is made for each campaign', 'test-results')
  .option('--registry <registry>', 'where the images are, below faultline/; without it they must be on the nodes')
  .option('--version <tag>', 'tag of the images')
  .option('--audit-log <file>', 'the API server\'s audit log: without it, manual steps cannot be counted, and that bar is not met')
  .addOption(namespace())
  .option('--json', 'print the outcome as JSON')
  .action(async (file: string, options: CampaignOptions) => {
    const { campaignCommand } = await import('../campaign/campaign-command.ts')
    process.exitCode = await campaignCommand(file, options)
  })

import type { Command } from 'commander'
import type { CalibrateOptions } from '../calibrate/calibrate-command.ts'
import { cluster, context, embedded, namespace, processes } from './options.ts'

export const addCalibrate = (program: Command): Command => program.command('calibrate').argument('<file>', 'experiment file')
  .description('Measure, in runs of an experiment\'s load without its faults, how requests fail by themselves: whether block and burst of its gates with a limit are enough, and how often they would abort for nothing.\nExit codes: 0 block and burst are enough, 1 they are not, 2 too little was seen to say, 3 invalid input.')
  .option('--runs <number>', 'how many runs', '1')
  .option('--for <duration>', 'how long each run lasts', '10m')
  .option('--from <folder...>', 'begin no runs; read these results folders of earlier runs without faults')
  .option('--host <url>', 'system under test, in place of the file\'s load.host')
  .option('--results <folder>', 'where a new folder is made for each run', 'results')
  .addOption(embedded())
  .addOption(processes())
  .addOption(cluster().conflicts(['from', 'embedded', 'processes']))
  .addOption(context())
  .addOption(namespace())
  .option('--json', 'print what was measured as JSON, and no progress')
  .action(async (file: string, options: CalibrateOptions) => {
    const { calibrateCommand } = await import('../calibrate/calibrate-command.ts')
    process.exitCode = await calibrateCommand(file, options)
  })

/** The command line: each command is a file in `command-line/`, which says its words and options, and loads what does the work when it is asked for. */
import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { Command } from 'commander'
import { addAbort } from './command-line/abort.ts'
import { addAudit } from './command-line/audit.ts'
import { addCalibrate } from './command-line/calibrate.ts'
import { addCampaign } from './command-line/campaign.ts'
import { addCatalogues } from './command-line/catalogues.ts'
import { addConfig } from './command-line/config.ts'
import { addCoverage } from './command-line/coverage.ts'
import { addDemo } from './command-line/demo.ts'
import { addDoctor } from './command-line/doctor.ts'
import { addGate } from './command-line/gate.ts'
import { addGenerate } from './command-line/generate.ts'
import { addHalt } from './command-line/halt.ts'
import { addInit } from './command-line/init.ts'
import { addPage } from './command-line/page.ts'
import { addPlan } from './command-line/plan.ts'
import { addPolicy } from './command-line/policy.ts'
import { addPower } from './command-line/power.ts'
import { addReleaseCheck } from './command-line/release-check.ts'
import { addReplay } from './command-line/replay.ts'
import { addResume } from './command-line/resume.ts'
import { addRun } from './command-line/run.ts'
import { addShop } from './command-line/shop.ts'
import { addSigningKey } from './command-line/signing-key.ts'
import { addSlo } from './command-line/slo.ts'
import { addToken } from './command-line/token.ts'
import { addValidate } from './command-line/validate.ts'
import { addVerify } from './command-line/verify.ts'
import { groupCommands } from './help-groups.ts'
import { runProgram } from './run-program.ts'

watchLifeline()

interface Package { version: string }
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Package

const program = new Command('faultline')
  .description('Chaos experiments under load, gated by SLOs, with a verdict.\nExit codes: 0 passed, 1 failed, 2 inconclusive, 3 invalid input, 4 infrastructure.')
  .version(version)
  .enablePositionalOptions() // a command's own --version is the images'
  .exitOverride()
  .showHelpAfterError('(faultline --help shows what there is)')

const commands = [
  addRun, addGate, addCalibrate, addDemo, addShop, addInit, addPlan, addCampaign, addPolicy, addValidate, addSlo, addReplay, addVerify, addSigningKey, addReleaseCheck, addCoverage,
  addAbort, addHalt, addResume, addAudit, addToken, addPage, addCatalogues, addPower, addConfig, addGenerate, addDoctor,
]
for (const add of commands) add(program)
groupCommands(program)

await runProgram(program)

/** The wrapper that started this process holds one end of a pipe: when it is killed, even by SIGKILL, this process ends as if interrupted. */
function watchLifeline(): void {
  const fd = process.env['FAULTLINE_LIFELINE_FD']
  if (fd === undefined) return
  delete process.env['FAULTLINE_LIFELINE_FD'] // not for children
  new Socket({ fd: Number(fd) }).on('close', () => process.kill(process.pid, 'SIGTERM')).resume().unref()
}

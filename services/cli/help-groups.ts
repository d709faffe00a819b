import type { Command } from 'commander'

/** What the commands are for, in the order of the help. */
const groups: Readonly<Record<string, readonly string[]>> = {
  'To begin:': ['doctor', 'demo', 'shop', 'init'],
  'Experiments:': ['validate', 'plan', 'run', 'gate', 'abort', 'campaign'],
  'Continuous chaos:': ['policy'],
  'What runs have shown:': ['page', 'coverage', 'release-check', 'replay', 'verify'],
  'How much evidence it takes:': ['power', 'calibrate', 'slo'],
  'Catalogues:': ['faults', 'gates', 'probes', 'steps'],
  'Operation:': ['halt', 'resume', 'audit', 'token', 'signing-key', 'config'],
}

/** Puts every command under its heading in the help of the whole, and has its mistakes lead to its own help. A new one needs a place above. */
export function groupCommands(program: Command): void {
  for (const command of program.commands) {
    const [heading] = Object.entries(groups).find(([, names]) => names.includes(command.name())) ?? []
    if (heading !== undefined) command.helpGroup(heading)
    command.summary(command.description().split('\n')[0] ?? '') // exit codes are for a command's own help
    for (const one of [command, ...command.commands]) one.showHelpAfterError(`(${one.parent === program ? '' : 'faultline '}${one.parent?.name()} ${one.name()} --help shows how it is used)`)
  }
  program.configureHelp({
    ...program.configureHelp(),
    visibleCommands: ({ commands }) => Object.values(groups).flatMap(names => names.flatMap(name => commands.find(command => command.name() === name) ?? [])),
    groupItems: (_all, shown, headingOf) => Map.groupBy(shown, headingOf),
  })
}

import type { Command } from 'commander'

const catalogues = {
  faults: { of: 'faults', print: async () => (await import('../faults.ts')).printFaults },
  probes: { of: 'probes', print: async () => (await import('../probes.ts')).printProbes },
  gates: { of: 'gates', print: async () => (await import('../gates.ts')).printGates },
  steps: { of: 'campaign steps', print: async () => (await import('../steps.ts')).printSteps },
}

/** `faultline faults`, `probes`, `gates`, `steps`. */
export function addCatalogues(program: Command): void {
  for (const [name, { of, print }] of Object.entries(catalogues)) {
    program.command(name).argument('[kind]', 'show one kind in full')
      .description(`The catalogue of ${of} with their parameters`)
      .option('--json', 'print it as JSON')
      .action(async (kind: string | undefined, { json = false }: { json?: boolean }) => {
        process.stdout.write((await print())(kind, json))
      })
  }
}

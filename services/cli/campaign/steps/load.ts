import { z } from 'zod'
import { printDuration, duration } from '#shared/units.ts'
import { runFile } from '../run-file.ts'
import { defineStep } from '../step.ts'

const loaded = z.looseObject({ load: z.looseObject({ users: z.number() }), faults: z.array(z.unknown()).max(0) })

export default defineStep({
  kind: 'load',
  summary: 'Puts load on the system without any fault, and has an experiment\'s gates judge it',
  documentation: `
Runs an experiment that has load and no faults, with the users and for the time that the campaign's profile asks for. What the SLA says of
availability is counted from this step's requests.`,
  timeoutMs: 60 * 60_000,
  parameters: z.strictObject({
    file: z.string().min(1).max(1_000).describe('Experiment file with load and without faults, relative to the campaign\'s'),
    users: z.int().min(1).max(100_000).optional().describe('In place of the file\'s load.users'),
    spawnRate: z.number().min(0.1).max(10_000).optional().describe('In place of the file\'s load.spawnRate'),
    parameters: z.record(z.string().min(1).max(63), z.union([z.string().max(1_000), z.number(), z.boolean()])).optional().describe('In place of the file\'s load.parameters'),
    hold: duration({ minMs: 1_000 }).optional().describe('In place of the file\'s hold'),
  }),
  experimentFiles: ({ file }) => [file],
  async run({ file, users, spawnRate, parameters, hold }, context) {
    const { judgement, run } = await runFile(context, {
      file, purpose: 'load', repetition: 1,
      change(document) {
        const { load, ...rest } = loaded.parse(document)
        return {
          ...rest, ...(hold !== undefined && { hold: printDuration(hold) }),
          load: { ...load, ...(users !== undefined && { users }), ...(spawnRate !== undefined && { spawnRate }), ...(parameters !== undefined && { parameters }) },
        }
      },
    })
    return { verdict: judgement.verdict, why: `${run}: ${judgement.reasons[0] ?? judgement.verdict}`, bars: [] }
  },
})

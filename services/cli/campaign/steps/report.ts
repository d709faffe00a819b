import { z } from 'zod'
import { defineStep } from '../step.ts'

export default defineStep({
  kind: 'report',
  summary: 'Writes the reports of everything up to here',
  documentation: `
They are written again when the campaign is over, with the steps that follow this one; here, so that they are there before anything is cleaned up,
and even if that never ends. Mark it \`always\`.`,
  timeoutMs: 60_000,
  parameters: z.strictObject({}),
  async run(_parameters, { writeReports }) {
    await writeReports()
    return { verdict: 'passed', why: 'report.html, chaos-report.html', bars: [] } // beside each other: a report is read where it was moved to
  },
})

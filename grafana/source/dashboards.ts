import type { Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { chaosAndCoverage } from './chaos-and-coverage.ts'
import { overview } from './overview.ts'
import { run } from './run.ts'
import { systemHealth } from './system-health.ts'

/** Every dashboard by the name of its file, as Grafana reads it. Pure. */
export const dashboards = (): Record<string, Dashboard> => ({
  overview: numbered(overview()), run: numbered(run()), 'chaos-and-coverage': numbered(chaosAndCoverage()), 'system-health': numbered(systemHealth()),
})

/** Links to one panel hold its number; without one Grafana would make it up. */
function numbered(builder: DashboardBuilder): Dashboard {
  const dashboard = builder.build()
  return { ...dashboard, panels: (dashboard.panels ?? []).map((panel, index) => ({ ...panel, id: index + 1 })) }
}

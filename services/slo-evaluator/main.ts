import { runService } from '#shared/main.ts'
import { configuredPrometheus } from '#shared/prometheus.ts'
import { startSloEvaluator } from './service.ts'

await runService('slo-evaluator', async ({ bus, clock, log, metrics, config }) => {
  const prometheus = configuredPrometheus(config)
  return await startSloEvaluator({ bus, clock, log, metrics, ...(prometheus && { prometheus }) })
})

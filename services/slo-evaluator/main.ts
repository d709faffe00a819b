import { runService } from '#shared/main.ts'
import { configuredPrometheus } from '#shared/prometheus.ts'
import { rotatingSigner } from '#shared/rotating-keys.ts'
import { startSloEvaluator } from './service.ts'

await runService('slo-evaluator', async ({ bus, clock, log, metrics, config }) => {
  const prometheus = configuredPrometheus(config)
  const signer = config.get('verdicts.signingSeed') === undefined ? undefined : rotatingSigner(config, 'verdicts.signingSeed', { log })
  if (signer) log.info({ key: signer().publicKey }, 'verdicts are signed')
  else log.warn('verdicts are not signed: verdicts.signingSeed is not set')
  return await startSloEvaluator({ bus, clock, log, metrics, ...(prometheus && { prometheus }), ...(signer && { signer }) })
})

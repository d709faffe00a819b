import { SettingInvalid } from '#shared/config.ts'
import { runService } from '#shared/main.ts'
import { configuredPrometheus } from '#shared/prometheus.ts'
import { signerOf, type Signer } from '#shared/signing-key.ts'
import { startSloEvaluator } from './service.ts'

await runService('slo-evaluator', async ({ bus, clock, log, metrics, config }) => {
  const prometheus = configuredPrometheus(config)
  const signer = configuredSigner(config.get('verdicts.signingSeed'))
  if (signer) log.info({ key: signer.publicKey }, 'verdicts are signed')
  else log.warn('verdicts are not signed: verdicts.signingSeed is not set')
  return await startSloEvaluator({ bus, clock, log, metrics, ...(prometheus && { prometheus }), ...(signer && { signer }) })
})

function configuredSigner(seed: string | undefined): Signer | undefined {
  try {
    return seed === undefined ? undefined : signerOf(seed)
  } catch {
    throw new SettingInvalid('verdicts.signingSeed is no nkeys seed; faultline verdict-key FILE makes one') // without its cause, which could hold the seed
  }
}

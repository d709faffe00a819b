import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { withoutLogin } from '#shared/redaction.ts'

/** What follows `--host` is none that an experiment may have. */
class BadHost extends InvalidInput {
  readonly code = 'bad_host'
}

const loaded = z.looseObject({ load: z.looseObject({ host: z.string() }) })

/** A valid experiment as written, with another `load.host`; one without load as it is. Throws BadHost. Pure. */
export function withHost(document: unknown, host: string): unknown {
  const { success, data } = loaded.safeParse(document)
  if (!success) return document
  const changed = { ...data, load: { ...data.load, host } }
  if (!experimentSchema.safeParse(changed).success) throw new BadHost(`--host ${withoutLogin(host)}: expected a URL such as http://127.0.0.1:8000`)
  return changed
}

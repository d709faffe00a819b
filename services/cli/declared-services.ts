import { InvalidInput } from '#shared/errors.ts'
import { distinctServices, type TestedService } from '#shared/tested-service.ts'

/** What follows `--tests` names no service in its version. */
class BadTestedService extends InvalidInput {
  readonly code = 'bad_tested_service'
}

/** `shop=1.4`, each: the services that a run on this machine is about, in their versions. Pure. Throws BadTestedService. */
export function parseTestedServices(texts: readonly string[]): TestedService[] {
  return distinctServices(texts.map(text => {
    const [, app, version] = /^([^\s=]+)=(\S+)$/.exec(text) ?? []
    if (app === undefined || version === undefined) throw new BadTestedService(`--tests ${text}: expected a service and its version as APP=VERSION, such as shop=1.4`)
    return { namespace: '', app, version }
  }))
}

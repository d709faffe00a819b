import { InvalidInput } from '#shared/errors.ts'
import { runService } from '#shared/main.ts'
import { readProcess } from '#shared/process/process-table.ts'
import type { DeclaredParent } from './process-targets.ts'
import { startInjector } from './service.ts'

class ParentsInvalid extends InvalidInput {
  readonly code = 'parents_invalid'
}

await runService('injector', ({ bus, clock, log, metrics, config }) => {
  const node = config.need('injector.node')
  const stateFolder = config.need('injector.stateFolder')
  return startInjector({ bus, node, stateFolder, parents: parseParents(config.get('injector.parents') ?? ''), clock, log, metrics })
})

/** `shop=1234,database=1300` */
function parseParents(text: string): DeclaredParent[] {
  return text.split(',').filter(Boolean).map(part => {
    const [, name, pid] = /^([^=]+)=(\d+)$/.exec(part.trim()) ?? []
    if (name === undefined || pid === undefined) throw new ParentsInvalid(`injector.parents: ${JSON.stringify(part)} is not NAME=PID`)
    const startTicks = readProcess(Number(pid))?.startTicks // the one that is there now, and none that gets its PID later
    if (startTicks === undefined) throw new ParentsInvalid(`injector.parents: ${part.trim()}: there is no such process`)
    return { name, pid: Number(pid), startTicks }
  })
}

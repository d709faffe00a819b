import { messageOf } from '#shared/errors.ts'
import { attempt } from './attempt.ts'
import type { Check } from './check.ts'
import { steps } from '../setup/steps.mjs'
import { toolPath } from '#shared/tools.mjs'
import { parseVersion } from '../setup/versions.mjs'

interface Tool {
  name: string
  program: string
  neededFor: Check['neededFor']
  /** What to install, where set-up cannot provide it. */
  otherwise: string
}

const tools: readonly Tool[] = [
  { name: 'python', program: 'python', neededFor: ['demo', 'tests'], otherwise: 'on Debian: apt-get install python3-venv' },
  { name: 'nats-server', program: 'nats-server', neededFor: ['demo', 'tests'], otherwise: 'https://nats.io/download' },
  { name: 'locust', program: 'locust', neededFor: ['demo', 'tests'], otherwise: 'pip install locust' },
  { name: 'prometheus', program: 'prometheus', neededFor: ['demo', 'tests'], otherwise: 'https://prometheus.io/download' },
  { name: 'promtool', program: 'promtool', neededFor: ['tests'], otherwise: 'https://prometheus.io/download' },
  { name: 'postgres', program: 'postgres', neededFor: ['demo', 'tests'], otherwise: 'on Debian: apt-get install postgresql' },
  { name: 'redis', program: 'redis-server', neededFor: ['tests'], otherwise: 'install Redis with your package manager' },
  { name: 'chromium', program: 'chromium', neededFor: ['tests'], otherwise: 'install Chromium with your package manager' },
  { name: 'nft', program: 'nft', neededFor: ['network faults', 'tests'], otherwise: 'install nftables with your package manager' },
]

/** Packages and programs: which are there, where, and in which version. */
export async function checkSoftware(): Promise<Check[]> {
  return [checkNode(), ...checkSetup(), ...await Promise.all(tools.map(checkTool))]
}

function checkNode(): Check {
  return { name: 'node', found: 'ok', detail: `${process.versions.node}, ${process.execPath}`, neededFor: ['demo', 'tests'] }
}

/** What set-up installs as a whole, judged as set-up itself judges it. */
function checkSetup(): Check[] {
  return steps.filter(step => step.name === 'npm packages' || step.name === 'Python environment').map((step): Check => {
    const { name } = step
    const detail = step.present()
    return detail === undefined
      ? { name, found: 'missing', detail: 'not installed, or not the versions asked for', next: 'npm run setup', neededFor: ['demo', 'tests'] }
      : { name, found: 'ok', detail, neededFor: ['demo', 'tests'] }
  })
}

async function checkTool({ name, program, neededFor, otherwise }: Tool): Promise<Check> {
  let path: string
  try {
    path = toolPath(program)
  } catch (error) {
    return { name, found: 'missing', detail: messageOf(error).split('. ')[0] ?? 'not found', next: `npm run setup, or ${otherwise}`, neededFor }
  }
  const { worked, said } = await attempt([path, '--version'])
  if (!worked) return { name, found: 'missing', detail: `${path} does not run: ${said}`, next: `npm run setup, or ${otherwise}`, neededFor }
  return { name, found: 'ok', detail: `${parseVersion(said) ?? said}, ${path}`, neededFor }
}

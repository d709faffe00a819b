import { join } from 'node:path'
import { pythonEnvironment } from '#shared/checkout.mjs'
import { linkTool, providedTool } from './tool-links.mjs'
import { isExecutable } from '#shared/tools.mjs'

/**
 * Tools that come with the Python environment, linked so that every tool is in one folder.
 * @param {string} tool
 * @returns {import('./steps.mjs').Step}
 */
function pythonTool(tool) {
  const program = join(pythonEnvironment, 'bin', tool)
  return {
    name: tool,
    neededFor: 'demo',
    present: () => providedTool(tool),
    async provide() {
      if (!isExecutable(program)) throw new Error(`the Python environment has no ${tool}; its requirement is missing from the requirements.txt files.`)
      linkTool(tool, program)
    },
  }
}

export const natsServer = pythonTool('nats-server')
export const locust = pythonTool('locust')

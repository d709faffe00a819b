import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { inNamespace, run, works } from './commands.ts'
import { adminKubeconfig, controlPlaneNamespace, kubeconfigFile, paths, powerUrl } from './paths.ts'

/** The environment of a command that speaks to the cluster as its administrator. */
export const clusterEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  KUBECONFIG: adminKubeconfig,
  ...existsSync(paths.powerToken) && { FAULTLINE_POWER_URL: powerUrl, FAULTLINE_POWER_TOKEN_FILE: paths.powerToken },
  PATH: `${paths.binaries}:${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
})

export const kubectl = (...args: string[]): Promise<string> => run(kubectlCommand(args), { env: clusterEnvironment() })

export const kubectlApply = (manifest: object, ...args: string[]): Promise<string> =>
  run(kubectlCommand(['apply', '--filename', '-', ...args]), { env: clusterEnvironment(), input: JSON.stringify(manifest) })

/** What the set-up of the cluster itself asks for, under a name of its own in the audit log. */
export const kubectlOfSetUp = (args: readonly string[], input?: string): Promise<string> =>
  run(kubectlCommand(['--kubeconfig', kubeconfigFile('set-up'), ...args]), { env: clusterEnvironment(), ...input !== undefined && { input } })

export const kubectlWorks = (...args: string[]): Promise<boolean> => works(kubectlCommand(['--kubeconfig', kubeconfigFile('set-up'), ...args]), { env: clusterEnvironment() })

export const kubectlCommand = (args: readonly string[]): string[] => inNamespace(controlPlaneNamespace, join(paths.binaries, 'kubectl'), ...args)

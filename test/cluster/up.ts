import { checkKernel, checkUser, raiseLimits } from './machine.ts'
import { providePauseImage } from './buildah.ts'
import { provideBinaries } from './binaries.ts'
import { waitFor } from './commands.ts'
import { runningControlPlane, startApiServer, startControllers } from './control-plane.ts'
import { removeCluster } from './down.ts'
import { kubectlWorks } from './kubectl.ts'
import { takeLock } from './lock.ts'
import { createControlPlaneNetwork } from './namespaces.ts'
import { boot, startKubelet } from './node.ts'
import { nodeNumbers } from './paths.ts'
import { providePackages } from './packages.ts'
import { createCertificates } from './pki.ts'
import { ArgumentInvalid } from './problems.ts'
import { waitUntilReady } from './readiness.ts'
import { readSettings, writeSettings } from './settings.ts'

const defaultNodes = 3

/** Starts the cluster, or finds that it is up. Returns the number of its nodes. */
export async function up(wantedNodes: number | undefined, say: (line: string) => void): Promise<number> {
  checkUser()
  using _ = takeLock(say)
  const before = readSettings()
  const dead = Object.entries(runningControlPlane()).filter(([, runs]) => !runs).map(([daemon]) => daemon)
  if (before && dead.length === 0) {
    if (wantedNodes !== undefined && wantedNodes !== before.nodes) throw new ArgumentInvalid(`the cluster is up with ${before.nodes} nodes, not ${wantedNodes}; \`npm run cluster:down\` first.`)
    say('the cluster is up already')
    return before.nodes
  }
  if (before) say(`it was up, but no longer runs ${dead.join(', ')}; starting anew`)
  await removeCluster()

  const nodes = wantedNodes ?? before?.nodes ?? defaultNodes
  await checkKernel()
  await providePackages(say)
  await provideBinaries(say)
  raiseLimits(say)
  say('making namespaces and certificates')
  await createControlPlaneNetwork()
  await Promise.all([createCertificates(nodes), providePauseImage()])
  say(`starting the control plane and ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`)
  await Promise.all([
    startApiServer().then(startControllers),
    ...nodeNumbers(nodes).map(node => boot(node, nodes)),
  ])
  await Promise.all(nodeNumbers(nodes).map(startKubelet))
  say('waiting for nodes and metrics')
  await Promise.all(nodeNumbers(nodes).map(waitUntilReady))
  await waitFor('metrics API', 90, () => kubectlWorks('get', '--raw', '/apis/metrics.k8s.io/v1beta1/nodes'))
  writeSettings({ nodes, upSince: new Date().toISOString() })
  return nodes
}

import { takeLock } from './lock.ts'
import { checkUser } from './machine.ts'
import { boot, cutPower, isOn, startKubelet } from './node.ts'
import { nodeName } from './paths.ts'
import { parseNode, settingsOfRunningCluster } from './settings.ts'
import { isReady, waitUntilReady } from './readiness.ts'

export async function powerOff(typed: string, say: (line: string) => void): Promise<void> {
  checkUser()
  const node = parseNode(typed)
  using _ = takeLock(say)
  await cutPower(node)
  say(`${nodeName(node)} has no power`)
}

/** Also completes an earlier `on` that was killed: a node without its kubelet is switched off first. */
export async function powerOn(typed: string, say: (line: string) => void): Promise<void> {
  checkUser()
  const node = parseNode(typed)
  using _ = takeLock(say)
  if (isOn(node) && await isReady(node)) {
    say(`${nodeName(node)} is on already`)
    return
  }
  await cutPower(node)
  const offMs = Date.now()
  await boot(node, settingsOfRunningCluster().nodes)
  await startKubelet(node)
  await waitUntilReady(node, offMs)
  say(`${nodeName(node)} is on and ready`)
}

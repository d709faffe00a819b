/** faultline's own pods, and how one of them dies without a word. */
import { kubectl, KubectlFailed } from '../../../services/cli/deploy/kubectl.ts'
import { inSystem } from './installed.ts'

export interface SystemPod { name: string; uid: string; node: string }

/** Without those that are going. */
export async function podsOf(service: string): Promise<SystemPod[]> {
  const printed = await inSystem('get', 'pods', '--selector', `app.kubernetes.io/name=${service}`, '--field-selector', 'status.phase=Running', '--output', 'go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{.metadata.uid}} {{.spec.nodeName}}\n{{end}}{{end}}')
  return printed.trim().split('\n').filter(Boolean).map(line => {
    const [name = '', uid = '', node = ''] = line.split(' ')
    return { name, uid, node }
  })
}

/** The agent of a node sees every process there and may signal it: what is killed so hears of nothing, and no API is asked. */
export async function onNode(node: string, script: string): Promise<void> {
  const agent = (await podsOf('injector')).find(pod => pod.node === node)
  await inSystem('exec', agent?.name ?? '', '--', 'sh', '-c', script).catch((error: unknown) => {
    if (!(error instanceof KubectlFailed && /ended with 137/.test(error.message))) throw error // it was in what it has killed
  })
}

/** Every process of the pod but the one that holds its namespaces; this shell, which may be one of them, last. */
const killing = ({ uid }: SystemPod): string => `
  for group in $(grep -lE 'pod${uid.replaceAll('-', '[-_]')}' /proc/[0-9]*/cgroup 2>/dev/null); do
    process=\${group%/cgroup}; pid=\${process#/proc/}
    [ "$(cat "$process/comm" 2>/dev/null)" = pause ] || [ "$pid" = $$ ] || found="$found $pid"
  done
  kill -KILL $found 2>/dev/null; true`

export const kill = (pod: SystemPod): Promise<void> => onNode(pod.node, killing(pod))

/** For what nobody can be asked to do at that time. */
export const killLater = (pod: SystemPod, afterS: number): Promise<void> => onNode(pod.node, `
  setsid sh -c 'sleep ${afterS}
  ${killing(pod).replaceAll("'", `'"'"'`)}' >/dev/null 2>&1 &`)

/** Nodes that carry what a fault on a node may not take away. */
export async function controlNodes(): Promise<ReadonlySet<string>> {
  const named = await kubectl(['get', 'pods', '--namespace', 'faultline-system', '--selector', 'faultline.dev/control=true', '--output', 'jsonpath={.items[*].spec.nodeName}'])
  return new Set(named.split(' '))
}

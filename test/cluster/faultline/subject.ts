/** A small labelled Deployment in a namespace of its own, to try faults on. Gone afterwards. */
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { until } from '../../parts/until.ts'
import { images } from './installed.ts'

export interface SubjectPod { name: string; uid: string; node: string }

export interface Subject extends AsyncDisposable {
  namespace: string
  /** Waits until all its pods are there and ready, and none is going. */
  ready(): Promise<SubjectPod[]>
  pods(): Promise<SubjectPod[]>
  /** What one of them answers over HTTP, asked through the API server; a paused one answers when it goes on. */
  ask(pod: SubjectPod): Promise<string>
  /** Whether one of them answers within half a second, asked in the same way. */
  answers(pod: SubjectPod): Promise<boolean>
}

const readyWithinMs = 90_000
/** Of the Deployment how many pods it wants; of each pod whether it is ready, or going. */
const standings = '{{range .items}}{{if eq .kind "Deployment"}}wanted {{.spec.replicas}}{{else if .metadata.deletionTimestamp}}going {{.metadata.name}}{{else}}{{range .status.conditions}}{{if eq .type "Ready"}}{{.status}}{{end}}{{end}} {{.metadata.name}}{{end}}\n{{end}}'

function isAtRest(printed: string): boolean {
  const standing = printed.trim().split('\n').map(line => line.split(' '))
  const wanted = standing.find(([word]) => word === 'wanted')?.[1]
  const pods = standing.filter(([word]) => word !== 'wanted')
  return String(pods.length) === wanted && pods.every(([word]) => word === 'True')
}

const answering = 'require("node:http").createServer((_, answer) => answer.end("here")).listen(8080)'

export interface SubjectOptions {
  namespace: string
  optedIn: boolean
  replicas?: number
  /** Label of its pods. */
  version?: string
  /** What each of them runs, for Node; it must answer on port 8080. */
  script?: string
  /** More of the container, such as its resources. */
  container?: object
}

export async function startSubject({ namespace, optedIn, replicas = 2, version, script = answering, container = {} }: SubjectOptions): Promise<Subject> {
  await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=90s'])
  await kubectl(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: optedIn ? { 'faultline.dev/chaos': 'allowed' } : {} } },
    {
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'subject', namespace },
      spec: {
        replicas, selector: { matchLabels: { app: 'subject' } },
        template: {
          metadata: { labels: { app: 'subject', ...(version !== undefined && { 'app.kubernetes.io/version': version }) } },
          spec: {
            automountServiceAccountToken: false, terminationGracePeriodSeconds: 1, securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
            containers: [{
              name: 'subject', image: `${images.registry}/faultline/services:${images.version}`, imagePullPolicy: 'IfNotPresent', command: ['node', '-e', script],
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }, readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 }, ...container,
            }],
          },
        },
      },
    },
  ] }))
  const pods = async (): Promise<SubjectPod[]> => {
    const printed = await kubectl(['--namespace', namespace, 'get', 'pods', '--selector', 'app=subject', '--output', 'go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{.metadata.uid}} {{.spec.nodeName}}\n{{end}}{{end}}'])
    return printed.trim().split('\n').filter(Boolean).map(line => {
      const [name = '', uid = '', node = ''] = line.split(' ')
      return { name, uid, node }
    })
  }
  const look = () => kubectl(['--namespace', namespace, 'get', 'deployments,pods', '--output', `go-template=${standings}`])
  const pathOf = (pod: string) => `/api/v1/namespaces/${namespace}/pods/${pod}:8080/proxy/`
  return {
    namespace, pods,
    ask: ({ name }) => kubectl(['get', '--raw', pathOf(name)]),
    answers: ({ name }) => kubectl(['get', '--raw', pathOf(name), '--request-timeout=500ms']).then(() => true, () => false),
    async ready() {
      await kubectl(['--namespace', namespace, 'rollout', 'status', 'deployment/subject', '--timeout=90s'])
      // the Deployment's status may be from before a pod was lost, and `kubectl wait pods` fails when one of them goes, or when there is none yet
      let seen = ''
      await until(`the pods of ${namespace} are all there and ready, and none is going`, async () => isAtRest(seen = await look()), readyWithinMs, { lookMs: 200, now: () => seen })
      return pods()
    },
    async [Symbol.asyncDispose]() {
      await kubectl(['delete', 'namespace', namespace, '--wait=false'])
    },
  }
}

/** What a pod hears from an address: `here`, or `silence` when nobody answers within a second. */
export async function hear(asking: { namespace: string; pod: string }, address: string): Promise<string> {
  const ask = `fetch("http://${address}:8080/", { signal: AbortSignal.timeout(1000) }).then(answer => answer.text()).catch(() => "silence").then(heard => console.log(heard))`
  return (await kubectl(['--namespace', asking.namespace, 'exec', asking.pod, '--', 'node', '-e', ask])).trim()
}

/** The same of who is not cut off: one answer shows it, and on a busy machine the first may be late. */
export async function hearAtLast(asking: { namespace: string; pod: string }, address: string): Promise<string> {
  const givenUpAt = performance.now() + 5_000
  for (;;) {
    const heard = await hear(asking, address)
    if (heard !== 'silence' || performance.now() >= givenUpAt) return heard
  }
}

import type { Defence } from '../defence.ts'

const yaml = 'shared/experiment-yaml.ts'
const voucher = 'services/injector/voucher.ts'
const processes = 'services/injector/process-targets.ts'
const untouchable = 'services/injector/untouchable.ts'
const agent = 'services/injector/core.ts'
const authors = 'k8s/base/author-policy.yaml'
const authorTest = 'test/unit/author-policy.test.ts'
const optIn = 'k8s/base/opt-in-policy.yaml'
const optInTest = 'test/unit/opt-in-policy.test.ts'
const endpoints = 'services/prober/endpoints.ts'

const authorsOfWorkloads = { file: authors, find: "        : 'workload' in f.target ? string(f.target.workload['namespace'])\n", put: '' }
const everyMadeAndChanged = { file: authorTest, title: 'every object that has experiments is held to it when it is made and when it is changed, but for what the scheduler makes of a Campaign' }
const oneByOne = { file: authorTest, title: 'each namespace is asked about in an expression of its own, which has room for two checks; one more than there are expressions is refused' }

/** Rows of THREATS.md on experiments and targets. */
export const targetDefences: readonly Defence[] = [
  {
    row: 'hostile-file', name: 'aliases of aliases are not followed without end',
    changes: [
      { file: yaml, find: 'if (aliasCount > limits.aliases) return', put: 'if (aliasCount === Infinity) return' },
      { file: yaml, find: 'if (nodeCount > limits.nodes) return', put: 'if (nodeCount === Infinity) return' },
    ],
  },
  {
    row: 'hostile-file', name: 'depth and tokens are bounded before values are made of them',
    changes: [
      { file: yaml, find: 'if (count > limits.tokens) return', put: 'if (count === Infinity) return' },
      { file: yaml, find: 'if (parser.stack.length > limits.depth + 2) return', put: 'if (parser.stack.length === Infinity) return' },
    ],
  },
  {
    row: 'hostile-keys', name: 'such keys are refused',
    changes: [{ file: yaml, find: 'else if (dangerousKeys.includes(name)) flaw', put: "else if (name === '') flaw" }],
  },
  {
    row: 'not-opted-in', name: 'the signature is checked',
    changes: [{ file: voucher, find: "if (!verify(body, Buffer.from(signature, 'base64url'))) return", put: "if (body === 'nobody' && !verify(body, Buffer.from(signature, 'base64url'))) return" }],
  },
  { row: 'not-opted-in', name: 'it is for this target', changes: [{ file: voucher, find: 'if (parsed.id !== target.id || parsed.where', put: 'if (parsed.where' }] },
  { row: 'not-opted-in', name: 'it is for this namespace', changes: [{ file: voucher, find: 'if (parsed.id !== target.id || parsed.where !== whereOf(target)) return', put: 'if (parsed.id !== target.id) return' }] },
  {
    row: 'not-opted-in', name: 'it has a date', test: { file: 'test/unit/voucher.test.ts', title: 'a voucher holds for its pod until its date' },
    changes: [{ file: voucher, find: 'if (parsed.expiresAtMs < nowMs) return', put: 'if (nowMs === Infinity) return' }],
  },
  {
    row: 'api-agent-elsewhere', name: 'the label is asked for', changes: [{
      file: optIn, find: "has(namespaceObject.metadata.labels) && 'faultline.dev/chaos' in namespaceObject.metadata.labels && namespaceObject.metadata.labels['faultline.dev/chaos'] == 'allowed'", put: 'true',
    }],
  },
  {
    row: 'api-agent-elsewhere', name: 'some namespaces are refused whatever their labels',
    changes: [{ file: optIn, find: "['kube-system', 'kube-public', 'kube-node-lease', 'faultline-system']", put: "['kube-system', 'faultline-system']" }],
  },
  { row: 'api-agent-elsewhere', name: 'evictions are asked about too', changes: [{ file: optIn, find: '      - { apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods/eviction] }\n', put: '' }] },
  { row: 'api-agent-elsewhere', name: 'who fails the policy is refused', test: { file: optInTest, title: 'what neither policy can decide is refused, and so is what either decides against' }, changes: [{ file: optIn, find: 'spec: { policyName: faultline-opt-in, validationActions: [Deny] }', put: 'spec: { policyName: faultline-opt-in, validationActions: [Audit] }' }] },
  {
    row: 'api-agent-elsewhere', name: 'the labels of a node stay as they are', test: { file: optInTest, title: "of a node it lets its label be asked for, and labels, taints and others' annotations stay as they are" },
    changes: [{ file: optIn, find: '"(has(object.metadata.labels) ? object.metadata.labels : {}) == variables.labels"', put: '"true"' }],
  },
  { row: 'too-many-targets', name: 'the cap on the share', changes: [{ file: 'shared/blast-radius.ts', find: 'if (taken > maxShare * matching) return', put: 'if (taken > matching) return' }] },
  { row: 'too-many-targets', name: 'a cap is not rounded up', changes: [{ file: 'shared/blast-radius.ts', find: 'if (taken > maxShare * matching) return', put: 'if (taken > Math.max(1, Math.ceil(maxShare * matching))) return' }] },
  {
    row: 'too-many-targets', name: 'the cap on the number', test: { file: 'test/unit/blast-radius.test.ts', title: 'ten targets are the usual cap, whatever their share' },
    changes: [{ file: 'shared/blast-radius.ts', find: 'if (taken > maxTargets) return', put: 'if (taken > maxTargets + 100) return' }],
  },
  {
    row: 'recycled-pid', name: 'a declared parent is bound to its start time',
    changes: [{ file: processes, find: 'entry.pid === pid && (startTicks === undefined || entry.startTicks === startTicks)', put: 'entry.pid === pid' }],
  },
  {
    row: 'recycled-pid', name: 'a target is bound to its start time', test: { file: 'test/unit/process-targets.test.ts', title: 'this very process is found by its start time and not by another' },
    changes: [{ file: 'shared/process/process-table.ts', find: 'entry.startTicks === startTicks', put: 'entry.startTicks > 0' }],
  },
  { row: 'untouchable-process', name: 'what is above the agent', changes: [{ file: untouchable, find: 'new Set([1, process.pid, ...ancestorsOf(process.pid, table)])', put: 'new Set([1, process.pid])' }] },
  { row: 'untouchable-process', name: 'the agent', changes: [{ file: untouchable, find: 'new Set([1, process.pid, ', put: 'new Set([1, ' }] },
  { row: 'untouchable-process', name: 'init', changes: [{ file: untouchable, find: 'new Set([1, process.pid, ', put: 'new Set([process.pid, ' }] },
  { row: 'untouchable-process', name: 'kernel threads', changes: [{ file: untouchable, find: 'isKernelThread || isOwnProgram(commandOf(pid))', put: 'isOwnProgram(commandOf(pid))' }] },
  { row: 'untouchable-process', name: 'what ends faults', changes: [{ file: untouchable, find: 'isKernelThread || isOwnProgram(commandOf(pid))', put: 'isKernelThread' }] },
  {
    row: 'outlived-fault', name: 'a fault that is there ends with its lease',
    changes: [{ file: agent, find: 'if (nowMs < endOf(fault)) return nothing(state)', put: 'if (fault.leaseEndsMs > 0) return nothing(state)' }],
  },
  {
    row: 'outlived-fault', name: 'one that is being made does, too',
    changes: [{ file: agent, find: "case 'preparing': case 'acting': return nowMs >= fault.leaseEndsMs ? lapse(state, fault) : nothing(state)", put: "case 'preparing': case 'acting': return nothing(state)" }],
  },
  { row: 'author-elsewhere', name: 'workloads are asked about', changes: [authorsOfWorkloads] },
  { row: 'author-elsewhere', name: 'nodes are asked about', changes: [{ file: authors, find: "has(f.target) && 'nodes' in f.target", put: 'has(f.target) && false' }] },
  { row: 'author-elsewhere', name: 'a change is held to it', test: everyMadeAndChanged, changes: [{ file: authors, find: 'operations: [CREATE, UPDATE]', put: 'operations: [CREATE]' }] },
  { row: 'author-elsewhere', name: 'every kind of object is held to it', test: everyMadeAndChanged, changes: [{ file: authors, find: 'resources: [experiments, campaigns, policies]', put: 'resources: [experiments, campaigns]' }] },
  { row: 'author-elsewhere', name: 'a policy that cannot be evaluated refuses', test: everyMadeAndChanged, changes: [{ file: authors, find: 'failurePolicy: Fail', put: 'failurePolicy: Ignore' }] },
  { row: 'author-elsewhere', name: 'who fails the policy is refused', test: everyMadeAndChanged, changes: [{ file: authors, find: 'validationActions: [Deny]', put: 'validationActions: [Warn]' }] },
  {
    row: 'author-elsewhere', name: 'each of several namespaces is asked about', test: oneByOne,
    changes: [{ file: authors, find: "authorizer.group('').resource('pods').namespace(variables.fourth).check('delete').allowed()", put: 'true' }],
  },
  { row: 'author-elsewhere', name: 'more namespaces than that are refused', test: oneByOne, changes: [{ file: authors, find: 'variables.afterFourth.size() == 0', put: 'true' }] },
  { row: 'author-elsewhere-cluster', name: 'workloads are asked about', changes: [authorsOfWorkloads] },
  { row: 'author-elsewhere-cluster', name: 'the first namespace is asked about', changes: [{ file: authors, find: "authorizer.group('').resource('pods').namespace(variables.first).check('delete').allowed()", put: 'true' }] },
  {
    row: 'experiment-reads-file', name: 'an experiment has documents',
    changes: [{ file: 'shared/experiment-slos.ts', find: 'if (documents === undefined) problem', put: 'if (documents === null) problem' }],
  },
  {
    row: 'experiment-asks-inside', name: "an endpoint is the operator's",
    changes: [{ file: endpoints, find: 'const url = endpoints.get(endpoint)', put: 'const url = endpoints.get(endpoint) ?? new URL(`postgres://${endpoint}`)' }],
  },
  { row: 'experiment-asks-inside', name: 'an endpoint is of its kind', changes: [{ file: endpoints, find: 'return fitting.includes(url.protocol) ? url :', put: 'return url.protocol !== \'\' ? url :' }] },
  { row: 'experiment-asks-inside', name: 'its address is not told', changes: [{ file: endpoints, find: 'its URL begins with ${url.protocol}', put: 'its URL is ${url.href}' }] },
  { row: 'experiment-asks-inside', name: 'what is no address is not told either', changes: [{ file: endpoints, find: 'the endpoint ${name} is not a URL', put: 'the endpoint ${name} (${text}) is not a URL' }] },
]

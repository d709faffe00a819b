import { stringify } from 'yaml'
import { campaignObjectJsonSchema } from '#shared/campaign-object.ts'
import { experimentJsonSchema } from '#shared/experiment-schema.ts'
import { policyJsonSchema } from '#shared/policy.ts'
import { structuralSchema, type StructuralSchema } from './structural-schema.ts'

const customResourceGroup = 'faultline.dev'
const customResourceVersion = 'v1alpha1'

const text = (description: string): StructuralSchema => ({ type: 'string', description })
const date = (description: string): StructuralSchema => ({ type: 'string', format: 'date-time', description })

const conditions = (description: string): StructuralSchema => ({
  type: 'array', description,
  'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'],
  items: {
    type: 'object', required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
    properties: {
      type: { type: 'string' }, status: { type: 'string', enum: ['True', 'False', 'Unknown'] }, reason: { type: 'string' }, message: { type: 'string' },
      lastTransitionTime: { type: 'string', format: 'date-time' }, observedGeneration: { type: 'integer', format: 'int64' },
    },
  },
})
const ofRuns = 'Accepted, Running, Complete, Passed: kubectl wait --for=condition=Passed'

/** What every object's status has, around what is its own. */
const statusSchema = (own: Readonly<Record<string, StructuralSchema>>, told = ofRuns): StructuralSchema => ({
  type: 'object',
  description: 'What has become of it; written by the scheduler',
  properties: { observedGeneration: { type: 'integer', format: 'int64', description: 'The generation of the object that all of this is about' }, ...own, conditions: conditions(told) },
})

/** What the scheduler writes about an object: services/scheduler/experiment-object.ts. */
const experimentStatus: StructuralSchema = statusSchema({
  runId: text('Name of the run, for faultline\'s commands'),
  phase: text('Where the run is'),
  verdict: { type: 'string', enum: ['passed', 'failed', 'inconclusive'], description: 'The verdict, once there is one' },
  reasons: { type: 'array', items: { type: 'string' }, description: 'Why it is not passed, or why it was refused' },
  startedAt: date('When it was submitted'),
  completedAt: date('When it was sealed or refused'),
})

const experimentColumns = [
  { name: 'Verdict', type: 'string', jsonPath: '.status.verdict' },
  { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  { name: 'Reason', type: 'string', jsonPath: '.status.reasons[0]' },
  { name: 'Run', type: 'string', jsonPath: '.status.runId', priority: 1 },
]

/** services/scheduler/campaign-object.ts */
const campaignStatus: StructuralSchema = statusSchema({
  phase: { type: 'string', enum: ['Refused', 'Running', 'Judged'] },
  verdict: { type: 'string', enum: ['passed', 'failed', 'inconclusive'], description: 'Of all its steps, once they are over' },
  progress: text('The steps that are under way, or how many are over'),
  reasons: { type: 'array', items: { type: 'string' }, description: 'Why it is not passed, or why it was refused' },
  startedAt: date('When its first step was begun'),
  completedAt: date('When its last step was over, or it was refused'),
  stopped: text('Why nothing but steps that are always done follows'),
  steps: {
    type: 'array', description: 'Each step, in order',
    'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'],
    items: {
      type: 'object', required: ['name', 'state', 'experiments'],
      properties: {
        name: { type: 'string' }, state: { type: 'string', enum: ['waiting', 'running', 'over'] }, verdict: { type: 'string', enum: ['passed', 'failed', 'inconclusive', 'skipped'] }, reason: { type: 'string' },
        startedAt: { type: 'string', format: 'date-time' }, completedAt: { type: 'string', format: 'date-time' }, cancelledAt: { type: 'string', format: 'date-time' },
        experiments: { type: 'array', items: { type: 'string' }, description: 'Those that were made for it' },
      },
    },
  },
})

const campaignColumns = [
  { name: 'Verdict', type: 'string', jsonPath: '.status.verdict' },
  { name: 'Progress', type: 'string', jsonPath: '.status.progress' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  { name: 'Reason', type: 'string', jsonPath: '.status.reasons[0]' },
]

/** services/scheduler/policy-object.ts */
const policyStatus: StructuralSchema = statusSchema({
  state: { type: 'string', enum: ['refused', 'active', 'waiting', 'paused', 'halted'], description: 'waiting: a run is due and may not begin yet' },
  reason: text('Why it is not active'),
  policyName: text('Its name to the scheduler\'s API and to faultline\'s commands'),
  nextAt: date('When the next run is planned'),
  lastRun: text('The newest run that is over'),
  lastVerdict: { type: 'string', enum: ['passed', 'failed', 'inconclusive'], description: 'Its verdict' },
}, 'Accepted: False says what is wrong with it')

const policyColumns = [
  { name: 'State', type: 'string', jsonPath: '.status.state' },
  { name: 'Next', type: 'string', jsonPath: '.status.nextAt' },
  { name: 'Last', type: 'string', jsonPath: '.status.lastVerdict' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  { name: 'Reason', type: 'string', jsonPath: '.status.reason' },
  { name: 'Run', type: 'string', jsonPath: '.status.lastRun', priority: 1 },
]

/** The file format as a custom resource: its keys stand at the top level, as in the file, so that one file is good for both. */
function definitionOf({ kind, plural, singular, shortName, schema, status, columns }: {
  kind: string; plural: string; singular: string; shortName: string; schema: Parameters<typeof structuralSchema>[0]; status: StructuralSchema; columns: readonly object[]
}): object {
  const { properties = {}, ...rest } = structuralSchema(schema) as { properties?: Record<string, StructuralSchema & { properties?: Record<string, StructuralSchema> }> }
  const name = properties['metadata']?.properties?.['name'] // of the metadata, Kubernetes lets nobody say anything but this
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${customResourceGroup}` },
    spec: {
      group: customResourceGroup,
      scope: 'Namespaced',
      names: { kind, plural, singular, listKind: `${kind}List`, shortNames: [shortName], categories: ['faultline'] },
      versions: [{
        name: customResourceVersion, served: true, storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: columns,
        schema: { openAPIV3Schema: { ...rest, properties: { ...properties, apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object', properties: { name } }, status } } },
      }],
    },
  }
}

/** k8s/base/crds/experiments.yaml. Pure. */
export const experimentDefinition = (): string => printed('shared/experiment.ts', definitionOf({
  kind: 'Experiment', plural: 'experiments', singular: 'experiment', shortName: 'exp',
  schema: experimentJsonSchema, status: experimentStatus, columns: experimentColumns,
}))

/** k8s/base/crds/campaigns.yaml. Pure. */
export const campaignDefinition = (): string => printed('shared/campaign-object.ts', definitionOf({
  kind: 'Campaign', plural: 'campaigns', singular: 'campaign', shortName: 'camp',
  schema: campaignObjectJsonSchema, status: campaignStatus, columns: campaignColumns,
}))

/** k8s/base/crds/policies.yaml. Pure. */
export const policyDefinition = (): string => printed('shared/policy.ts', definitionOf({
  kind: 'Policy', plural: 'policies', singular: 'policy', shortName: 'pol',
  schema: policyJsonSchema, status: policyStatus, columns: policyColumns,
}))

const printed = (source: string, definition: object): string => `# Generated by \`faultline generate\` from ${source}. Do not edit.\n${stringify(definition, { lineWidth: 0, aliasDuplicateObjects: false })}`

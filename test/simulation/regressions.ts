import type { Plan } from './plan.ts'

/** Plans that once violated an invariant, shrunk: `npm run sim` prints them in this form. Whole plans, since a seed means another one when plan.ts changes. */
export interface Regression {
  /** What was wrong, and what keeps it right now. */
  why: string
  plan: Plan
}

const pods = { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'one' } }

export const regressions: readonly Regression[] = [
  {
    why: 'A node that lost its journal with its power never told of the end of its fault, and the run waited for that for ever. It gives up now, and is sealed unconfirmed.',
    plan: {
      seed: 195, place: 'cluster', constitution: { hurt: 0, healsMs: 0 },
      documents: [{
        atMs: 400,
        document: {
          apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pod-pause', at: '1500ms', target: pods, duration: '4s' }],
          gates: [{ name: 'holds', source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '2s', recovery: { within: '3s', stable: '1s' },
        },
      }],
      disturbances: [{ is: 'power-loss', where: 'n1', atMs: 3_000, forMs: 3_000, fsyncLies: true }, { is: 'power-loss', where: 'n2', atMs: 3_000, forMs: 3_000, fsyncLies: true }],
    },
  },
]

import type { Plan } from './plan.ts'

/** Plans that once violated an invariant, shrunk: `npm run sim` prints them in this form. Whole plans, since a seed means another one when plan.ts changes. */
export interface Regression {
  /** What was wrong, and what keeps it right now. */
  why: string
  plan: Plan
}

const worker = { process: { match: 'shop: worker', pick: 'one' } }
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
  {
    why: 'A machine lost its power in the middle of a fault, and its agent dated the end by when it was back: the run passed. An end that nobody saw is no evidence now.',
    plan: {
      seed: 1092, place: 'local', constitution: { hurt: 0, healsMs: 200 },
      documents: [{
        atMs: 400,
        document: {
          apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pause', at: '1900ms', target: worker, duration: '4100ms' }],
          gates: [{ name: 'holds', source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '2s', recovery: { within: '3s', stable: '1s' },
        },
      }],
      disturbances: [{ is: 'power-loss', where: 'box', atMs: 3_900, forMs: 1_500, fsyncLies: false }],
    },
  },
  {
    why: 'Finding the targets took seconds, in which everything was halted and the run sealed; they were ordered all the same. The scheduler looks again before it orders.',
    plan: {
      seed: 101207, place: 'cluster', constitution: { hurt: 1, healsMs: 1000 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pod-pause', at: '1678ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'all' } }, duration: '1042ms' }, { kind: 'network-drop', at: '4256ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'one' } }, duration: '2355ms' }, { kind: 'network-drop', at: '4662ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 2 } }, duration: '4317ms' }], blastRadius: { maxTargets: 6 }, gates: [{ name: 'holds', phase: 'during', consecutive: 3, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }, { name: 'quiet', phase: 'steady', consecutive: 2, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '2s', recovery: { within: '6s', stable: '1s' }, lease: '1016ms' },
      }],
      disturbances: [{ is: 'commands-delayed', fromMs: 1615, toMs: 7885, share: 0.9 }, { is: 'halt', atMs: 2515, forMs: 6652 }],
    },
  },
  {
    why: 'The clock of an agent was an hour ahead, and so was the date of its injection: the hold lasted an hour. The run is given up now when it is more than ten seconds.',
    plan: {
      seed: 103465, place: 'local', constitution: { hurt: 0.5, healsMs: 4000 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pause', at: '1471ms', target: { process: { match: 'shop: worker', pick: 2 } }, duration: '3671ms' }], blastRadius: { maxTargets: 3, maxShare: '100%' }, gates: [{ name: 'holds', phase: 'during', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '5s', recovery: { within: '3s', stable: '1s' }, lease: '1198ms' },
      }],
      disturbances: [{ is: 'clock-jump', where: 'box', atMs: 1951, byMs: 3600000 }],
    },
  },
  {
    why: "The lease's bucket was lost twice. One scheduler led in the second, and the other, which had seen the first empty for long enough, led in the third. Who takes an empty lease names which one it has seen.",
    plan: {
      seed: 19678, place: 'local', constitution: { hurt: 0, healsMs: 0 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, load: { users: 10, host: 'http://shop:8000' }, faults: [{ kind: 'pause', at: '2118ms', target: { process: { match: 'shop: worker', pick: 'one' } }, duration: '4492ms' }, { kind: 'pause', at: '3243ms', target: { process: { match: 'shop: worker', pick: 'one' } }, duration: '2308ms' }], blastRadius: { maxTargets: 3, maxShare: '34%' }, gates: [{ name: 'holds', phase: 'during', consecutive: 3, errorRate: { max: '10%' }, window: '500ms' }, { name: 'recovers', phase: 'recovery', consecutive: 1, errorRate: { max: '10%' }, window: '500ms' }], hold: '4s', recovery: { within: '6s', stable: '1s' }, lease: '2913ms' },
      }],
      disturbances: [{ is: 'lease-bucket-lost', atMs: 4383 }, { is: 'lease-bucket-lost', atMs: 5839 }],
    },
  },
  {
    why: 'The bucket of the lease was lost twice, as in 19678, after NATS had been down twice.',
    plan: {
      seed: 8009, place: 'local', constitution: { hurt: 0, healsMs: 1000 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, load: { users: 10, host: 'http://shop:8000' }, faults: [{ kind: 'pause', at: '2067ms', target: { process: { match: 'shop: worker', pick: 'one' } }, duration: '3818ms' }], blastRadius: { maxTargets: 6 }, gates: [{ name: 'holds', phase: 'during', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }, { name: 'recovers', phase: 'recovery', consecutive: 2, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '2s', recovery: { within: '4s', stable: '2s' }, lease: '1309ms' },
      }],
      disturbances: [{ is: 'lease-bucket-lost', atMs: 11429 }, { is: 'lease-bucket-lost', atMs: 10108 }, { is: 'nats-down', fromMs: 7279, toMs: 9195 }, { is: 'nats-down', fromMs: 1783, toMs: 5083 }],
    },
  },
  {
    why: 'The bucket of the lease was lost twice, as in 19678, before anybody had submitted anything.',
    plan: {
      seed: 9333, place: 'cluster', constitution: { hurt: 1, healsMs: 1000 },
      documents: [{
        atMs: 5893,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pod-pause', at: '2094ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'one' } }, duration: '2996ms' }], blastRadius: { maxTargets: 4 }, gates: [{ name: 'holds', phase: 'during', consecutive: 3, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '3s', recovery: { within: '8s', stable: '2s' }, lease: '2371ms' },
      }],
      disturbances: [{ is: 'lease-bucket-lost', atMs: 5425 }, { is: 'lease-bucket-lost', atMs: 6851 }],
    },
  },
  {
    why: 'A leader whose clock had leaped an hour ahead began a run, and was followed by one whose clock was right: that waited for the hour. A date ahead counts from when it is seen.',
    plan: {
      seed: 12490, place: 'cluster', constitution: { hurt: 0.5, healsMs: 4000 },
      documents: [{
        atMs: 2273,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pod-kill', at: '2482ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 2 } } }], blastRadius: { maxTargets: 4 }, gates: [{ name: 'holds', phase: 'during', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }, { name: 'quiet', phase: 'steady', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '3s', recovery: { within: '3s', stable: '1s' }, lease: '1809ms' },
      }],
      disturbances: [{ is: 'crash-at-moment', who: 'scheduler-2', moment: 'write the lease', nth: 2, forMs: 1737 }, { is: 'crash-at-moment', who: 'scheduler-1', moment: 'ask', nth: 2, forMs: 1188 }, { is: 'paused-at-step', who: 'scheduler-2', step: 26, forMs: 2088 }, { is: 'clock-jump', where: 's2', atMs: 2902, byMs: 3600000 }],
    },
  },
  {
    why: 'A clock an hour ahead, as in 12490, of a leader that had ended the hold and crashed while the system recovered.',
    plan: {
      seed: 23238, place: 'cluster', constitution: { hurt: 1, healsMs: 1000 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, load: { users: 10, host: 'http://shop:8000' }, faults: [{ kind: 'pod-kill', at: '1490ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'one' } } }], blastRadius: { maxTargets: 1, maxShare: '34%' }, gates: [{ name: 'holds', phase: 'during', consecutive: 2, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '4s', recovery: { within: '2s', stable: '2s' }, lease: '1356ms' },
      }],
      disturbances: [{ is: 'crash', who: 'scheduler-1', atMs: 7271, forMs: 2414 }, { is: 'clock-jump', where: 's1', atMs: 3086, byMs: 3600000 }],
    },
  },
  {
    why: 'A clock an hour ahead, as in 12490, of a leader that had aborted the run, and crashed as it was about to seal it.',
    plan: {
      seed: 27149, place: 'cluster', constitution: { hurt: 1, healsMs: 200 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, load: { users: 10, host: 'http://shop:8000' }, faults: [{ kind: 'pod-kill', at: '1811ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: '50%' } } }, { kind: 'pod-pause', at: '3782ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 2 } }, duration: '1331ms' }], blastRadius: { maxTargets: 6 }, gates: [{ name: 'holds', phase: 'during', consecutive: 3, errorRate: { max: '10%' }, window: '500ms' }, { name: 'recovers', phase: 'recovery', consecutive: 3, errorRate: { max: '10%' }, window: '500ms' }], hold: '3s', recovery: { within: '5s', stable: '2s' }, lease: '2245ms' },
      }],
      disturbances: [{ is: 'crash-at-moment', who: 'scheduler-1', moment: 'publish run.sealed', nth: 1, forMs: 4981 }, { is: 'clock-jump', where: 's1', atMs: 2890, byMs: 3600000 }],
    },
  },
  {
    why: 'A clock an hour ahead, as in 12490, of a leader that crashed as it broadcast the abort: it was to be broadcast for an hour.',
    plan: {
      seed: 47911, place: 'cluster', constitution: { hurt: 0, healsMs: 0 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, load: { users: 10, host: 'http://shop:8000' }, faults: [{ kind: 'network-drop', at: '1954ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'all' } }, duration: '3107ms' }, { kind: 'network-drop', at: '2341ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: '50%' } }, duration: '1660ms' }, { kind: 'pod-pause', at: '4325ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'one' } }, duration: '4237ms' }], blastRadius: { maxTargets: 5 }, gates: [{ name: 'holds', phase: 'during', consecutive: 2, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '4s', recovery: { within: '7s', stable: '1s' }, lease: '2160ms' },
      }],
      disturbances: [{ is: 'crash-at-moment', who: 'scheduler-2', moment: 'signal abort', nth: 2, forMs: 4991 }, { is: 'clock-jump', where: 's2', atMs: 5545, byMs: 3600000 }, { is: 'paused', who: 'scheduler-1', atMs: 2408, forMs: 6000 }, { is: 'paused', who: 'scheduler-2', atMs: 2408, forMs: 6000 }],
    },
  },
]

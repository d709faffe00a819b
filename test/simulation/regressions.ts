import type { Plan } from './plan.ts'

/** Plans that once violated an invariant, shrunk: `npm run sim` prints them in this form. Whole plans, since a seed means another one when plan.ts changes. */
export interface Regression {
  /** What was wrong, and what keeps it right now. */
  why: string
  plan: Plan
}

const worker = { process: { match: 'shop: worker', pick: 'one' } }
const pods = { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'one' } }

const onePause = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pause', at: '1500ms', target: worker, duration: '4s' }],
  gates: [{ name: 'holds', source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '2s', recovery: { within: '3s', stable: '1s' },
}

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
    why: 'An agent was stopped between two targets until its lease was over, and its reverter had ended the fault and was gone; when it went on, it stopped the second target. It asks what is left of the fault right before each deed.',
    plan: {
      seed: 11270, place: 'local', constitution: { hurt: 0, healsMs: 200 },
      documents: [{
        atMs: 400,
        document: {
          apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' },
          faults: [{ kind: 'pause', at: '2872ms', target: { process: { match: 'shop: worker', pick: 2 } }, duration: '1624ms' }], blastRadius: { maxTargets: 3, maxShare: '100%' },
          gates: [{ name: 'holds', source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '2s', recovery: { within: '2s', stable: '2s' }, lease: '2194ms',
        },
      }],
      disturbances: [{ is: 'paused-at-moment', who: 'agent-box', moment: 'stop', nth: 1, forMs: 4943 }],
    },
  },
  {
    why: 'The same with rules in the kernel, which were added for what had been left of the lease when the agent was stopped.',
    plan: {
      seed: 16063, place: 'cluster', constitution: { hurt: 0.5, healsMs: 0 },
      documents: [{
        atMs: 400,
        document: {
          apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' },
          faults: [{ kind: 'network-drop', at: '2415ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'all' } }, duration: '3065ms' }], blastRadius: { maxTargets: 5 },
          gates: [{ name: 'holds', source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '4s', recovery: { within: '2s', stable: '2s' }, lease: '1039ms',
        },
      }],
      disturbances: [{ is: 'paused-at-moment', who: 'agent-n1', moment: 'add the table', nth: 1, forMs: 4230 }],
    },
  },
  {
    why: 'An agent was stopped for a second and a half after its act, before it had read it back, and only then the duration began. It does begin there: the fault is bounded by its lease until then.',
    plan: {
      seed: 30712, place: 'cluster', constitution: { hurt: 0, healsMs: 1000 },
      documents: [{
        atMs: 400,
        document: {
          apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' },
          faults: [{ kind: 'network-drop', at: '1528ms', target: pods, duration: '1920ms' }],
          gates: [{ name: 'holds', source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '5s', recovery: { within: '3s', stable: '1s' }, lease: '2368ms',
        },
      }],
      disturbances: ['agent-n1', 'agent-n2'].map(who => ({ is: 'paused-at-moment', who, moment: 'add the table', nth: 1, forMs: 1_590 } as const)),
    },
  },
  {
    why: 'NATS and Prometheus were away, and the end of the hold came on record four seconds after its date: looks that were taken after it made up for those of the hold that nobody could read, and the run passed. What ended later does not count now.',
    plan: {
      seed: 21875, place: 'cluster', constitution: { hurt: 0, healsMs: 0 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pod-kill', at: '1756ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'one' } } }], blastRadius: { maxTargets: 5 }, gates: [{ name: 'holds', phase: 'during', consecutive: 3, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }, { name: 'quiet', phase: 'steady', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '2s', recovery: { within: '5s', stable: '2s' }, lease: '1614ms' },
      }],
      disturbances: [{ is: 'prometheus-away', fromMs: 3488, toMs: 6423 }, { is: 'nats-down', fromMs: 3920, toMs: 7220 }],
    },
  },
  {
    why: 'Of two times at once in which Prometheus was away the simulation ended both with the first, and counted them both. The pass was right; now Prometheus really stays away until the later end.',
    plan: {
      seed: 19859, place: 'cluster', constitution: { hurt: 0, healsMs: 0 },
      documents: [{
        atMs: 3806,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pod-pause', at: '1303ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: '50%' } }, duration: '4257ms' }], blastRadius: { maxTargets: 3 }, gates: [{ name: 'holds', phase: 'during', consecutive: 2, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '4s', recovery: { within: '5s', stable: '1s' }, lease: '2004ms' },
      }],
      disturbances: [{ is: 'prometheus-away', fromMs: 5562, toMs: 9556 }, { is: 'prometheus-away', fromMs: 3150, toMs: 5717 }],
    },
  },
  {
    why: 'An order was refused, since another scheduler had followed the one that gave it; that one chose anew, its order was done, and the targets were held against the first order. They must all be of one order, whichever.',
    plan: {
      seed: 21818, place: 'local', constitution: { hurt: 0.05, healsMs: 200 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, load: { users: 10, host: 'http://shop:8000' }, faults: [{ kind: 'kill', at: '2434ms', target: { process: { match: 'shop: worker', pick: 'one' } } }, { kind: 'pause', at: '2979ms', target: { process: { match: 'shop: worker', pick: 'all' } }, duration: '3304ms' }, { kind: 'kill', at: '3017ms', target: { process: { match: 'shop: worker', pick: 'one' } } }], blastRadius: { maxTargets: 6 }, gates: [{ name: 'holds', phase: 'during', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '3s', recovery: { within: '7s', stable: '1s' }, lease: '2268ms' },
      }],
      disturbances: [{ is: 'paused-at-moment', who: 'scheduler-1', moment: 'ask', nth: 5, forMs: 3140 }, { is: 'paused-at-moment', who: 'scheduler-2', moment: 'ask', nth: 5, forMs: 3140 }, { is: 'commands-lost', fromMs: 1744, toMs: 5744, share: 0.6 }, { is: 'paused', who: 'scheduler-1', atMs: 3667, forMs: 6000 }, { is: 'paused', who: 'scheduler-2', atMs: 3667, forMs: 6000 }],
    },
  },
  {
    why: 'The same, of a fault on several targets.',
    plan: {
      seed: 34337, place: 'local', constitution: { hurt: 0, healsMs: 200 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, load: { users: 10, host: 'http://shop:8000' }, faults: [{ kind: 'kill', at: '1530ms', target: { process: { match: 'shop: worker', pick: '50%' } } }, { kind: 'kill', at: '1936ms', target: { process: { match: 'shop: worker', pick: 'all' } } }], blastRadius: { maxTargets: 3 }, gates: [{ name: 'holds', phase: 'during', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }, { name: 'quiet', phase: 'steady', consecutive: 2, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }, { name: 'recovers', phase: 'recovery', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '3s', recovery: { within: '3s', stable: '2s' }, lease: '2602ms' },
      }],
      disturbances: [{ is: 'paused-at-moment', who: 'scheduler-1', moment: 'ask', nth: 4, forMs: 2573 }, { is: 'paused-at-moment', who: 'scheduler-2', moment: 'ask', nth: 2, forMs: 2573 }, { is: 'paused', who: 'scheduler-1', atMs: 2490, forMs: 6000 }, { is: 'paused', who: 'scheduler-2', atMs: 2490, forMs: 6000 }],
    },
  },
  {
    why: 'The same, with an agent that died before it could begin with the first order.',
    plan: {
      seed: 29134, place: 'local', constitution: { hurt: 0.05, healsMs: 4000 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, load: { users: 10, host: 'http://shop:8000' }, faults: [{ kind: 'pause', at: '1062ms', target: { process: { match: 'shop: worker', pick: 'all' } }, duration: '922ms' }], blastRadius: { maxTargets: 6 }, gates: [{ name: 'holds', phase: 'during', consecutive: 3, errorRate: { max: '10%' }, window: '500ms' }, { name: 'quiet', phase: 'steady', consecutive: 1, errorRate: { max: '10%' }, window: '500ms' }], hold: '5s', recovery: { within: '6s', stable: '2s' }, lease: '1168ms' },
      }],
      disturbances: [{ is: 'disk-full', where: 'box', fromMs: 1707, toMs: 6943 }, { is: 'crash-at-moment', who: 'agent-box', moment: 'undo', nth: 2, forMs: 3137 }, { is: 'target-dies', atMs: 6522 }, { is: 'signals-replayed', fromMs: 0, toMs: 3312, share: 1 }, { is: 'paused', who: 'scheduler-1', atMs: 3312, forMs: 6000 }, { is: 'paused', who: 'scheduler-2', atMs: 3312, forMs: 6000 }],
    },
  },
  {
    why: 'A user halted everything while another was still asking to resume, and the simulation took the halt for the last word. The last fact has it.',
    plan: {
      seed: 100336, place: 'local', constitution: { hurt: 0, healsMs: 0 },
      documents: [{
        atMs: 3646,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pause', at: '2405ms', target: { process: { match: 'shop: worker', pick: 'one' } }, duration: '2312ms' }, { kind: 'pause', at: '3851ms', target: { process: { match: 'shop: worker', pick: 'one' } }, duration: '3673ms' }], blastRadius: { maxTargets: 6 }, gates: [{ name: 'holds', phase: 'during', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '3s', recovery: { within: '8s', stable: '1s' }, lease: '1082ms' },
      }],
      disturbances: [{ is: 'acks-lost', fromMs: 3990, toMs: 11468, share: 1 }, { is: 'halt', atMs: 1565, forMs: 7822 }, { is: 'nats-down', fromMs: 2095, toMs: 4281 }, { is: 'halt', atMs: 3912, forMs: 11181 }],
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
  {
    why: 'With nothing wrong at all: a fault on two nodes was told of by one of them, what had come up was let join by that, and it was on three targets of two. What was ordered counts now before it is told.',
    plan: {
      seed: 51431, place: 'cluster', constitution: { hurt: 0, healsMs: 0 },
      documents: [{
        atMs: 400,
        document: { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [{ kind: 'pod-kill', at: '1161ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'one' } } }, { kind: 'network-drop', at: '2053ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 2 } }, duration: '2357ms' }, { kind: 'network-drop', at: '2091ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 2 } }, duration: '994ms' }], blastRadius: { maxTargets: 2, maxShare: '50%' }, gates: [{ name: 'holds', phase: 'during', consecutive: 3, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }, { name: 'quiet', phase: 'steady', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '2s', recovery: { within: '2s', stable: '1s' }, lease: '2747ms' },
      }],
      disturbances: [],
    },
  },
  {
    why: 'One of two agents crashed before it did its part of a fault, and the leader that had told both crashed too; who followed knew of one, whose half passed for the whole. Who is told is a fact now, before anybody is.',
    plan: {
      seed: 1018, place: 'cluster', constitution: { hurt: 0, healsMs: 1000 },
      documents: [{
        atMs: 400,
        document: {
          apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' },
          faults: [{ kind: 'pod-pause', at: '1901ms', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'all' } }, duration: '2104ms' }], blastRadius: { maxTargets: 5 },
          gates: [{ name: 'holds', phase: 'during', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }, { name: 'quiet', phase: 'steady', consecutive: 1, source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }],
          hold: '3s', recovery: { within: '4s', stable: '2s' }, lease: '2372ms',
        },
      }],
      disturbances: [{ is: 'crash-at-moment', who: 'agent-n2', moment: 'write', nth: 3, forMs: 8996 }, { is: 'crash-at-moment', who: 'scheduler-2', moment: 'publish run.phase', nth: 4, forMs: 3711 }],
    },
  },
  {
    why: 'The leader was stopped as it asked an agent for targets, and another did the fault. It went on, was told that the target is stopped already, and aborted the run. Who does not lead aborts nothing now, and who has a fault names its targets.',
    plan: {
      seed: 1, place: 'local', constitution: { hurt: 0, healsMs: 0 }, documents: [{ atMs: 400, document: onePause }],
      disturbances: [{ is: 'paused-at-moment', who: 'leader', moment: 'ask box to plan', nth: 1, forMs: 2_000 }],
    },
  },
  {
    why: "The leader was stopped as it ordered the fault, and gave the order as another had just begun to lead. Its agent told by a fact that it refuses it, which ended the run of the other. An old leader's order is only answered now.",
    plan: {
      seed: 1, place: 'local', constitution: { hurt: 0, healsMs: 0 }, documents: [{ atMs: 400, document: onePause }],
      disturbances: [{ is: 'paused-at-moment', who: 'leader', moment: 'ask box to inject', nth: 1, forMs: 1_276 }],
    },
  },
]

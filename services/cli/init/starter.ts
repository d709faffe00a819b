/** The two files that a first experiment is made of, in words that can be read as they stand. */
import { stringify } from 'yaml'
import { withoutLogin } from '#shared/redaction.ts'

/** What is to be tried: where the service answers, and which of its processes may be stopped. */
export interface Starter {
  /** Of the experiment: an RFC 1123 label. */
  name: string
  host: string
  /** What users ask for by GET, each beginning with a slash. */
  paths: readonly string[]
  /** What its command line is known by; undefined: no fault, the load alone. */
  match: string | undefined
}

/** Interpreters say nothing of what they run. */
const interpreter = /^(?:node|deno|bun|python[\d.]*|ruby|perl|php[\d.]*|java|dotnet|bash|sh)$/

/** What a target's `match` takes. */
const isMatch = (name: string) => /^[^\p{C}]{2,200}$/u.test(name) && name.trim().length > 1

/** What a process is known by among others: the name of its program, or of the script that an interpreter runs. `argv`: as in /proc. Pure. */
export function knownBy(argv: readonly string[]): string | undefined {
  const names = argv.filter(argument => !argument.startsWith('-')).map(argument => argument.split('/').at(-1) ?? '').filter(isMatch)
  return names.find(name => !interpreter.test(name)) ?? names[0]
}

/** `svc.py` becomes `svc`: what an experiment can be called after. Pure. */
export function labelOf(name: string): string {
  const label = name.replace(/\.\w{1,4}$/, '').toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').slice(0, 40).replaceAll(/^-+|-+$/g, '')
  return label === '' ? 'service' : label
}

/** YAML in one line: of what a person has given. */
const inline = (value: unknown) => stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).replace(/\n$/, '') // a space of Unicode's that a name begins with is the name's

/** `experiment.yaml`. Pure. */
export function printExperiment({ name, host, match }: Starter): string {
  const fault = match === undefined
    ? `faults: []                 # a load test without a fault; with faultline init --allow NAME=PID there is one
hold: 20s                  # how long the gates are judged
`
    : `faults:                    # npx faultline faults: what else can be done
  - {kind: pause, target: {process: {match: ${inline(match)}}}, at: 10s, duration: 5s}
`
  return `apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: ${name}}
description: ${inline(match === undefined ? `Does ${withoutLogin(host)} keep its limits under this load?` : `Do users notice when ${match} does not answer for five seconds, and is it well again afterwards?`)}
load: {users: 20, spawnRate: 20, host: ${inline(host)}, locustfile: locustfile.py}
${fault}gates:                     # npx faultline gates: what else can be asked
  - {name: healthy, phase: steady, errorRate: {max: 1%}}     # before the fault: what is ill by itself is not blamed on it
  - {name: errors, errorRate: {max: 1%}}                     # from the fault on; a breach aborts the run and reverts the fault
  - {name: slow, latency: {quantile: 0.95, max: 500ms}}
${match === undefined ? '' : 'recovery: {within: 30s}    # by then the gates must hold again\n'}`
}

/** `locustfile.py`: users who ask for each of the paths, twice a second. Pure. */
export function printLocustfile({ paths }: Pick<Starter, 'paths'>): string {
  return `import faultline_listeners  # tells faultline of every request
from locust import FastHttpUser, constant_throughput, task

PATHS = ${JSON.stringify(paths)}


class Visitor(FastHttpUser):
    wait_time = constant_throughput(2 / len(PATHS))  # two requests a second of each user
    connection_timeout = network_timeout = 10

    @task
    def visit(self):
        for path in PATHS:
            self.client.get(path)
`
}

import { Option } from 'commander'
import type { ClusterOptions } from '../cluster/scheduler.ts'

/** `--cluster`: the services of a cluster do it, not this machine. */
export type ClusterChoice = ClusterOptions & { cluster?: boolean }

export function cluster(): Option {
  return new Option('--cluster', 'use the faultline that is installed in the cluster of the kubeconfig')
}

export function context(): Option {
  return new Option('--context <name>', 'context of the kubeconfig, in place of the current one; implies --cluster').implies({ cluster: true })
}

export function namespace(): Option {
  return new Option('--namespace <name>', 'namespace of the cluster in which faultline is installed').default('faultline-system')
}

export function embedded(): Option {
  return new Option('--embedded', 'run the services in this process (the default)')
}

export function processes(): Option {
  return new Option('--processes', 'run the services as processes of their own, which share only NATS').conflicts('embedded')
}

/** What a run on this machine may touch. */
export function allow(): Option {
  return new Option('--allow <pid...>', 'opt in: processes that may be touched, with their descendants, as PID or NAME=PID')
}

/** The same by its former name, which says of a release check how long ago something may have been. */
export function within(): Option {
  return new Option('--within <pid...>').conflicts('cluster').hideHelp()
}

/** Both together. Says so where the former name was used. */
export function allowed(options: { allow?: string[]; within?: string[] }): string[] {
  if (options.within) process.stderr.write('note: --within is called --allow by now\n')
  return [...options.allow ?? [], ...options.within ?? []]
}

/** Of an option that may be given several times. */
export function several(text: string, before: string[] = []): string[] {
  return [...before, text]
}

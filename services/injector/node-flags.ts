/**
 * How Node.js is started for the agent of a machine or node, which is on every node and idle nearly always: without the compilers that optimize what runs often
 * (43 MiB of its program in memory rather than 51; the agent computes next to nothing), and with small spaces for what is new (2 MiB rather than 16). What it
 * starts itself gets none of this. k8s/base/injector.yaml says the same; a test compares. Measured: docs/benchmarks.md.
 */
export const agentFlags = ['--max-semi-space-size=1', '--no-opt', '--no-maglev'] as const

/** glibc keeps memory for each thread that has asked for some (mallopt(3)); the agent's threads have nothing to do. */
export const agentEnvironment = { MALLOC_ARENA_MAX: '1' } as const

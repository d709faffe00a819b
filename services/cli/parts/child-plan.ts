/** A child process as data: what to start, and how to know that it is there. Whoever owns children starts it. */
export interface ChildPlan {
  name: string
  argv: [string, ...string[]]
  env: Record<string, string>
  cwd: string
  ready: { kind: 'tcp'; port: number } | { kind: 'http'; url: string } | { kind: 'log'; pattern: string }
}

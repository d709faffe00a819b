/** A command as data: what to start, and where. Each has a name of its own among the children of one owner. */
export interface Command {
  name: string
  argv: [string, ...string[]]
  env: Record<string, string>
  cwd: string
}

/** A child process as data: a command that stays, and how to know that it is there. Whoever owns children starts it. */
export interface ChildPlan extends Command {
  ready: { kind: 'tcp'; port: number } | { kind: 'http'; url: string } | { kind: 'log'; pattern: string }
}

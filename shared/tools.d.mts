/** A program is neither in the environment's setting, nor in `.faultline`, nor on PATH. */
export class ToolMissing extends Error {
  readonly code: 'tool_missing'
  readonly exitCode: 4
  readonly tool: string
  constructor(tool: string, why: string)
}

/**
 * The path of a program: `FAULTLINE_<NAME>_BIN`, else `.faultline/bin`, else the Python environment, else PATH.
 * @throws {ToolMissing}
 */
export function toolPath(tool: string): string

/** The same for a program that one can do without. @throws {ToolMissing} when the user's choice is no program */
export function findTool(tool: string): string | undefined

/** What the user has chosen by `FAULTLINE_<NAME>_BIN`, if anything. @throws {ToolMissing} when that is no program */
export function chosenTool(tool: string): string | undefined

/** Looks on PATH and in the administrators' folders, leaving out what set-up made. */
export function findOnSystem(tool: string): string | undefined

/** Folders of PostgreSQL's servers as Debian lays them out, newest version first. */
export function debianPostgresqlFolders(): string[]

/** `nats-server` gives `FAULTLINE_NATS_SERVER_BIN`. */
export function environmentVariable(tool: string): string

export function isExecutable(path: string): boolean

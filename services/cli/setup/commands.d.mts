/** Ends every command that is still running, with its descendants. What they were making is left half made. */
export function endRunningCommands(): void

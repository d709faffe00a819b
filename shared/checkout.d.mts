/** The checkout this file lies in, without a slash at its end. */
export const checkout: string

/** Everything that set-up makes, apart from node_modules. */
export const stateFolder: string

/** Executables of the tools that set-up provides. */
export const toolFolder: string

/** A link to the Python environment in force. */
export const pythonEnvironment: string

/** The environment for the package managers that set-up runs. */
export function packageManagerEnvironment(): NodeJS.ProcessEnv

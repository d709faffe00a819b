import type { Step } from './steps.mjs'

export const pythonPackages: Step

/** Makes an environment with those packages, in place of whatever is in the folder. Without its stamp (stamps.mjs) it is half made. Files by their paths in the checkout. */
export function makePythonEnvironment(folder: string, packages: { stamp: string; constraintFile: string; requirementFiles: readonly string[] }): Promise<void>

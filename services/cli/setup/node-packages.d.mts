import type { Step } from './steps.mjs'

export interface LockedPackage { version?: string; optional?: boolean }

/** Packages by their folder, such as `node_modules/zod`. */
export type LockedPackages = Readonly<Record<string, LockedPackage>>

/** Folders of packages that are missing or of another version. */
export function differingPackages(wanted: LockedPackages, installed: LockedPackages, neededOptionals: readonly string[]): string[]

export const nodePackages: Step
export const node24: Step

/** The first version number (`7.0.15`) in what a program prints about itself. */
export function parseVersion(text: string): string | undefined

/** Compares dotted numbers; missing ones are 0. */
export function isAtLeast(version: string, least: string): boolean

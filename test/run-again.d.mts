export declare const mostAgain: number
export declare function filesToRunAgain(failed: string, most?: number): string[]
export declare function runningAgain(): (failed: string, runAlone: (files: readonly string[]) => Promise<boolean>) => Promise<boolean>

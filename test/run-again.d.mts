export declare const mostAgain: number
export declare function filesToRunAgain(failed: string, most?: number): string[]

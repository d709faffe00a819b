import { z } from 'zod'

/** A date as facts and commands bear it, in milliseconds of the Unix epoch. None is later (ECMA-262, "time range"): printing one would throw. */
export const epochMs = () => z.int().nonnegative().max(8_640_000_000_000_000)

import { pino, type Logger, type DestinationStream } from 'pino'
import { traceId } from '#shared/bus-nats.ts'

/** JSON lines with service, run and trace: `log.child(runFields(run))` for everything that belongs to one run. */
export function createLog(service: string, { level = 'info', destination }: { level?: string; destination?: DestinationStream } = {}): Logger {
  return pino({ name: service, level, redact: ['token', '*.token', 'authorization', '*.authorization', 'signingSeed', '*.signingSeed'] }, destination ?? pino.destination(2))
}

export const runFields = (run: string): { run: string; trace_id: string } => ({ run, trace_id: traceId(run) })

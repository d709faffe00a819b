import { pino, type Logger, type DestinationStream } from 'pino'
import { traceId } from '#shared/bus-nats.ts'
import { configuredRedactor } from '#shared/redaction.ts'

interface LogOptions {
  level?: string
  destination?: DestinationStream
  /** Takes secrets out of each line, whatever field or message they came in. */
  redact?: (line: string) => string
}

/** JSON lines with service, run and trace: `log.child(runFields(run))` for everything that belongs to one run. */
export function createLog(service: string, { level = 'info', destination, redact = configuredRedactor() }: LogOptions = {}): Logger {
  return pino({
    name: service, level, hooks: { streamWrite: redact },
    redact: ['token', '*.token', 'password', '*.password', 'authorization', '*.authorization', 'signingSeed', '*.signingSeed'], // those that are no setting
  }, destination ?? pino.destination(2))
}

export const runFields = (run: string): { run: string; trace_id: string } => ({ run, trace_id: traceId(run) })

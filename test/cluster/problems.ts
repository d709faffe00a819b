import { FaultlineError, InvalidInput } from '#shared/errors.ts'

/** The machine cannot carry the cluster as it is. */
export class MachineUnfit extends FaultlineError {
  readonly code = 'cluster_machine_unfit'
}

export class CommandFailed extends FaultlineError {
  readonly code = 'cluster_command_failed'
}

export class NotInTime extends FaultlineError {
  readonly code = 'cluster_not_in_time'
}

export class ClusterDown extends FaultlineError {
  readonly code = 'cluster_down'
}

/** Something was left of the cluster although `down` did all it can. */
export class LeftBehind extends FaultlineError {
  readonly code = 'cluster_left_behind'
}

export class ArgumentInvalid extends InvalidInput {
  readonly code = 'cluster_argument_invalid'
}

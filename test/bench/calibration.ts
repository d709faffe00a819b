import { experimentSchema } from '#shared/experiment.ts'
import { gatesToCalibrate } from '../../services/cli/calibrate/calibration.ts'
import { adviseGate, type GateAdvice } from '../../services/cli/calibrate/gate-advice.ts'
import { cellsOfService, recordingOfCells } from '../parts/load-recording.ts'
import type { Service } from './gate-simulation.ts'

/** What a recording of a simulated service says of a rate gate whose limit the service is right at, with blocks of 200 ms and no burst, judged for five minutes. */
export function calibrateSimulated(service: Service, seconds: number, random: () => number): GateAdvice {
  const { gates } = gatesToCalibrate(experimentSchema.parse({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, load: { users: 10, host: 'http://127.0.0.1:8000' },
    faults: [], hold: '5m', gates: [{ name: 'errors', limit: 'rate', block: '200ms', errorRate: { max: service.badShare } }],
  }))
  return adviseGate(gates[0], [recordingOfCells(cellsOfService(service, seconds, random))], 300_000)
}

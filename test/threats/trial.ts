import type { Defence } from './defence.ts'
import { runNamedTest, type NamedTest, type TestRunOptions } from './named-test.ts'
import { openRoom, type Room } from './room.ts'

/** A row of THREATS.md with what is to be tried of it. */
export interface Row { id: string; test: NamedTest; defences: readonly Defence[] }

/**
 * What came of taking one defence out.
 *   seen      its test passes with it, and an assertion of the test fails without
 *   unseen    its test passes without it too
 *   broke     without it, its test comes to an end that no assertion has brought about
 *   unfit     its test does not even pass with it, so that nothing can be learned
 */
export interface Trial { row: string; defence: string; test: NamedTest; is: 'seen' | 'unseen' | 'broke' | 'unfit'; why: string; tookMs: number }

export interface TrialOptions extends TestRunOptions { checkout: string; onTrial(trial: Trial): void }

/** Takes the defences of a row out, one at a time, each on sources that are whole but for it. */
export async function tryRow({ id, test, defences }: Row, { checkout, onTrial, ...options }: TrialOptions): Promise<void> {
  await using room = await openRoom(checkout)
  for (const [named, its] of Map.groupBy(defences, defence => defence.test ?? test)) {
    const whole = await runNamedTest(named, room, options)
    for (const defence of its) {
      const common = { row: id, defence: defence.name, test: named }
      onTrial(whole.is === 'passed' ? { ...common, ...await without(defence, named, room, options) } : { ...common, is: 'unfit', why: `with it, ${whole.is}: ${firstLine(whole.why)}`, tookMs: whole.tookMs })
    }
    if (isOnCluster(named)) await installTrue(named, room, options)
  }
}

/** Needs the cluster of the kubeconfig's current context, with faultline's images on it. */
export const isOnCluster = ({ file }: NamedTest): boolean => file.startsWith('test/cluster/')

/** On a cluster a test installs what the sources say: the last word is that of the true ones. */
async function installTrue(test: NamedTest, room: Room, options: TestRunOptions): Promise<void> {
  const { is, why } = await runNamedTest(test, room, options)
  if (is !== 'passed') throw new Error(`${test.file} does not pass any more with all defences (${firstLine(why)}); the cluster may have kept what was installed without one`)
}

async function without(defence: Defence, test: NamedTest, room: Room, options: TestRunOptions): Promise<Pick<Trial, 'is' | 'why' | 'tookMs'>> {
  await room.mutate(defence)
  try {
    const { is, why, tookMs } = await runNamedTest(test, room, options)
    return { is: is === 'failed' ? 'seen' : is === 'passed' ? 'unseen' : 'broke', why: firstLine(why), tookMs }
  } finally {
    await room.restore()
  }
}

/** Of what an assertion says; below it stand the values. A property test says first that it has failed, and its assertion is what counts. */
const firstLine = (text: string): string => text.split('\n').map(line => line.trim()).find(line => line !== '') ?? ''

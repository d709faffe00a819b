import { createLogUpdate } from 'log-update'
import { widthOf } from './cells.ts'
import { concluded, emptyLive, fold } from './fold.ts'
import { render } from './render.ts'
import type { View } from './view.ts'

/** Load samples come at this pace; more often nothing would have changed. */
const drawEveryMs = 200

/** What is needed of a `tty.WriteStream`; its size is read at each drawing. */
type Terminal = NodeJS.WritableStream & { columns: number; rows: number; hasColors(): boolean }

/** The run on one screen of the terminal, drawn in place; the last drawing stays. */
export function screenView(run: string, terminal: Terminal): View {
  const update = createLogUpdate(terminal)
  let state = emptyLive(run)
  let drawn: string[] = []
  const draw = () => {
    drawn = render(state, { nowMs: Date.now(), columns: terminal.columns, rows: terminal.rows, colour: terminal.hasColors() })
    update(drawn.join('\n'))
  }
  /** The terminal has broken lines that became too wide: those, too, are to be cleared. */
  const resized = () => {
    const height = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / terminal.columns)), 0)
    if (height > 0) terminal.write(`\u001b[${Math.min(height, terminal.rows - 1)}A\r\u001b[J`)
    update.done() // forgets what it has drawn
    draw()
  }
  terminal.on('resize', resized)
  const drawing = setInterval(draw, drawEveryMs)
  return {
    show(stored) {
      state = fold(state, stored)
      if (stored.kind === 'run.aborting') update.clear() // with the ^C that the terminal may have written there
    },
    end(judgement) {
      clearInterval(drawing)
      terminal.off('resize', resized)
      if (judgement) state = concluded(state, judgement)
      draw()
      update.done()
    },
  }
}

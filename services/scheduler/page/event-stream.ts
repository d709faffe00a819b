/** Server-sent events (HTML, "Server-sent events") as far as the scheduler sends them: one line of data each. */
export interface ServerEvent { event: string; data: unknown }

/** The whole events of a text, and what is left of one that has not come to its end. Comments are no events. Pure. */
export function splitEvents(text: string): { events: ServerEvent[]; rest: string } {
  const blocks = text.split('\n\n')
  const rest = blocks.pop() ?? ''
  const events = blocks.flatMap((block): ServerEvent[] => {
    const field = (name: string) => block.split('\n').find(line => line.startsWith(`${name}: `))?.slice(name.length + 2)
    const data = field('data')
    return data === undefined ? [] : [{ event: field('event') ?? 'message', data: JSON.parse(data) as unknown }]
  })
  return { events, rest }
}

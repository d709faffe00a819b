import { printService } from '#shared/tested-service.ts'
import type { ServiceCoverage } from '#shared/coverage.ts'
import { oneLine, pad, painter, widest, widthOf, type Paint, type Style } from '../live/cells.ts'
import { cellOf, printAge, printCounts, printDiscovery, printMissing, printVersion, printVersions, type CoverageReport } from './coverage-words.ts'

const narrowest = 40
const gap = 2
/** Versions may be digests. */
const widestCell = 14

const signs = { passed: '✓', failed: '✗', inconclusive: '?' } as const
const styles = { passed: 'green', failed: 'red', inconclusive: 'yellow' } as const

/**
 * The matrix for a terminal: a row a kind of fault, since those are more than there are services mostly; a column a service, with the versions that
 * are there. A cell is the verdict with its age, and below it the version tested. Services that have no room beside the others come in
 * a block of their own below. Pure.
 */
export function renderCoverage({ coverage, nowMs, source }: CoverageReport, { width, colour }: { width: number; colour: boolean }): string {
  const columns = Math.max(width, narrowest)
  const paint = painter(colour)
  const { kinds, services } = coverage
  const head = oneLine(`coverage from ${source}`)
  if (services.length === 0) return `${head}\n\nNo service is known. ${oneLine(printDiscovery(coverage))}\n`
  const names = kinds.map(oneLine)
  const nameWidth = Math.min(widest(names), Math.floor(columns / 2))
  const blocks = blocksOf(services.map(service => columnOf(service, kinds, nowMs)), columns - nameWidth)
  return [
    head, '',
    ...blocks.flatMap(block => [
      ...linesOf('', block.map(({ heading, width: its }) => heading.map(line => pad(line, its))), nameWidth),
      ...kinds.flatMap((_, row) => linesOf(names[row] ?? '', block.map(({ cells, width: its }) => printCell(cells[row], its, paint)), nameWidth)),
      '',
    ]),
    '✓ passed  ✗ failed  ? inconclusive  · never tried; below each, the version tested',
    printCounts(coverage),
    oneLine(printDiscovery(coverage)), '',
  ].join('\n')
}

interface Column { heading: string[]; cells: Shown[]; width: number }
/** Undefined version: there is no second line. */
interface Shown { verdict: string; version?: string; style: Style }

function columnOf(service: ServiceCoverage, kinds: readonly string[], nowMs: number): Column {
  const name = oneLine(printService(service)).split(/(?<=[-/.])/).reduce<string[]>(joined, [])
  const cells = kinds.map((kind): Shown => {
    const cell = cellOf(service, kind)
    if (!cell) return { verdict: printMissing(service, kind, '·'), style: 'dim' }
    return { verdict: `${signs[cell.verdict]} ${printAge(nowMs - cell.atMs)}${cell.stale ? ' stale' : ''}`, version: oneLine(printVersion(cell)), style: cell.stale ? ['dim', styles[cell.verdict]] : styles[cell.verdict] }
  })
  const heading = [...name, oneLine(printVersions(service))]
  return { heading, cells, width: Math.min(widestCell, Math.max(widest(heading), widest(cells.flatMap(({ verdict, version = '' }) => [verdict, version])))) }
}

/** Words of a name on as few lines as have room. */
function joined(lines: string[], word: string): string[] {
  const last = lines.at(-1)
  return last !== undefined && widthOf(last + word) <= widestCell ? [...lines.slice(0, -1), last + word] : [...lines, word]
}

/** As many columns side by side as there is room for, at least one. */
function blocksOf(columns: readonly Column[], room: number): Column[][] {
  const blocks: Column[][] = []
  let left = 0
  for (const column of columns) {
    const needed = gap + column.width
    const block = blocks.at(-1)
    if (!block || left < needed) {
      blocks.push([column])
      left = room - needed
    } else {
      block.push(column)
      left -= needed
    }
  }
  return blocks
}

function printCell(shown: Shown | undefined, width: number, paint: Paint): string[] {
  if (!shown) return [' '.repeat(width)]
  const verdict = paint(shown.style, pad(shown.verdict, width))
  return shown.version === undefined ? [verdict] : [verdict, paint('dim', pad(shown.version, width))]
}

/** Cells of one line or two beside each other, a name before them. */
function linesOf(name: string, cells: readonly (readonly string[])[], nameWidth: number): string[] {
  const height = Math.max(...cells.map(lines => lines.length))
  return Array.from({ length: height }, (_, line) => [pad(line === 0 ? name : '', nameWidth), ...cells.map(lines => lines[line] ?? ' '.repeat(widthOf(lines[0] ?? '')))].join(' '.repeat(gap)).trimEnd())
}

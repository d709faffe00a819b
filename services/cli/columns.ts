/** Rows as lines: each column as wide as its widest cell, two spaces between two. Pure. */
export function inColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) for (const [column, { length }] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, length)
  return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
}

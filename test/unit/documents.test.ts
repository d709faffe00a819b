import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { Command } from 'commander'
import { checkout } from '#shared/checkout.mjs'
import { settings } from '#shared/config.ts'

const documents = ['README.md', 'ARCHITECTURE.md', 'THREATS.md', 'CHANGELOG.md', 'shared/EVENTS.md', 'test/cluster/README.md', ...[...markdownIn('docs'), ...markdownIn('k8s')].filter(path => !path.startsWith('docs/validation/'))]
/** Of a document of this checkout. */
interface Place { document: string; line: number; text: string }
const lines: readonly Place[] = documents.flatMap(document => read(document).split('\n').map((text, index) => ({ document, line: index + 1, text })))

test('every link of a document leads to a file of the checkout, and its anchor to a heading there', () => {
  const links = found(/\]\((?!https?:)([^)\s]+)\)|<img src="([^"]+)"/g)
  assert.ok(links.length >= 100, `${links.length} links`)
  assert.deepEqual(links.filter(({ document, words: [link = ''] }) => {
    const [path = '', anchor] = link.split('#')
    const target = path === '' ? document : join(dirname(document), path)
    return !existsSync(join(checkout, target)) || (anchor !== undefined && !anchorsOf(target).includes(anchor))
  }).map(told), [])
})

test('every path of the checkout that a document names in backticks is there', () => {
  const paths = found(/`((?:shared|services|test|k8s|grafana|docs)\/[\w./-]+)`/g)
  assert.ok(paths.length >= 100, `${paths.length} paths`)
  assert.deepEqual(paths.filter(({ words: [path = ''] }) => !existsSync(join(checkout, path))).map(told), [])
})

test('ARCHITECTURE.md has a line for every source file of services and shared, by its name or that of a folder', () => {
  const [, list = ''] = read('ARCHITECTURE.md').split(/^## Files$|^## Decisions$/m)
  const named = new Set([...list.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name.replace('services/*/', '')))
  const isNamed = (path: string) => {
    const [file = '', ...folders] = path.split('/').reverse()
    return named.has(path) || named.has(file) || folders.some((folder, index) => named.has(`${folder}/`) || named.has(`${folders.slice(index).reverse().join('/')}/`))
  }
  const files = ['services', 'shared'].flatMap(folder => readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' }).map(name => join(folder, name))).filter(name => /\.(?:ts|mjs)$/.test(name))
  assert.ok(files.length >= 300, `${files.length} files`)
  assert.deepEqual(files.filter(name => !isNamed(name)), [])
})

test('every npm script that a document names is one', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = found(/npm run ([a-z][\w:-]*)/g)
  assert.ok(named.length >= 40, `${named.length} scripts`)
  assert.deepEqual(named.filter(({ words: [script = ''] }) => !(script in scripts)).map(told), [])
})

test('every command that a document names is one, and has each of its options', async () => {
  const program = await commandLine()
  const named = found(/(?<=(?:npx |`))faultline ((?!COMMAND|is not)[a-z].*?)(?=`| {3}|[|;#)]|$)/g)
  assert.ok(named.length >= 100, `${named.length} commands`)
  assert.deepEqual(named.flatMap(({ words: [written = ''], ...place }) => unknownIn(program, written.split(' ')).map(word => told({ ...place, words: [word] }))), [])
  assert.deepEqual(unknownIn(program, ['policy', 'peek', '--days', '--weeks']), ['peek', '--days', '--weeks'])
})

test('every setting that a document names as a variable is one, and so is every metric', () => {
  const variables = new Set([
    'FAULTLINE_CONFIG', // where settings are
    'FAULTLINE_BRIDGE_URL', 'FAULTLINE_BRIDGE_TOKEN', // the listeners' own, in Python
    'FAULTLINE_CLUSTER_FOLDER', 'FAULTLINE_CLUSTER_CACHE', 'FAULTLINE_CLUSTER_PREFIX', // the test cluster's
    'FAULTLINE_AUDIT', // a stream
    ...Object.keys(settings).flatMap(name => [environmentOf(name), `${environmentOf(name)}_FILE`]),
  ])
  const metrics = new Set([...read('docs/metrics.md').matchAll(/`(faultline_\w+)`/g)].map(([, name = '']) => name))
  const named = found(/`(?:[^`]*\b)?(FAULTLINE_[A-Z_]+|faultline_(?!listeners)[a-z_]+)\b/g)
  assert.ok(named.length >= 40, `${named.length} names`)
  assert.deepEqual(named.filter(({ words: [name = ''] }) => !variables.has(name) && !metrics.has(name)).map(told), [])
})

function found(pattern: RegExp): (Place & { words: string[] })[] {
  return lines.flatMap(place => [...place.text.matchAll(pattern)].map(([, ...words]) => ({ ...place, words: words.filter(word => word !== undefined) })))
}

const told = ({ document, line, words }: Omit<Place, 'text'> & { words: string[] }) => `${document}:${line}: ${words.join()}`

function read(path: string): string {
  return readFileSync(join(checkout, path), 'utf8')
}

function markdownIn(folder: string): string[] {
  return readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.md')).map(name => join(folder, name))
}

/** Of its headings, as GitHub makes them: the text in small letters without punctuation, and dashes for spaces. */
function anchorsOf(document: string): string[] {
  return [...read(document).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'))
}

const environmentOf = (setting: string) => `FAULTLINE_${setting.replaceAll(/[A-Z]/g, letter => `_${letter}`).replaceAll('.', '_').toUpperCase()}`

/** The command line as `main.ts` has it, for its words alone. */
async function commandLine(): Promise<Command> {
  const program = new Command('faultline')
  for (const file of readdirSync(join(checkout, 'services/cli/command-line'))) {
    const exported = await import(join(checkout, 'services/cli/command-line', file)) as Record<string, (program: Command) => unknown>
    for (const [name, add] of Object.entries(exported)) if (/^add[A-Z]/.test(name)) add(program)
  }
  return program
}

/** What of a written command line is no command or no option of it; without arguments and what options take. */
function unknownIn(program: Command, [name = '', ...rest]: readonly string[]): string[] {
  const command = program.commands.find(one => one.name() === name || one.aliases().includes(name))
  if (!command) return [name, ...rest.filter(isOption)]
  if (command.commands.length > 0 && rest[0] !== undefined && /^[a-z]/.test(rest[0])) return unknownIn(command, rest)
  return rest.filter(word => isOption(word) && word !== '--help' && !command.options.some(({ long }) => long === word))
}

function isOption(word: string): boolean {
  return word.startsWith('--') && word !== '--'
}

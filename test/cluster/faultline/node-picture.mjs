/**
 * Prints, as JSON, all of a node that a fault could leave something in: run in the agent's container, which sees the node's processes and may enter
 * their namespaces. One line a thing, under the name of the place it is in; PIDs, times and counters are left out, since they change by themselves.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** @param {string} path */
const read = path => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
/** @param {string} text */
const lines = text => text.split('\n').map(line => line.trimEnd()).filter(line => line !== '')
/** @param {string} path */
const link = path => {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

/** Of what this picture itself starts. */
const ours = process.pid
/** The kubelet's question to NATS, which is there for some milliseconds every few seconds (k8s/base/nats/nats.yaml). */
const isAsking = (/** @type {string} */ command) => command.includes('GET /healthz HTTP/1.0') || command === 'grep -q "status":"ok"'
const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(name => {
  const pid = Number(name)
  const stat = read(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state = '', parent = ''] = fields
  const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
  const uid = /pod([0-9a-f]{8}[-_][-_0-9a-f]{27})/.exec(read(`/proc/${pid}/cgroup`))?.[1]?.replaceAll('_', '-')
  return command === '' || command === 'runc init' || pid === ours || Number(parent) === ours || state === 'Z' || isAsking(command) ? [] : [{ pid, startTicks: Number(fields[19]), state, command, place: uid === undefined ? 'node' : `pod ${uid}`, network: link(`/proc/${pid}/ns/net`) }]
})

/** @type {Record<string, string[]>} */
const picture = {}
/** A place may hold several of the same; their order says nothing. @param {string} place @param {readonly string[]} what */
const note = (place, what) => { picture[place] = [...picture[place] ?? [], ...what].sort() }

for (const { state, command, place } of processes) {
  if (place !== 'node' || command.includes('/services/injector/')) note(`${place}: processes`, [`${state === 'T' ? 'stopped' : 'running'} ${command}`])
}
const networks = Map.groupBy(processes.filter(({ network }) => network !== ''), ({ network }) => network)
for (const [, members] of networks) {
  const [member] = members.sort((one, other) => one.startTicks - other.startTicks) // whose it is: a pod's sandbox is there before all else
  if (!member) continue
  const inside = (/** @type {string[]} */ ...argv) => {
    try {
      return lines(execFileSync('nsenter', ['-t', String(member.pid), '-n', ...argv], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
    } catch {
      return [] // it ended meanwhile
    }
  }
  const place = member.place
  note(`${place}: nft`, inside('nft', '--stateless', 'list', 'ruleset'))
  note(`${place}: tc`, inside('tc', 'qdisc', 'show'))
  note(`${place}: tc classes`, inside('ip', '-brief', 'link').flatMap(line => inside('tc', 'class', 'show', 'dev', line.split(/[@\s]/)[0] ?? '')))
  note(`${place}: addresses`, inside('ip', '-oneline', 'address'))
  note(`${place}: routes`, inside('ip', 'route', 'show', 'table', 'all'))
  note(`${place}: routing rules`, inside('ip', 'rule'))
}
// the node's own processes, daemons and pods' sandboxes among them, are many: of their mounts those of the first process; names of other nodes of the same
// machine are there or not by which of them started first, and those that containerd mounts while it unpacks an image come and go
const mounts = Map.groupBy(processes.filter(({ pid, place }) => place !== 'node' || pid === 1), ({ pid }) => link(`/proc/${pid}/ns/mnt`))
for (const [, [member]] of mounts) {
  if (member) note(`${member.place}: mounts`, lines(read(`/proc/${member.pid}/mountinfo`)).filter(line => !/ \/run\/netns\/|\/containerd-mount\d/.test(line)).map(line => line.split(' ').slice(3).filter(word => !/^(?:shared|master):/.test(word)).join(' ')))
}

/** Nodes of one machine may share its cgroups. */
const pods = readdirSync('/var/log/pods').map(name => name.split('_').at(-1) ?? '').flatMap(uid => [uid, uid.replaceAll('-', '_')])
/** @param {string} folder @returns {string[]} */
const below = folder => readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory()).flatMap(({ name }) => [`${folder}/${name}`, ...below(`${folder}/${name}`)])
for (const line of lines(read('/proc/1/mountinfo'))) {
  const [, , , , point = ''] = line.split(' ')
  if (/ - cgroup2? /.test(line) && existsSync(`/proc/1/root${point}`)) note('node: cgroups', below(`/proc/1/root${point}`).filter(path => pods.some(uid => path.includes(uid))))
}
const journals = '/var/lib/faultline'
note('node: journals', readdirSync(journals, { recursive: true }).map(String).filter(name => /\.(?:entry|lease|reverted)$/.test(name)))

process.stdout.write(JSON.stringify(picture))

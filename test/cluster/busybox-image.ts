/** A small image for the tests of the cluster itself: one busybox with its libraries, which serves, asks and burns. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { unpackDebianPackages } from '../../services/cli/setup/debian-packages.mjs'
import { run } from './commands.ts'
import { imageCommand } from './image-command.ts'

export const busyboxImage = 'localhost/faultline-busybox:1'

/** Not the static one: that cannot resolve names without the libraries that it was not linked with. */
export async function provideBusyboxImage(): Promise<void> {
  const busybox = join(await unpackDebianPackages({ name: 'busybox', packages: ['busybox'], dependencies: 'none' }), 'bin/busybox')
  await using folder = await mkdtempDisposable(join(tmpdir(), 'faultline-busybox-'))
  const put = (from: string, to: string): void => {
    mkdirSync(dirname(join(folder.path, 'root', to)), { recursive: true })
    copyFileSync(from, join(folder.path, 'root', to))
  }
  put(busybox, '/bin/busybox')
  for (const [, library] of (await run(['ldd', busybox])).matchAll(/(\/\S+) \(0x/g)) if (library) put(library, library)
  writeFileSync(join(folder.path, 'Dockerfile'), 'FROM scratch\nCOPY root /\nENTRYPOINT ["/bin/busybox"]\n')
  await imageCommand(busyboxImage, folder.path, {}, () => {})
}

/** A container that serves its pod's name on port 8080. */
export const webContainer = {
  name: 'web',
  image: busyboxImage,
  command: ['/bin/busybox', 'sh', '-c', 'busybox mkdir -p /www && busybox hostname > /www/index.html && exec busybox httpd -f -p 8080 -h /www'],
  ports: [{ containerPort: 8080 }],
  readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
} as const

/** A Deployment of one kind of pod, labelled by its name. */
export const deployment = (name: string, replicas: number, podSpec: object): object => ({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name },
  spec: {
    replicas, selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { terminationGracePeriodSeconds: 0, ...podSpec } },
  },
})

/** What can be deployed, and the Secrets each part needs before its pods can start. */
import { randomBytes } from 'node:crypto'

export interface Part {
  /** Folder in k8s/ with a kustomization. */
  name: 'shop' | 'locust'
  namespace: string
  /** Files, in that folder. */
  namespaceFile: string
  /** Name of each Secret, and how each of its values is made. */
  secrets: Record<string, Record<string, () => string>>
  /** Not changed by `apply` when there is one already. */
  jobs: string[]
  /** `kind/name` */
  rollouts: string[]
  /** What people want to know next. */
  hint: string
}

/** 144 bits, in characters that no URL and no settings file takes for anything else. */
const random = (): string => randomBytes(18).toString('base64url').replaceAll(/^-|-$/g, '0')

export const parts: Record<Part['name'], Part> = {
  shop: {
    name: 'shop',
    namespace: 'jewelry-shop',
    namespaceFile: 'kubernetes/namespace.yaml',
    secrets: {
      shop: { 'secret-key': () => random() + random(), 'orders-password': random },
      postgres: { superuser: random, replication: random, rewind: random, 'rest-api': random, shop: random, prober: random },
      redis: { password: random },
    },
    jobs: ['shop-prepare'],
    rollouts: ['statefulset/postgres', 'statefulset/redis', 'deployment/shop'],
    hint: 'The shop is at http://shop.jewelry-shop in the cluster; from here: kubectl --namespace jewelry-shop port-forward service/shop 8000:80',
  },
  locust: {
    name: 'locust',
    namespace: 'locust',
    namespaceFile: 'namespace.yaml',
    secrets: { 'locust-web': { user: () => 'faultline', password: random, token: () => random() + random() } },
    jobs: [],
    rollouts: ['deployment/locust-master', 'deployment/locust-worker'],
    hint: 'Locust is on port 30089 of each node, for user faultline with the password that this prints:\n'
      + '  kubectl --namespace locust get secret locust-web --output go-template=\'{{.data.password | base64decode}}\'',
  },
}

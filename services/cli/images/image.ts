/** The images there are, and what each is built from. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InvalidInput } from '#shared/errors.ts'

export interface Image {
  name: string
  /** Folders in the checkout. */
  context: string
  dockerfile: string
}

const folder = (name: string): Image => ({ name, context: join('k8s', name), dockerfile: join('k8s', name, 'Dockerfile') })

export const images: readonly Image[] = [
  { name: 'services', context: '.', dockerfile: 'k8s/images/services.Dockerfile' },
  { name: 'nats', context: 'k8s/images', dockerfile: 'k8s/images/nats.Dockerfile' },
  { name: 'prometheus', context: 'k8s/images', dockerfile: 'k8s/images/prometheus.Dockerfile' },
  folder('shop'),
  folder('postgres'),
  folder('redis'),
  folder('locust'),
]

/** What manifests name; a registry takes the place of `localhost`. */
export const tagOf = ({ name }: Image, { registry = 'localhost', version = 'dev' } = {}): string => `${registry}/faultline/${name}:${version}`

const checkout = fileURLToPath(new URL('../../..', import.meta.url))

export const pathOf = (inCheckout: string): string => join(checkout, inCheckout)

export class ImageUnknown extends InvalidInput {
  readonly code = 'image_unknown'
}

export function chooseImages(names: readonly string[]): readonly Image[] {
  const unknown = names.find(name => !images.some(image => image.name === name))
  if (unknown !== undefined) throw new ImageUnknown(`there is no image ${unknown}; there are ${images.map(({ name }) => name).join(', ')}`)
  return names.length === 0 ? images : images.filter(({ name }) => names.includes(name))
}

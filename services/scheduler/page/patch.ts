import type { Child, Element as Wanted } from './element.ts'

/** What each node was last drawn as. Only the difference is touched, so that focus, selection and what a reader has opened stay. */
const drawn = new WeakMap<Node, Child>()

const namespaces = { html: 'http://www.w3.org/1999/xhtml', svg: 'http://www.w3.org/2000/svg' } as const

/** Makes the children of `parent` look like these. */
export function patch(parent: Element, wanted: readonly Child[]): void {
  const byKey = new Map([...parent.childNodes].flatMap((node): [string, Node][] => {
    const was = drawn.get(node)
    return typeof was === 'object' && was.key !== undefined ? [[was.key, node]] : []
  }))
  let next: Node | null = parent.firstChild
  for (const child of wanted) {
    const key = typeof child === 'object' ? child.key : undefined
    const known = key === undefined ? next : byKey.get(key)
    const fits = known && isAlike(drawn.get(known), child) ? known : undefined
    const node = fits ?? create(child)
    if (node === next) next = node.nextSibling
    else parent.insertBefore(node, next)
    update(node, child)
  }
  while (next) {
    const over: Node = next
    next = over.nextSibling
    over.parentNode?.removeChild(over)
  }
}

function isAlike(was: Child | undefined, child: Child): boolean {
  if (typeof was !== 'object' || typeof child !== 'object') return typeof was === 'string' && typeof child === 'string'
  return was.tag === child.tag && was.namespace === child.namespace && was.key === child.key
}

const create = (child: Child): Node => typeof child === 'string' ? document.createTextNode('') : document.createElementNS(namespaces[child.namespace], child.tag)

function update(node: Node, child: Child): void {
  const was = drawn.get(node)
  if (was === child) return
  drawn.set(node, child)
  if (typeof child === 'string') {
    if (was !== child) node.nodeValue = child
    return
  }
  const element = node as Element
  const before: Wanted['attributes'] = typeof was === 'object' ? was.attributes : {}
  for (const name of Object.keys(before)) if (!(name in child.attributes)) element.removeAttribute(name)
  for (const [name, value] of Object.entries(child.attributes)) if (before[name] !== value) element.setAttribute(name, value)
  patch(element, child.children)
}

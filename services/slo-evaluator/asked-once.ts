import type { Prometheus } from '#shared/prometheus.ts'

/** Prometheus, asked once where many gates ask the same of it at the same time; each gets the one answer. */
export function askedOnce(prometheus: Prometheus): Prometheus {
  const underWay = new Map<string, Promise<unknown>>()
  const once = <T>(question: readonly unknown[], ask: () => Promise<T>): Promise<T> => {
    const key = JSON.stringify(question)
    const known = underWay.get(key)
    if (known) return known as Promise<T> // the key begins with what is asked for, which says the type
    const asking = ask().finally(() => underWay.delete(key))
    underWay.set(key, asking)
    return asking
  }
  return {
    ask: (query, evaluatedAtMs, options) => once(['ask', query, evaluatedAtMs, options], () => prometheus.ask(query, evaluatedAtMs, options)),
    samples: (query, evaluatedAtMs) => once(['samples', query, evaluatedAtMs], () => prometheus.samples(query, evaluatedAtMs)),
    knowsMetric: name => once(['knowsMetric', name], () => prometheus.knowsMetric(name)),
    history: (query, startMs, endMs, stepMs) => once(['history', query, startMs, endMs, stepMs], () => prometheus.history(query, startMs, endMs, stepMs)),
    close: () => prometheus.close(),
  }
}

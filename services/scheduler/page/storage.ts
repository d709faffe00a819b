import { themes, type Theme } from './state.ts'

/** What the browser remembers: the token as long as the tab is open, the colours for good. */
const tokenKey = 'faultline-token'
const themeKey = 'faultline-theme'

export const storedToken = (): string | undefined => sessionStorage.getItem(tokenKey) ?? undefined

export function storeToken(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(tokenKey)
  else sessionStorage.setItem(tokenKey, token)
}

/** `#token=...`, as `faultline page` prints it: taken out of the address at once, so that it is neither in the history nor copied with it. */
export function takeTokenFromAddress(): string | undefined {
  const [, encoded] = /^#token=(.+)$/.exec(location.hash) ?? []
  if (encoded === undefined) return undefined
  history.replaceState(null, '', `${location.pathname}${location.search}#/`)
  return decodeURIComponent(encoded)
}

export const storedTheme = (): Theme => themes.find(theme => theme === localStorage.getItem(themeKey)) ?? 'system'

export function storeTheme(theme: Theme): void {
  localStorage.setItem(themeKey, theme)
}

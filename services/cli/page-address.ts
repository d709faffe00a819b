/** The live page's address with the token that opens it. In the fragment, which browsers send to nobody; the page takes it out of the address at once. */
export const pageAddress = ({ apiUrl, token }: { apiUrl: string; token: string }): string => `${apiUrl}/#token=${encodeURIComponent(token)}`

import { Markup, markup, type Content } from './markup.ts'
import { reportStyle } from './report-style.ts'

/** A whole page that needs nothing else, runs no script and asks nobody for anything. */
export function printPage(title: string, body: Content): string {
  return `<!doctype html>\n${markup`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Markup(reportStyle)}</style>
</head>
<body><main>${body}
</main></body>
</html>`.toString()}\n`
}

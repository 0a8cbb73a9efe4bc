// The two written forms of a resource, set out in lines. Both work on the text as the server sent it: parsing JSON would turn
// the decimal 1.50 into 1.5, and its precision is part of a FHIR value.

const INDENT = '  '

// prettyJSON sets compact or wide JSON out in lines and changes nothing but white space between its tokens.
export function prettyJSON(json: string): string {
  let [out, depth] = ['', 0]
  const line = () => { out += '\n' + INDENT.repeat(depth) }
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    const empty = /[{[]$/.test(out)
    switch (token) {
      case '{': case '[': if (empty) line(); out += token; depth++; break
      case '}': case ']': depth--; if (!empty) line(); out += token; break
      case ',': out += token; line(); break
      case ':': out += ': '; break
      default: if (empty) line(); out += token
    }
  }
  return out
}

// prettyXML puts every element on a line of its own; the XHTML of a narrative stays as it is, because there white space counts.
export function prettyXML(xml: string): string {
  const lines: string[] = []
  let depth = 0
  for (const [token] of xml.matchAll(/<div[\s>][\s\S]*<\/div>|<[^>]+>|[^<]+/g)) {
    const text = token.trim()
    if (text === '') continue
    if (text.startsWith('</')) depth--
    lines.push(INDENT.repeat(Math.max(0, depth)) + text)
    if (/^<[A-Za-z]/.test(text) && !text.endsWith('/>') && !text.startsWith('<div')) depth++
  }
  return lines.join('\n')
}

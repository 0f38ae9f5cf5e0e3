import { readFileSync } from 'node:fs'
import t from 'tap'
import { cleanMappings, releaseProgramPages } from './program-pages.ts'

const block = (head: string, anonymousKb: number): string =>
  `${head}
Size:               7612 kB
Rss:                7352 kB
Anonymous:      ${String(anonymousKb).padStart(8)} kB
VmFlags: rd mr mw me
`

t.test('only what was never written to is let go', async t => {
  const smaps = [
    block('00400000-00b6f000 r--p 00000000 fe:00 123 /usr/bin/node', 0),
    block('00b72000-00b73000 r-xp 00772000 fe:00 123 /usr/bin/node', 0),
    block('00b73000-00b74000 r--p 00773000 fe:00 123 /usr/bin/node', 8),
    block('00b74000-00b75000 rw-p 00774000 fe:00 123 /usr/bin/node', 0),
    block('00b75000-00b76000 r-xp 00774000 fe:00 124 /usr/bin/node.so', 0),
    block('7ffff000-80000000 r-xp 00000000 00:00 0 [vdso]', 0),
  ].join('')
  t.same(cleanMappings(smaps, '/usr/bin/node'), [
    { address: 0x400000, lengthBytes: 0x76f000 },
    { address: 0xb72000, lengthBytes: 0x1000 },
  ])
})

const residentFileKb = (): number =>
  Number(
    /RssFile:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1],
  )

t.test('the program runs on, with less of its file in memory', async t => {
  const before = residentFileKb()
  releaseProgramPages()
  const after = residentFileKb()
  t.ok(after < before - 5000, `${before} kB, then ${after} kB`)
  t.same(JSON.parse('{"a":[1,2]}'), { a: [1, 2] })
})

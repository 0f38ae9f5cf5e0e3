/** A name in a mount table leads to a layer, or to nothing. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { layerIdentity } from './mounted-layers.ts'
import { unrecordedLayer } from './unrecorded-layers.ts'

const base = mkdtempSync(join(tmpdir(), 'dendro-unrecorded-'))
t.teardown(() => rmSync(base, { recursive: true, force: true }))
const jail = join(base, 'jail')
const upper = join(jail, 'store/a, b:c/etc/upper')
mkdirSync(upper, { recursive: true })
const roots = [join(base, 'none'), jail]

const found = (
  path: string,
  { type = 'overlay', mountpoint = '/etc' } = {},
): string | undefined => {
  const options = `rw,lowerdir=/l,upperdir=${path},workdir=/w,index=off`
  return unrecordedLayer({ type, mountpoint, options }, roots)
}

void t.test('the name is one below the root of who mounted it', test => {
  const layer = layerIdentity(upper)
  test.equal(found('/store/a, b:c/etc/upper'), layer)
  test.equal(found('/store/a\\, b\\:c/etc/upper'), layer)
  test.equal(found(upper), undefined)
  test.end()
})

void t.test('only overlays at an etc count, and no link', test => {
  const path = '/store/a, b:c/etc/upper'
  test.equal(found(path, { type: 'tmpfs' }), undefined)
  test.equal(found(path, { mountpoint: '/usr' }), undefined)
  test.equal(found('/store/none'), undefined)
  test.equal(found('store/a, b:c/etc/upper'), undefined)
  symlinkSync('a, b:c', join(jail, 'store/link'))
  symlinkSync(upper, join(jail, 'store/last'))
  test.equal(found('/store/link/etc/upper'), undefined)
  test.equal(found('/store/last'), undefined)
  test.equal(found('/store/../../jail/store/a, b:c/etc/upper'), undefined)
  test.end()
})

import t from 'tap'
import { joinRaw, rawPathBelow } from './raw-path.ts'

t.test('paths in a tree, and of a source', async t => {
  t.equal(joinRaw('', 'a'), 'a')
  t.equal(joinRaw('a', 'b'), 'a/b')
  t.equal(rawPathBelow('/srv', ''), '/srv')
  t.equal(rawPathBelow('/srv', 'a/b'), '/srv/a/b')
  t.equal(rawPathBelow('/', ''), '/')
  t.equal(rawPathBelow('/', 'a/b'), '/a/b')
})

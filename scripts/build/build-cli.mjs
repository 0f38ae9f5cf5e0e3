/**
 * Writes what is made of the definitions of the verbs (src/cli/definitions/),
 * after the bundle: dist/bundle/launcher.sh, which scripts/dendro sources.
 */
import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadDefinitions } from '../../dist/src/cli/definitions/verb-list.js'
import { launcherScript } from '../../dist/src/cli/generated/launcher.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const verbs = await loadDefinitions()
writeFileSync(join(root, 'dist/bundle/launcher.sh'), launcherScript(verbs))

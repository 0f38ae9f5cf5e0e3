/**
 * Writes what is made of the definitions of the verbs (src/cli/definitions/),
 * after the bundle: dist/bundle/launcher.sh, which scripts/dendro sources, and
 * complete.sh, which scripts/shipped/completions/ call.
 */
import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadDefinitions } from '../../dist/src/cli/definitions/verb-list.js'
import { completionScript } from '../../dist/src/cli/generated/completion.js'
import { launcherScript } from '../../dist/src/cli/generated/launcher.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const verbs = await loadDefinitions()
writeFileSync(join(root, 'dist/bundle/launcher.sh'), launcherScript(verbs))
writeFileSync(join(root, 'dist/bundle/complete.sh'), completionScript(verbs))

/**
 * Finds the program of a worker or child process beside the one that runs:
 * `x.js` among compiled modules, `x.cjs` among bundles.
 */
export const siblingModule = (importMetaUrl: string, stem: string): URL =>
  new URL(
    `./${stem}${importMetaUrl.endsWith('.cjs') ? '.cjs' : '.js'}`,
    importMetaUrl,
  )

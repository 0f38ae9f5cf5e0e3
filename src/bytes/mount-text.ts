/** How values are written in options and tables of mounts. Pure. */

/**
 * A value as it stands in an option string, where a comma would end it. `colon`
 * for overlayfs, which puts one between its lower directories.
 */
export const escapeOption = (value: string, colon?: 'colon'): string =>
  value.replace(colon === undefined ? /[\\,]/g : /[\\,:]/g, '\\$&')

/** The value that `escapeOption` was given. */
export const unescapeOption = (text: string): string =>
  text.replace(/\\(.)/g, '$1')

/**
 * A field of /proc/PID/mountinfo (latin1), which has space, tab, newline and
 * backslash as octal: proc_pid_mountinfo(5).
 */
export const unescapeField = (latin1: string): string =>
  latin1.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )

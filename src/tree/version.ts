/** Version numbers of the form PREFIX.N, counted along the history of a ref. */

/**
 * The version after `previous` with the given prefix: `23.33` after `23.32`;
 * `PREFIX.0` when the previous one has another prefix or none.
 */
export const nextVersion = (
  prefix: string,
  previous: string | undefined,
): string => {
  const start = `${prefix}.`
  if (previous === undefined || !previous.startsWith(start)) return `${start}0`
  const number = previous.slice(start.length)
  return /^\d{1,15}$/.test(number)
    ? `${start}${Number(number) + 1}`
    : `${start}0`
}

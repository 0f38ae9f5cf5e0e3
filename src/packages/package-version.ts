/** The order of package versions. Pure. */

const LETTER = /[A-Za-z]/

/** `~` before the end, the end before letters, letters before the rest. */
const weight = (char: string | undefined): number =>
  char === '~'
    ? -1
    : char === undefined || /\d/.test(char)
      ? 0
      : LETTER.test(char)
        ? char.charCodeAt(0)
        : char.charCodeAt(0) + 256

/** Compares two parts of a version as Debian Policy 5.6.12 says. */
const comparePart = (a: string, b: string): number => {
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    while (
      (i < a.length && !/\d/.test(a[i] as string)) ||
      (j < b.length && !/\d/.test(b[j] as string))
    ) {
      const difference = weight(a[i]) - weight(b[j])
      if (difference !== 0) return difference
      i++
      j++
    }
    const left = /^\d*/.exec(a.slice(i))?.[0] ?? ''
    const right = /^\d*/.exec(b.slice(j))?.[0] ?? ''
    const x = BigInt(left === '' ? '0' : left)
    const y = BigInt(right === '' ? '0' : right)
    if (x !== y) return x < y ? -1 : 1
    i += left.length
    j += right.length
  }
  return 0
}

const splitDebian = (version: string): [number, string, string] => {
  const colon = version.indexOf(':')
  const epoch = colon < 0 ? 0 : Number(version.slice(0, colon))
  const rest = version.slice(colon + 1)
  const dash = rest.lastIndexOf('-')
  return dash < 0
    ? [epoch, rest, '']
    : [epoch, rest.slice(0, dash), rest.slice(dash + 1)]
}

/** Negative when `a` is older, as `dpkg --compare-versions` says. */
export const compareDebianVersions = (a: string, b: string): number => {
  const [epochA, upstreamA, revisionA] = splitDebian(a)
  const [epochB, upstreamB, revisionB] = splitDebian(b)
  return (
    epochA - epochB ||
    comparePart(upstreamA, upstreamB) ||
    comparePart(revisionA, revisionB)
  )
}

const RPM_SEGMENT = /\d+|[A-Za-z]+|~|\^/g

/** rpmvercmp of rpm-version(7): runs of digits and letters, `~` before the end, `^` after. */
const compareRpmPart = (a: string, b: string): number => {
  const x = a.match(RPM_SEGMENT) ?? []
  const y = b.match(RPM_SEGMENT) ?? []
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const left = x[i]
    const right = y[i]
    if (left === right) continue
    if (left === '~' || right === '~') return left === '~' ? -1 : 1
    if (left === '^') return right === undefined ? 1 : -1
    if (right === '^') return left === undefined ? -1 : 1
    if (left === undefined) return -1
    if (right === undefined) return 1
    const isNumber = /^\d/.test(left)
    if (isNumber !== /^\d/.test(right)) return isNumber ? 1 : -1
    if (!isNumber) return left < right ? -1 : 1
    const difference = BigInt(left) - BigInt(right)
    if (difference !== 0n) return difference < 0n ? -1 : 1
  }
  return 0
}

/** Negative when `a` is older. */
export const compareRpmVersions = (a: string, b: string): number => {
  const [epochA, upstreamA, releaseA] = splitDebian(a)
  const [epochB, upstreamB, releaseB] = splitDebian(b)
  return (
    epochA - epochB ||
    compareRpmPart(upstreamA, upstreamB) ||
    compareRpmPart(releaseA, releaseB)
  )
}

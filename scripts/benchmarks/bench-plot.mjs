/** Draws what scripts/bench measured. */

const WIDTH = 720
const HEIGHT = 220
const LEFT = 56
const BOTTOM = 28
const TOP = 30

/** One panel: `points` of one number a commit, as dots, from 0 up. */
const panel = (points, key, title, top, color) => {
  const values = points.map(point => point[key])
  const most = Math.max(...values) * 1.1
  const x = i =>
    LEFT + ((WIDTH - LEFT - 12) * i) / Math.max(1, points.length - 1)
  const y = value => top + TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most)
  const dots = values
    .map(
      (value, i) =>
        `<circle cx="${x(i).toFixed(1)}" cy="${y(value).toFixed(1)}" r="1.8" fill="${color}"/>`,
    )
    .join('')
  const ticks = [0, 0.25, 0.5, 0.75, 1]
    .map(part => (most / 1.1) * part)
    .map(
      value =>
        `<line x1="${LEFT}" x2="${WIDTH - 12}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#ddd"/>` +
        `<text x="${LEFT - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${value.toFixed(2)}</text>`,
    )
    .join('')
  const numbers = [1, Math.round(points.length / 2), points.length]
    .map(
      n =>
        `<text x="${x(n - 1).toFixed(1)}" y="${top + HEIGHT - 8}" text-anchor="middle">${n}</text>`,
    )
    .join('')
  return `<text x="${LEFT}" y="${top + 18}" font-weight="bold">${title}</text>${ticks}${dots}${numbers}`
}

/** An SVG of seconds and megabytes a commit, `points` in order. */
export const churnPlot = (points, where) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT * 2 + 24}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
${panel(points, 'seconds', 'Seconds a commit', 0, '#1f6feb')}
${panel(points, 'megabytes', 'Megabytes that it added', HEIGHT, '#bf5700')}
<text x="${LEFT}" y="${HEIGHT * 2 + 16}" fill="#666">${where}</text>
</svg>
`

// Charts over uPlot, each a figure with a legend and its numbers as a table.
/* global uPlot */

import { h, table } from "./dom.js";

const drawn = new Set();

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Forgets the charts of a view that is left. */
export function clearCharts() {
  for (const chart of drawn) chart.destroy();
  drawn.clear();
}

/** A figure with a chart.
 *  series: {label, values, color, dash, fill, points, format}; x: rising numbers, times when `time`. */
export function figure({ title, note, x, series, time = true, format, xFormat, xRange, yRange, xLabel, bars = false }) {
  const place = h("div", { class: "plot" });
  const legend = h("ul", { class: "legend" }, series.map((one) => h("li", {}, swatch(one), one.label)));
  const shownX = xFormat ?? ((value) => (time ? new Date(value * 1000).toLocaleString() : String(value)));
  const numbers = h("details", {}, h("summary", {}, "Numbers"), h("div", {}));
  numbers.addEventListener("toggle", () => {
    if (!numbers.open || numbers.lastChild.firstChild) return;
    const rows = x.map((value, at) => [shownX(value), ...series.map((one) => (one.values[at] === null || one.values[at] === undefined ? "–" : format(one.values[at])))]);
    numbers.lastChild.append(table(title, [xLabel ?? "Time", ...series.map((one) => ({ text: one.label, number: true }))], rows));
  });
  const element = h("figure", { class: "card" }, h("figcaption", {}, h("h3", {}, title), note ? h("p", {}, note) : null), legend, place, numbers);
  if (x.length === 0) {
    place.replaceWith(h("p", { class: "empty" }, "Nothing to show in this time."));
    return element;
  }
  const draw = () => {
    const width = Math.max(240, Math.floor(place.getBoundingClientRect().width));
    // The first step may begin before the window: its point belongs to the picture, and to the scale.
    const range = time && xRange && x.length ? [Math.min(xRange[0], x[0]), xRange[1]] : xRange;
    const chart = new uPlot(options({ width, series, time, format, xFormat, xRange: range, yRange, bars, count: x.length }), [x, ...series.map((one) => one.drawn ?? one.values)], place);
    place.firstElementChild.setAttribute("aria-hidden", "true");
    drawn.add(chart);
    const watcher = new ResizeObserver(() => {
      const now = Math.max(240, Math.floor(place.getBoundingClientRect().width));
      if (now !== chart.width) chart.setSize({ width: now, height: 200 });
    });
    watcher.observe(place);
  };
  requestAnimationFrame(() => { if (place.isConnected) draw(); });
  return element;
}

function swatch(one) {
  const mark = h("span", { class: `swatch${one.dash ? " dashed" : ""}`, "aria-hidden": "true" });
  mark.style.setProperty("--swatch", color(one.color));
  return mark;
}

// From which distance of ticks on, the label of a tick, and what stands below the first one of a year and of a day. No
// order of month and day that one half of the readers would take for the other.
const dates = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];

function options({ width, series, time, format, xFormat, xRange, yRange, bars, count }) {
  const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { stroke: color("line"), width: 1 }, font: "12px system-ui, sans-serif" };
  return {
    width,
    height: 200,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time, range: xRange ? () => xRange : undefined }, y: { range: yRange ?? ((_u, _low, high) => [0, high > 0 ? high * 1.1 : 1]) } },
    axes: [
      { ...axis, space: 70, values: xFormat ? (_u, values) => values.map(xFormat) : dates },
      { ...axis, size: 72, values: (_u, values) => values.map(format) },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label,
      stroke: color(one.color),
      width: one.points === "only" ? 0 : 2,
      dash: one.dash ? [6, 4] : undefined,
      fill: one.fill ? color(one.color) + (one.fill === true ? "2e" : one.fill) : undefined,
      spanGaps: true,
      paths: bars ? uPlot.paths.bars({ size: [0.9, 60], align: 0 }) : undefined,
      points: { show: one.points === "only" || (count <= 40 && !bars && !one.dash) || (count === 1 && !bars), size: one.points === "only" ? 8 : 5, fill: color(one.color) },
    }))],
  };
}

/** Values laid on top of each other, the first at the bottom: drawn from the top of the pile down. */
export function stack(parts) {
  const sums = parts[0]?.values.map(() => 0) ?? [];
  return parts.map((part) => ({ ...part, drawn: part.values.map((value, at) => (sums[at] += value ?? 0)), fill: "ff" })).reverse();
}

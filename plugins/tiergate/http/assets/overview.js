// The overview: what was spent, saved and decided.

import { figure, stack } from "./charts.js";
import { h, ms, percent, score, table, usd, whole, words } from "./dom.js";

const DRIFT_LOOK = 0.1;
const DRIFT_ACT = 0.25;

export function overview(data) {
  const { totals, limits } = data;
  return [
    h("h1", { tabindex: "-1" }, "Overview"),
    tiles(data),
    totals.requests === 0 ? h("p", { class: "empty" }, "No decisions in this time. Choose a longer one, or send a request to an entry model.") : null,
    section("Money and tiers", spend(data), tierShares(data)),
    section("Quality guards", ratios(data), latency(data)),
    section("Calibration", ...calibration(data)),
    section("Drift", drift(data), confidenceHistogram(data, limits)),
    h("section", { class: "tables" }, h("h2", {}, "Break-downs"), ...breakdowns(data)),
  ];
}

function section(title, ...parts) {
  return h("section", {}, h("h2", {}, title), h("div", { class: "grid" }, parts));
}

function tiles({ totals, limits, latency_ms: latencies, feedback, log }) {
  const over = totals.escalation_ratio !== null && totals.escalation_ratio > limits.escalation_ratio;
  const slow = limits.p95_budget_ms !== null && latencies.p95 !== null && latencies.p95 > limits.p95_budget_ms;
  return h("dl", { class: "tiles" },
    tile("Requests", whole(totals.requests), totals.failed ? `${whole(totals.failed)} failed` : "none failed", totals.failed > 0 ? "warn" : null),
    tile("Spent", usd(totals.cost_usd), `baseline ${usd(totals.baseline_cost_usd)}`),
    tile("Saved", usd(totals.saved_usd), `${percent(totals.saved_share)} of the baseline`),
    tile("Cost per request", usd(totals.cost_per_request_usd), `on average`),
    tile("Cache hits", percent(totals.hit_ratio), `${whole(totals.hits)} answers`),
    tile("Escalations", percent(totals.escalation_ratio), `${over ? "above" : "within"} the limit of ${percent(limits.escalation_ratio, 0)}`, over ? "bad" : null),
    tile("P95 latency", ms(latencies.p95), limits.p95_budget_ms === null ? "no budget set" : `${slow ? "above" : "within"} the budget of ${ms(limits.p95_budget_ms)}`, slow ? "bad" : null),
    tile("Feedback", whole(feedback.scores), feedback.mean_score === null ? "no scores yet" : `mean score ${score(feedback.mean_score)}`),
    tile("Log", whole(log.pending), log.dropped ? `waiting, ${whole(log.dropped)} dropped` : "waiting, none dropped", log.dropped ? "bad" : null));
}

function tile(label, value, note, mood) {
  return h("div", { class: mood ? `tile ${mood}` : "tile" }, h("dt", {}, label), h("dd", {}, value), h("dd", { class: "note" }, note));
}

function spend({ series, from, to }) {
  return figure({
    title: "Spend against baseline",
    note: "What the requests cost, and what they would have cost on the baseline tier.",
    x: series.map((point) => point.ts), xRange: [from, to],
    format: usd,
    series: [
      { label: "Baseline", color: "baseline", dash: true, values: series.map((point) => point.baseline_cost_usd) },
      { label: "Spent", color: "first", fill: true, values: series.map((point) => point.cost_usd) },
    ],
  });
}

function tierShares({ series, tier_order: order, from, to }) {
  const seen = new Set(series.flatMap((point) => Object.keys(point.tiers)));
  const tiers = [...order.filter((tier) => seen.has(tier)), ...[...seen].filter((tier) => !order.includes(tier)).sort()];
  const colors = ["first", "second", "third", "fourth", "fifth"];
  const parts = tiers.map((tier, place) => ({
    label: words(tier),
    color: colors[place % colors.length],
    values: series.map((point) => (point.requests ? (point.tiers[tier] ?? 0) / point.requests : 0)),
  }));
  return figure({ title: "Share of requests by tier", note: "Which tier's answer the client got; a cached answer counts for the tier that gave it.",
    x: series.map((point) => point.ts), xRange: [from, to], format: (value) => percent(value, 0), yRange: () => [0, 1], series: stack(parts) });
}

function ratios({ series, limits, from, to }) {
  return figure({
    title: "Hit and escalation ratio",
    note: `Escalations above ${percent(limits.escalation_ratio, 0)} say that the cheap tier or its threshold is wrong.`,
    x: series.map((point) => point.ts), xRange: [from, to],
    format: (value) => percent(value, 0),
    series: [
      { label: "Cache hits", color: "second", values: series.map((point) => point.hit_ratio) },
      { label: "Escalations", color: "first", values: series.map((point) => point.escalation_ratio) },
      { label: "Limit of escalations", color: "limit", dash: true, values: series.map(() => limits.escalation_ratio) },
    ],
  });
}

function latency({ series, limits, from, to }) {
  const lines = [
    { label: "P95", color: "first", values: series.map((point) => point.p95_ms) },
    { label: "Mean", color: "second", values: series.map((point) => point.latency_ms) },
    { label: "Added by tiergate (mean)", color: "fourth", values: series.map((point) => point.overhead_ms) },
  ];
  if (limits.p95_budget_ms !== null) lines.push({ label: "Budget", color: "limit", dash: true, values: series.map(() => limits.p95_budget_ms) });
  return figure({ title: "Latency", note: "The percentile is read off buckets: at most 20 % high.", x: series.map((point) => point.ts), xRange: [from, to], format: ms, series: lines });
}

function calibration({ feedback }) {
  if (feedback.graded === 0) {
    return [h("p", { class: "card empty" }, "No graded answers in this time. Feedback with a score on answers that a model gave makes this diagram: POST /tiergate/feedback, or the buttons of a decision.")];
  }
  const inner = feedback.reliability.filter((part) => part.confidence > 0 && part.confidence < 1);
  const x = [0, ...inner.map((part) => part.confidence), 1];
  const at = (confidence) => feedback.reliability.find((part) => part.confidence === confidence)?.quality ?? null;
  const reliability = figure({
    title: "Reliability",
    note: `${whole(feedback.graded)} graded answers, calibration error ${score(feedback.calibration_error)}. On the dashed line confidence is what it says.`,
    x, time: false, xRange: [0, 1], xLabel: "Confidence", xFormat: (value) => value.toFixed(2), format: (value) => value.toFixed(2), yRange: () => [0, 1],
    series: [
      { label: "Calibrated", color: "baseline", dash: true, values: x },
      { label: "Graded quality", color: "first", points: "only", values: x.map(at) },
    ],
  });
  const coverage = figure({
    title: "Risk and coverage",
    note: "If only the most confident share of answers were trusted, how far short of perfect they would be.",
    x: feedback.coverage.map((point) => point.coverage), time: false, xRange: [0, 1], xLabel: "Coverage", xFormat: (value) => percent(value, 0), format: (value) => percent(value),
    series: [{ label: "Risk", color: "first", values: feedback.coverage.map((point) => point.risk) }],
  });
  return [reliability, coverage];
}

function drift({ drift: indexes }) {
  const names = { confidence: "Confidence of answers", route_score: "Route score", similarity: "Cache similarity", latency_ms: "Latency" };
  const rows = Object.entries(names).filter(([name]) => indexes[name] !== null && indexes[name] !== undefined).map(([name, label]) => {
    const value = indexes[name];
    return [label, value.toFixed(3), value >= DRIFT_ACT ? `shifted: check the ${name === "latency_ms" ? "providers" : "classifier and thresholds"}` : value >= DRIFT_LOOK ? "worth a look" : "steady"];
  });
  return h("div", { class: "card" }, h("h3", {}, "Stability index"), h("p", {}, "The last quarter of the time shown against the rest of it."),
    rows.length ? table("Stability index by score", ["Score", { text: "Index", number: true }, "Reading"], rows) : h("p", { class: "empty" }, "Not enough decisions in both parts of this time."));
}

function confidenceHistogram({ scores }, limits) {
  const counts = scores.confidence ?? {};
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const buckets = total ? Array.from({ length: 20 }, (_, place) => place) : [];
  return figure({
    title: "Confidence of answers",
    note: `Below ${limits.escalate_below} an answer is escalated, from ${limits.trust_from} on it is trusted.`,
    x: buckets.map((place) => (place + 0.5) / 20), time: false, bars: true, xRange: [0, 1], xLabel: "Confidence", xFormat: (value) => value.toFixed(2),
    format: (value) => percent(value, 0), series: [{ label: "Share of answers", color: "first", fill: "b0", values: buckets.map((place) => (counts[place] ? counts[place] / total : null)) }],
  });
}

function breakdowns(data) {
  const figures = [{ text: "Requests", number: true }, { text: "Spent", number: true }, { text: "Saved", number: true }, { text: "Hits", number: true }, { text: "Escalated", number: true }];
  const cells = (row) => [whole(row.requests), usd(row.cost_usd), usd(row.saved_usd), percent(row.hit_ratio), percent(row.escalation_ratio)];
  const byName = (title, head, rows, name) => table(title, [head, ...figures], rows.map((row) => [words(row[name] ?? "none"), ...cells(row)]));
  const experiments = data.experiments.length
    ? table("Experiments", ["Experiment and arm", ...figures, { text: "Cost per request", number: true }, { text: "Mean latency", number: true }],
        data.experiments.map((row) => [`${row.experiment} = ${row.arm}`, ...cells(row), usd(row.cost_per_request_usd), ms(row.latency_ms)]))
    : h("p", { class: "card empty" }, "No experiment ran in this time.");
  const providers = table("Provider health", ["Tier and provider", "Model group", { text: "Calls", number: true }, { text: "Failed", number: true }, { text: "Fallbacks", number: true }, { text: "Mean time", number: true }, { text: "Spent", number: true }],
    data.providers.map((row) => [`${row.tier ?? "none"}: ${row.provider ?? "unknown"}`, row.model_group, whole(row.calls), percent(row.error_ratio), whole(row.fallbacks), ms(row.ms), usd(row.cost_usd)]));
  const gate = table("What the gate did", ["Outcome", "Reason", { text: "Requests", number: true }, { text: "Share", number: true }],
    data.gate.map((row) => [words(row.gate_outcome), words(row.gate_reason), whole(row.requests), percent(row.requests / data.totals.requests)]));
  return [byName("By tier", "Tier", data.tiers, "final_tier"), byName("By domain", "Domain", data.domains, "domain"), gate, experiments, providers];
}

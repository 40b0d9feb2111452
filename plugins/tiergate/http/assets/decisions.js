// The list of decisions with its filters, and one decision told as a timeline.

import { ask } from "./api.js";
import { h, ms, percent, score, table, toast, usd, when, words } from "./dom.js";

const FILTERS = {
  final_tier: ["Tier", null],
  domain: ["Domain", null],
  cache_outcome: ["Cache", ["hit", "miss", "skipped"]],
  gate_outcome: ["Gate", ["trusted", "verified", "escalated", "bypassed", "skipped"]],
  status: ["Status", ["ok", "failed", "disconnected"]],
};

export async function decisions(params, go) {
  const query = Object.fromEntries([...params].filter(([name]) => name in FILTERS || name === "before"));
  const page = await ask("api/decisions", { query: { limit: 50, ...query } });
  const rows = page.decisions.map((row) => [
    h("a", { href: `#/decision/${encodeURIComponent(row.decision_id)}` }, when(row.ts)),
    row.final_tier ?? "–",
    row.route.domain ?? "–",
    `${words(row.cache.outcome)}`,
    h("span", { class: row.gate.outcome === "escalated" ? "mark" : null }, words(row.gate.outcome)),
    score(row.gate.confidence),
    usd(row.cost_usd),
    usd(row.saved_usd),
    ms(row.latency_ms),
    h("span", { class: row.status === "ok" ? null : "mark" }, words(row.status)),
  ]);
  const heads = ["Time", "Tier", "Domain", "Cache", "Gate", { text: "Confidence", number: true }, { text: "Cost", number: true }, { text: "Saved", number: true }, { text: "Latency", number: true }, "Status"];
  return [
    h("h1", { tabindex: "-1" }, "Decisions"),
    filterForm(params, go),
    rows.length ? table("Decisions, the newest first", heads, rows) : h("p", { class: "empty" }, "No decision matches."),
    h("p", { class: "pages" },
      params.has("before") ? h("a", { href: target(params, { before: null }) }, "Back to the newest") : null,
      page.before ? h("a", { href: target(params, { before: page.before }) }, "Older") : null),
  ];
}

function target(params, changes) {
  const next = new URLSearchParams(params);
  for (const [name, value] of Object.entries(changes)) if (value) next.set(name, value); else next.delete(name);
  return `#/decisions?${next}`;
}

function filterForm(params, go) {
  const controls = Object.entries(FILTERS).map(([name, [label, choices]]) => {
    const current = params.get(name) ?? "";
    const input = choices
      ? h("select", { id: `filter-${name}`, name }, h("option", { value: "" }, "any"), choices.map((choice) => h("option", { value: choice, selected: choice === current }, choice)))
      : h("input", { id: `filter-${name}`, name, value: current, placeholder: "any", autocomplete: "off" });
    return h("div", { class: "field" }, h("label", { for: `filter-${name}` }, label), input);
  });
  return h("form", {
    class: "filters",
    onsubmit: (event) => {
      event.preventDefault();
      const chosen = [...new FormData(event.target)].filter(([, value]) => value.trim() !== "").map(([name, value]) => [name, value.trim()]);
      go(`#/decisions?${new URLSearchParams(chosen)}`);
    },
  }, controls, h("button", { type: "submit" }, "Filter"), h("a", { href: "#/decisions" }, "Clear"));
}

export async function decision(id) {
  const row = await ask(`api/decisions/${encodeURIComponent(id)}`);
  return [
    h("p", {}, h("a", { href: "#/decisions" }, "All decisions")),
    h("h1", { tabindex: "-1" }, `Decision of ${when(row.ts)}`),
    h("dl", { class: "facts" }, facts(row).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    row.prompt ? h("section", {}, h("h2", {}, "Prompt"), h("pre", { class: "prompt" }, row.prompt)) : null,
    h("section", {}, h("h2", {}, "What happened and why"), h("ol", { class: "timeline" }, steps(row).map((step) => stepItem(step, row.latency_ms)))),
    h("section", {}, h("h2", {}, "Feedback"), feedback(row)),
    h("details", {}, h("summary", {}, "The whole record"), h("pre", {}, JSON.stringify(row, null, 2))),
  ];
}

function facts(row) {
  const list = [
    ["Answered by", row.final_tier ?? "nobody"],
    ["Cost", usd(row.cost_usd)],
    ["Baseline", usd(row.baseline_cost_usd)],
    ["Saved", usd(row.saved_usd)],
    ["Latency", ms(row.latency_ms)],
    ["Added by tiergate", ms(row.overhead_ms)],
    ["Status", words(row.status)],
    ["Decision", row.decision_id],
    ["Call", row.call_id],
  ];
  if (row.trace_id) list.push(["Trace", row.trace_id]);
  if (row.tenant) list.push(["Tenant", row.tenant]);
  if (row.experiment) list.push(["Experiment", `${row.experiment} = ${row.arm}`]);
  return list;
}

function steps(row) {
  const starts = row.stage_start_ms ?? {};
  const times = row.stage_ms ?? {};
  const list = [
    { name: "Semantic cache", at: starts.semantic_cache ?? 0, ms: times.semantic_cache, outcome: row.cache.outcome, why: whyCache(row.cache) },
    { name: "Intent router", at: starts.intent_router ?? 0, ms: times.intent_router, outcome: row.route.outcome, why: whyRoute(row.route) },
    ...(row.calls ?? []).map((call, place, calls) => ({
      name: `Call to ${call.model ?? call.model_group}`, at: call.start_ms ?? 0, ms: call.ms, outcome: call.status === "ok" ? "answered" : call.status, bad: call.status !== "ok", why: whyCall(call, calls[place - 1], row),
    })),
    { name: "Confidence gate", at: starts.confidence_gate ?? row.latency_ms, ms: times.confidence_gate, outcome: row.gate.outcome, why: whyGate(row.gate), signals: row.gate.signals },
  ];
  return list.map((step, order) => ({ ...step, order })).sort((one, two) => one.at - two.at || one.order - two.order);
}

function whyCache(cache) {
  const near = cache.similarity === null || cache.similarity === undefined ? "No stored prompt was compared." : `The nearest stored prompt has similarity ${score(cache.similarity)}.`;
  const age = cache.age_s === null || cache.age_s === undefined ? "" : ` The stored answer was ${Math.round(cache.age_s)} s old.`;
  return `${capital(words(cache.reason))}. ${near}${age}`;
}

function whyRoute(route) {
  const scores = Object.entries(route.scores ?? {}).map(([tier, value]) => `${tier} ${score(value)}`).join(", ");
  const domain = route.domain ? ` Domain ${route.domain} (${percent(route.domain_score, 0)}).` : "";
  return `${capital(words(route.reason))}.${route.tier ? ` Chosen: ${route.tier}.` : ""}${scores ? ` Chance of a good answer: ${scores}.` : ""}${domain}`;
}

function whyCall(call, before, row) {
  const reason = before && before.tier !== call.tier && row.gate.outcome === "escalated" ? `Escalated from ${before.tier}: ${words(row.gate.reason)}. `
    : call.fallback_from ? `Fallback from ${call.fallback_from}. ` : "";
  return `${reason}Tier ${call.tier ?? "none"}, ${call.provider ?? "unknown provider"}: ${call.prompt_tokens} + ${call.completion_tokens} tokens, ${usd(call.cost_usd)}.`;
}

function whyGate(gate) {
  const cuts = gate.escalate_below === null || gate.escalate_below === undefined ? "" : ` Escalate below ${gate.escalate_below}, trust from ${gate.trust_from}.`;
  return `${capital(words(gate.reason))}.${gate.confidence === null || gate.confidence === undefined ? "" : ` Confidence ${score(gate.confidence)}.`}${cuts}`;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function stepItem(step, total) {
  const bar = h("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--from", `${Math.min(99, Math.max(0, (100 * step.at) / (total || 1)))}%`);
  bar.style.setProperty("--length", `${Math.min(100, Math.max(0.6, (100 * (step.ms ?? 0)) / (total || 1)))}%`);
  const signals = Object.entries(step.signals ?? {});
  return h("li", { class: step.bad ? "bad" : null },
    h("p", { class: "step" }, h("strong", {}, step.name), " ", h("span", { class: "outcome" }, words(step.outcome)), " ", h("span", { class: "note" }, `at ${ms(step.at)}${step.ms === undefined || step.ms === null ? "" : `, took ${ms(step.ms)}`}`)),
    h("span", { class: "track" }, bar),
    h("p", {}, step.why),
    signals.length ? h("details", {}, h("summary", {}, "Signals"), table("Signals behind the confidence", ["Signal", { text: "Value", number: true }], signals.map(([name, value]) => [words(name), score(value)]))) : null);
}

function feedback(row) {
  const said = row.feedback ? h("p", {}, row.feedback.wrong_cache_hit ? "Reported as a wrong hit. " : "", row.feedback.score === null ? "" : `Score ${row.feedback.score}. `, row.feedback.comment) : h("p", {}, "None yet.");
  const comment = h("input", { id: "comment", maxlength: "4000", autocomplete: "off" });
  const report = (body, text) => async (event) => {
    event.target.disabled = true;
    try {
      await ask("feedback", { method: "POST", body: { decision_id: row.decision_id, comment: comment.value, ...body } });
      said.textContent = text;
      toast(text);
    } catch (error) {
      toast(`Not recorded: ${error.message}`);
    } finally {
      event.target.disabled = false;
    }
  };
  return h("div", { class: "feedback" }, said,
    h("div", { class: "field" }, h("label", { for: "comment" }, "Comment (optional)"), comment),
    h("p", { class: "buttons" },
      h("button", { type: "button", onclick: report({ score: 1 }, "Recorded: a good answer.") }, "Good answer"),
      h("button", { type: "button", onclick: report({ score: 0 }, "Recorded: a bad answer.") }, "Bad answer"),
      row.cache.outcome === "hit" ? h("button", { type: "button", onclick: report({ wrong_cache_hit: true, score: 0 }, "Recorded: a wrong cache hit.") }, "Wrong cache hit") : null));
}

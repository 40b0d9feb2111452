// The page: signs in, reads the address, shows a view.

import { ApiError, ask, keepKey, readKey } from "./api.js";
import { clearCharts } from "./charts.js";
import { decision, decisions } from "./decisions.js";
import { h } from "./dom.js";
import { overview } from "./overview.js";

const WINDOWS = [[6, "6 hours"], [24, "24 hours"], [7 * 24, "7 days"], [30 * 24, "30 days"], [90 * 24, "90 days"]];
const main = document.getElementById("main");
let hours = Number(sessionStorage.getItem("tiergate-hours")) || 24;
let turn = 0;

function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return { name: name || "overview", id: decodeURIComponent(rest.join("/")), params: new URLSearchParams(query) };
}

function go(hash) {
  if (location.hash === hash) show();
  else location.hash = hash;
}

async function build({ name, id, params }) {
  if (name === "decisions") return decisions(params, go);
  if (name === "decision") return decision(id);
  return overview(await ask("api/summary", { query: { hours } }));
}

async function show({ focus = true } = {}) {
  const mine = (turn += 1);
  const where = route();
  frame(where.name);
  if (!readKey()) return put(mine, signIn(), focus);
  main.setAttribute("aria-busy", "true");
  try {
    put(mine, await build(where), focus);
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) put(mine, signIn(error.message), focus);
    else put(mine, [h("h1", { tabindex: "-1" }, "This cannot be shown"), h("p", { role: "alert" }, error.message), h("button", { type: "button", onclick: () => show() }, "Try again")], focus);
  }
  return undefined;
}

function put(mine, view, focus) {
  if (mine !== turn) return;
  clearCharts();
  main.removeAttribute("aria-busy");
  main.replaceChildren(...view.filter((part) => part !== null));
  if (focus) main.querySelector("h1")?.focus({ preventScroll: true });
}

function frame(name) {
  const views = [["overview", "Overview"], ["decisions", "Decisions"]];
  const current = name === "decision" ? "decisions" : name;
  document.getElementById("nav").replaceChildren(...views.map(([view, label]) => h("a", { href: `#/${view}`, "aria-current": view === current ? "page" : null }, label)));
  const choose = h("select", { id: "hours", onchange: (event) => { hours = Number(event.target.value); sessionStorage.setItem("tiergate-hours", String(hours)); show({ focus: false }); } },
    WINDOWS.map(([value, label]) => h("option", { value, selected: value === hours }, label)));
  const tools = [];
  if (readKey()) {
    if (current === "overview") tools.push(h("label", { for: "hours" }, "Last"), choose);
    tools.push(h("button", { type: "button", onclick: () => show({ focus: false }) }, "Refresh"), h("button", { type: "button", onclick: () => { keepKey(null); show(); } }, "Sign out"));
  }
  document.getElementById("tools").replaceChildren(...tools);
}

function signIn(problem) {
  const field = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true, "aria-describedby": "key-note" });
  return [
    h("h1", { tabindex: "-1" }, "Sign in"),
    problem ? h("p", { role: "alert", class: "problem" }, problem) : null,
    h("form", { class: "sign-in", onsubmit: (event) => { event.preventDefault(); keepKey(field.value.trim()); show(); } },
      h("div", { class: "field" }, h("label", { for: "key" }, "Key of a proxy admin"), field, h("p", { id: "key-note", class: "note" }, "Kept in this tab only, until it is closed.")),
      h("button", { type: "submit" }, "Sign in")),
  ];
}

addEventListener("hashchange", () => show());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show({ focus: false }));
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
show({ focus: false });

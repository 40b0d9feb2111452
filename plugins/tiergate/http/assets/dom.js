// Builds elements. Text becomes text nodes only, so what a prompt holds can never become markup.

/** Makes an element. `props`: attributes, and `on…` listeners; null and false leave an attribute out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

export function table(caption, heads, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {},
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col", class: head.number ? "number" : null }, head.text ?? head)))),
      h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, place) => h(place === 0 ? "th" : "td",
        { scope: place === 0 ? "row" : null, class: heads[place].number ? "number" : null }, cell ?? "–")))))));
}

const money = [[1000, 0], [1, 2], [0.01, 4], [0, 6]];

export function usd(value) {
  if (value === null || value === undefined) return "–";
  const digits = money.find(([from]) => Math.abs(value) >= from)[1];
  return (value < 0 ? "−$" : "$") + Math.abs(value).toLocaleString("en", { minimumFractionDigits: Math.min(digits, 2), maximumFractionDigits: digits });
}

export function percent(value, digits = 1) {
  return value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)} %`;
}

export function whole(value) {
  return value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en");
}

export function ms(value) {
  if (value === null || value === undefined) return "–";
  return value >= 10000 ? `${(value / 1000).toFixed(1)} s` : `${value !== 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

export function score(value) {
  return value === null || value === undefined ? "–" : Number(value).toFixed(3);
}

export function when(ts) {
  return new Date(ts * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** Outcomes and reasons are lower_snake names; shown with spaces. */
export function words(name) {
  return name === null || name === undefined ? "–" : String(name).replaceAll("_", " ");
}

export function toast(text) {
  const place = document.getElementById("toast");
  place.textContent = text;
  window.setTimeout(() => { if (place.textContent === text) place.textContent = ""; }, 6000);
}

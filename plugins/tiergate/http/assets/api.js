// Talks to the API of the same proxy. The key stays in this tab's session storage.

const base = new URL("..", import.meta.url);
const NAME = "tiergate-key";

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The key: typed here, else that of LiteLLM's own admin page in the same browser. */
export function readKey() {
  const typed = sessionStorage.getItem(NAME);
  if (typed) return typed;
  const token = document.cookie.split("; ").find((part) => part.startsWith("token="));
  if (!token) return null;
  try {
    const claims = token.slice("token=".length).split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(claims)).key ?? null;
  } catch {
    return null;
  }
}

export function keepKey(key) {
  if (key) sessionStorage.setItem(NAME, key);
  else sessionStorage.removeItem(NAME);
}

export async function ask(path, { method = "GET", body, query } = {}) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query ?? {})) if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  const headers = { accept: "application/json" };
  const key = readKey();
  if (key) headers.authorization = `Bearer ${key}`;
  if (body) headers["content-type"] = "application/json";
  const response = await fetch(url, { method, headers, body: body ? JSON.stringify(body) : undefined, credentials: "omit" });
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, explain(answer) ?? `the proxy answered with status ${response.status}`);
  return answer;
}

function explain(answer) {
  const detail = answer?.detail?.error ?? answer?.error?.message ?? answer?.error ?? answer?.detail;
  return typeof detail === "string" ? detail : detail ? JSON.stringify(detail) : null;
}

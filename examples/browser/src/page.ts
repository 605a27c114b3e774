/** The page: a search, and a list that follows whoever looks at it. */
import { Code } from "@connectrpc/connect";
import { following, type List } from "./follow.js";
import { Reason_Kind, type Recommendation } from "./gen/penchant/v1/recommendation_pb.js";
import { fault, opened, unguessable } from "./service.js";

const SURFACE = "example";
const parameters = new URLSearchParams(location.search);
const service = opened(
  parameters.get("at") ?? "http://127.0.0.1:8080",
  parameters.get("protocol") === "connect" ? "connect" : "grpc-web",
  parameters.get("session") ?? undefined,
);
const userId = parameters.get("user") ?? visitor();

/** Returns who looks at the page, the same in all of this browser's tabs. */
function visitor(): string {
  const known = localStorage.getItem("visitor") ?? unguessable();
  localStorage.setItem("visitor", known);
  return known;
}

function part<Kind extends HTMLElement>(selector: string): Kind {
  const found = document.querySelector<Kind>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}

function made<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]>,
  ...inside: Node[]
): HTMLElementTagNameMap[Name] {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...inside);
  return element;
}

const REASONS: Partial<Record<Reason_Kind, string>> = {
  [Reason_Kind.CONTENT]: "close to what you looked at",
  [Reason_Kind.TOGETHER]: "others went on to it",
  [Reason_Kind.POPULARITY]: "popular now",
};

function why(recommendation: Recommendation): string {
  const first = recommendation.explanation?.reasons[0];
  return first === undefined || first.contribution <= 0 ? "" : (REASONS[first.kind] ?? "");
}

function card(one: Recommendation, attributionToken: string): HTMLLIElement {
  const act = (type: string) => () => void record(one.itemId, type, attributionToken);
  const item = made(
    "li",
    { className: "card" },
    made("button", { className: "title", textContent: one.item?.title ?? one.itemId, onclick: act("click") }),
    made("span", { className: "about", textContent: one.item?.categories.join(", ") ?? "" }),
    made("span", { className: "price", textContent: one.item?.price?.toFixed(2) ?? "" }),
    made("span", { className: "why", textContent: why(one) }),
    made("button", { className: "quiet", textContent: "♥", title: "I like it", onclick: act("like") }),
    made("button", { className: "quiet", textContent: "✕", title: "Hide it", onclick: act("hide") }),
  );
  item.dataset["item"] = one.itemId;
  return item;
}

function shown(list: HTMLElement, recommendations: readonly Recommendation[], attributionToken = ""): void {
  list.replaceChildren(...recommendations.map((one) => card(one, attributionToken)));
}

function told(error: unknown): void {
  const { code, reason, message } = fault(error);
  const line = part("#fault");
  line.textContent = `${reason || Code[code]}: ${message}`;
  line.hidden = false;
}

/** Records what the visitor did. The id makes it safe to send again: an event counts once. */
async function record(itemId: string, type: string, attributionToken: string): Promise<void> {
  try {
    const event = { eventId: unguessable(), userId, type, itemId, surface: SURFACE, attributionToken };
    await service.events.recordEvent({ event });
    part("#fault").hidden = true;
  } catch (error) {
    told(error);
  }
}

async function search(query: string): Promise<void> {
  try {
    const found = await service.lists.searchItems({ query, options: { pageSize: 6, includeItems: true } });
    shown(part("#found"), found.recommendations);
    part("#fault").hidden = true;
    // What is searched for is behaviour too.
    await service.events.recordEvent({
      event: { eventId: unguessable(), userId, type: "search", text: query, surface: SURFACE },
    });
  } catch (error) {
    told(error);
  }
}

function moved(list: List): void {
  shown(part("#followed"), list.recommendations, list.attributionToken);
  const section = part("#for-you");
  section.dataset["sequence"] = String(list.sequence);
  part("#moved").textContent = list.trigger === undefined ? "" : `moved by your last ${list.trigger.type}`;
}

function connected(is: boolean): void {
  const state = part("#state");
  state.dataset["connected"] = String(is);
  state.textContent = is ? "live" : "reconnecting …";
}

part<HTMLFormElement>("#search").addEventListener("submit", (event) => {
  event.preventDefault();
  void search(part<HTMLInputElement>("#query").value);
});

const leaving = new AbortController();
// A page that is left, or kept for the way back, holds no stream open.
addEventListener("pagehide", () => leaving.abort());
addEventListener("pageshow", (event) => event.persisted && location.reload());
const options = { pageSize: 8, includeItems: true, explain: true };
try {
  const watched = { userId, options, surface: SURFACE, onConnected: connected };
  for await (const list of following(service, watched, leaving.signal)) moved(list);
} catch (error) {
  told(error);
}

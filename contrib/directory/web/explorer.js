"use strict";
// Reads the API and fills the tables. Whatever came from outside is set as text, never as markup.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function bytes(count) {
  let unit = 0;
  while (count >= 1024 && unit < UNITS.length - 1) {
    count /= 1024;
    unit++;
  }
  return `${unit && count < 100 ? count.toFixed(1) : Math.round(count)} ${UNITS[unit]}`;
}

const cpus = (milli) => (milli / 1000).toLocaleString("en", { maximumFractionDigits: 3 });
const part = (used, whole, show) => `${show(used)} of ${show(whole)}`;
const short = (id) => `${id.slice(0, 12)}…`;
const time = (seconds) => (seconds ? new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 19) : "never");

function cell(row, tag, value, kind, title) {
  const element = document.createElement(tag);
  element.textContent = value;
  if (kind) element.className = kind;
  if (title) element.title = title;
  row.append(element);
}

// columns: [heading, item => text, class or item => class, item => title]
function fill(id, columns, page) {
  const table = document.getElementById(id);
  const head = document.createElement("tr");
  for (const [heading, , kind] of columns) cell(head, "th", heading, typeof kind === "string" ? kind : "");
  const rows = [head];
  for (const item of page.items) {
    const row = document.createElement("tr");
    for (const [, show, kind, title] of columns)
      cell(row, "td", show(item), typeof kind === "function" ? kind(item) : kind, title && title(item));
    rows.push(row);
  }
  table.replaceChildren(...rows);
  const caption = table.createCaption();
  caption.textContent = page.items.length === 0 ? "None yet." : page.next ? `The first ${page.items.length}.` : "";
}

const STATES = new Set(["up", "down", "standby", "pending", "deploying", "running", "failed", "stopped"]);
const state = (text) => (STATES.has(text) ? text : "");

// Whether a statement is what its signer signed: checked here, not believed. Id → what is shown.
const checks = new Map();
const checked = (id) => checks.get(id) || (window.isSecureContext ? "…" : "needs https");

// statements: [id, signer]
async function checkStatements(statements) {
  const unknown = statements.filter(([id]) => !checks.has(id));
  if (!unknown.length || !window.isSecureContext) return; // WebCrypto is for https and this machine only
  const { openEnvelope } = await import("/verify.js");
  for (const [id, signer] of unknown) {
    try {
      const opened = await openEnvelope((await get(`/v1/statements/${id}`)).envelope);
      checks.set(id, opened.id === id && opened.signer === signer ? "✓" : "✗ another's statement");
    } catch (error) {
      checks.set(id, error.name === "NotSupportedError" ? "this browser can't" : `✗ ${error.message}`);
    }
  }
}

const NODES = [
  ["Node", (n) => short(n.id), "id", (n) => n.id],
  ["Signature", (n) => checked(n.statement)],
  ["Host", (n) => n.hostname],
  ["Farm", (n) => n.farm, "number"],
  ["Status", (n) => n.status, (n) => state(n.status)],
  ["Last seen (UTC)", (n) => time(n.last_seen)],
  ["CPUs reserved", (n) => part(n.reserved.cru_milli, n.resources.cru_milli, cpus), "number"],
  ["Memory", (n) => part(n.reserved.mru_bytes, n.resources.mru_bytes, bytes), "number"],
  ["SSD", (n) => part(n.reserved.sru_bytes, n.resources.sru_bytes, bytes), "number"],
  ["HDD", (n) => part(n.reserved.hru_bytes, n.resources.hru_bytes, bytes), "number"],
  ["System", (n) => n.os_version],
];

const FARMS = [
  ["Farm", (f) => f.farm, "number"],
  ["Name", (f) => f.name],
  ["Bot", (f) => short(f.bot), "id", (f) => f.bot],
  ["Country", (f) => f.location.country || ""],
  ["City", (f) => f.location.city || ""],
  ["Since (UTC)", (f) => time(f.created)],
];

const CONTRACTS = [
  ["Contract", (c) => short(c.id), "id", (c) => c.id],
  ["Signature", (c) => checked(c.id)],
  ["Node", (c) => short(c.node), "id", (c) => c.node],
  ["Bot", (c) => short(c.bot), "id", (c) => c.bot],
  ["State", (c) => c.state + (c.cancelled && c.state !== "stopped" ? ", cancelled" : ""), (c) => state(c.state)],
  ["Private", (c) => (c.private ? "yes" : "no")],
  ["CPUs", (c) => cpus(c.reserves.cru_milli), "number"],
  ["Memory", (c) => bytes(c.reserves.mru_bytes), "number"],
  ["SSD", (c) => bytes(c.reserves.sru_bytes), "number"],
  ["HDD", (c) => bytes(c.reserves.hru_bytes), "number"],
  ["Expires (UTC)", (c) => time(c.expires)],
];

function showStats(stats) {
  const list = document.getElementById("stats");
  const shown = [
    ["Statements", stats.statements], ["Bots", stats.bots], ["Farms", stats.farms],
    ["Nodes up", `${stats.nodes_up} of ${stats.nodes}`], ["Live contracts", `${stats.contracts_live} of ${stats.contracts}`],
    ["CPUs reserved", part(stats.reserved.cru_milli, stats.resources.cru_milli, cpus)],
    ["Memory", part(stats.reserved.mru_bytes, stats.resources.mru_bytes, bytes)],
    ["SSD", part(stats.reserved.sru_bytes, stats.resources.sru_bytes, bytes)],
    ["HDD", part(stats.reserved.hru_bytes, stats.resources.hru_bytes, bytes)],
  ];
  list.replaceChildren(...shown.map(([name, value]) => {
    const group = document.createElement("div");
    cell(group, "dt", name);
    cell(group, "dd", value);
    return group;
  }));
}

async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function refresh() {
  const problem = document.getElementById("problem");
  try {
    const [stats, nodes, farms, contracts] = await Promise.all(
      ["/v1/stats", "/v1/nodes", "/v1/farms", "/v1/contracts"].map(get));
    showStats(stats);
    fill("nodes", NODES, nodes);
    fill("farms", FARMS, farms);
    fill("contracts", CONTRACTS, contracts);
    problem.hidden = true;
    await checkStatements([...nodes.items.map((n) => [n.statement, n.id]), ...contracts.items.map((c) => [c.id, c.bot])]);
  } catch (error) {
    problem.textContent = `The directory doesn't answer (${error.message}); trying again.`;
    problem.hidden = false;
  }
  setTimeout(refresh, 5000);
}

refresh();

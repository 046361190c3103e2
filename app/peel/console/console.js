// SPDX-License-Identifier: BSD-3-Clause
// The console: asks for /status every two seconds, and for the lists now and then. A key stands behind '#' in the
// address of the page, where no server sees it, and goes into a header.
"use strict";

const EVERY = 2000, LISTS_EVERY = 5, POINTS = 150, ROWS_MAX = 200, LIST_MAX = 2000;
const key = decodeURIComponent(location.hash.slice(1));
const history = { in: [], out: [], cells: [] };
let before = null, rounds = 0;

const at = (id) => document.getElementById(id);

async function ask(path) {
	const answer = await fetch(path, { headers: key ? { "X-Api-Key": key } : {}, cache: "no-store" });
	if (!answer.ok)
		throw new Error(answer.status === 401 ? "it wants a key: write #KEY behind the address" : answer.status);
	return answer.json();
}

function short(value, unit) {
	const names = ["", "k", "M", "G", "T"];
	let n = 0;
	for (; Math.abs(value) >= 1000 && n < names.length - 1; n++)
		value /= 1000;
	return (n === 0 && Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1)) +
		(names[n] + unit ? " " + names[n] + unit : "");
}

function duration(seconds) {
	const s = Math.floor(seconds), two = (n) => String(n).padStart(2, "0");
	return (s >= 86400 ? Math.floor(s / 86400) + " d " : "") +
		`${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

function element(name, text, id) {
	const e = document.createElement(name);
	if (text !== undefined)
		e.textContent = text;
	if (id)
		e.id = id;
	return e;
}

function table(id, head, rows, note) {
	const t = element("table", undefined, id), line = element("tr");
	for (const name of head)
		line.append(element("th", name));
	t.append(element("thead"), element("tbody"));
	t.tHead.append(line);
	for (const row of rows.slice(0, ROWS_MAX)) {
		const r = element("tr");
		for (const cell of row)
			r.append(element("td", cell));
		t.tBodies[0].append(r);
	}
	if (rows.length > ROWS_MAX)
		note = `the first ${ROWS_MAX} of ${rows.length}`;
	if (note || rows.length === 0)
		t.append(element("caption", note || "none"));
	at(id).replaceWith(t);
}

function graph(id, lines) {
	const most = Math.max(1, ...lines.flatMap(([values]) => values));
	at(id).replaceChildren(...lines.map(([values, name]) => {
		const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
		line.setAttribute("class", name);
		line.setAttribute("points", values.map((v, i) =>
			`${(600 * (POINTS - values.length + i) / (POINTS - 1)).toFixed(1)},${(156 - 150 * v / most).toFixed(1)}`)
			.join(" "));
		return line;
	}));
}

function legend(id, entries) {
	at(id).replaceChildren(...entries.map(([text, name]) => {
		const e = element("span", text);
		e.className = name;
		return e;
	}));
}

function keep(list, value) {
	list.push(Math.max(0, value));
	if (list.length > POINTS)
		list.shift();
}

const FLAGS = { 1: "relay", 2: "exit_bt", 4: "exit_ipv8", 8: "speed_test", 16384: "exit_backup", 32768: "exit_http" };
const CELLS = ["cells_forward", "cells_backward", "cells_rendezvous", "cells_exited", "cells_returned"];
const cells = (s) => CELLS.reduce((sum, name) => sum + s.counters[name], 0);

function tiles(s) {
	const c = s.circuits;
	const all = [
		["address", "address", s.address], ["public", "public address", s.public_address || "not known yet"],
		["uptime", "running for", duration(s.uptime_ms / 1000)],
		["relayed", "relayed circuits", c.relays], ["exiting", "exits", c.exits],
		["joined", "joined at a rendezvous", c.rendezvous], ["known", "peers", s.peers.tunnel],
		["candidates", "candidates", s.candidates.all],
		["buffers", "buffers in use", `${s.memory.buffers_in_use} of ${s.memory.buffers}`],
		["memory", "memory", short(s.memory.rss_bytes, "B")],
		["introductions", "introductions", s.hidden_services.introductions], ["flags", "flags", s.flags.join(", ") || "none"],
	];
	at("tiles").replaceChildren(...all.map(([id, name, value]) => {
		const e = element("div");
		e.append(element("b", value, "tile-" + id), element("span", name));
		return e;
	}));
}

function live(s) {
	const ms = before ? s.uptime_ms - before.uptime_ms : 0;
	const rate = (now, then) => ms > 0 ? Math.max(0, now - then) * 1000 / ms : 0;
	const old = before || s;
	keep(history.in, 8 * rate(s.counters.rx_bytes, old.counters.rx_bytes));
	keep(history.out, 8 * rate(s.counters.tx_bytes, old.counters.tx_bytes));
	keep(history.cells, rate(cells(s), cells(old)));
	graph("traffic", [[history.in, "in"], [history.out, "out"]]);
	graph("cells", [[history.cells, "in"]]);
	legend("traffic-legend", [["in " + short(history.in.at(-1), "bit/s"), "in"],
		["out " + short(history.out.at(-1), "bit/s"), "out"]]);
	legend("cells-legend", [[short(history.cells.at(-1), "/s"), "in"]]);
	table("workers", ["worker", "CPU", "load", "cells/s", "cycles per cell", "ring"], s.workers.map((w, i) => {
		const o = old.workers[i] || w, n = w.cells - o.cells;
		return [w.id, w.core === null ? "any" : w.core, (100 * rate(w.busy_seconds, o.busy_seconds)).toFixed(1) + " %",
			short(rate(w.cells, o.cells), ""), n > 0 ? Math.round((w.busy_cycles - o.busy_cycles) / n) : "",
			Math.max(...Object.values(w.rings))];
	}));
	table("drops", ["reason", "so far", "per second"], Object.entries(s.counters.drops).filter(([, n]) => n > 0)
		.map(([name, n]) => [name.replace("drop_", ""), n, short(rate(n, old.counters.drops[name]), "")]));
	before = s;
}

const born = (row) => duration(Math.max(0, Date.now() / 1000 - row.creation_time));
const traffic = (row) => [short(row.bytes_up, "B"), short(row.bytes_down, "B"), born(row)];

async function list(id, head, count, path, name, row) {
	if (count > LIST_MAX) {
		table(id, head, [], `${count}: too many to list here`);
		return;
	}
	table(id, head, (await ask(path))[name].map(row));
}

async function lists(s) {
	await list("relays", ["from", "to", "direction", "up", "down", "age"], 2 * s.circuits.relays, "tunnel/relays",
		"relays", (r) => [r.circuit_from, r.circuit_to, r.is_rendezvous ? "rendezvous" : r.direction, ...traffic(r)]);
	await list("exits", ["circuit", "does", "up", "down", "age"], s.circuits.exits, "tunnel/exits", "exits",
		(r) => [r.circuit_from, r.is_introduction ? "introduction" : r.is_rendezvous ? "rendezvous" :
			r.enabled ? "exit" : "", ...traffic(r)]);
	await list("circuits", ["circuit", "type", "state", "hops", "up", "down", "age"], 0, "tunnel/circuits", "circuits",
		(r) => [r.circuit_id, r.type, r.state, `${r.actual_hops} of ${r.goal_hops}`, ...traffic(r)]);
	await list("swarms", ["info hash", "seeders", "connections", "up", "down"], 0, "tunnel/swarms", "swarms",
		(r) => [r.info_hash, r.num_seeders, r.num_connections, short(r.bytes_up, "B"), short(r.bytes_down, "B")]);
	await list("peers", ["member", "address", "flags"], s.peers.tunnel, "tunnel/peers", "peers",
		(r) => [r.mid.slice(0, 12), r.ip.includes(":") ? `[${r.ip}]:${r.port}` : `${r.ip}:${r.port}`, r.flags.map((f) => FLAGS[f] || f).join(", ")]);
}

function say(text, bad) {
	at("state").textContent = text;
	at("state").className = bad ? "bad" : "";
}

async function round() {
	try {
		const s = await ask("status");
		at("version").textContent = `${s.version}, ${s.driver}, ${s.engine}`;
		document.title = `Peel ${s.address}`;
		tiles(s);
		live(s);
		if (rounds++ % LISTS_EVERY === 0)
			await lists(s);
		say("live", false);
	} catch (error) {
		say(`no answer: ${error.message}`, true);
	}
	setTimeout(round, EVERY);
}

round();

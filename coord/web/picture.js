/* A picture of the mesh. Up to FEW nodes each is drawn; beyond, groups of them are. */

import { get } from "./api.js";
import { h, outside, show, svg } from "./dom.js";
import { latency, mark, plural } from "./format.js";

const FEW = 60;
const MOST = 10000;
const WIDTH = 1000;
const HEIGHT = 760;

const groupings = {
	label: ["tag or group", (row) => (row.tags[0] ? `tag:${row.tags[0]}` : row.groups[0] || "no label")],
	relay: ["home relay", (row) => row.home_relay || "no relay"],
	owner: ["owner", (row) => row.owner || "no owner"],
};

function worse(a, b) {
	const order = ["connecting", "relay", "direct"];

	return order.indexOf(a) < order.indexOf(b) ? a : b;
}

/* Where on an ellipse a share of the way round is. */
function around(share, rx, ry) {
	const angle = 2 * Math.PI * share - Math.PI / 2;

	return { x: WIDTH / 2 + rx * Math.cos(angle), y: HEIGHT / 2 + ry * Math.sin(angle) };
}

function shorten(text, most) {
	const letters = [...text];

	return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
}

function label(at, text, attributes = {}) {
	const dx = at.x - WIDTH / 2;
	const middle = Math.abs(dx) < 90;
	const below = at.y > HEIGHT / 2;

	return svg("text", {
		x: at.x + (middle ? 0 : Math.sign(dx) * 15), y: at.y + (middle ? (below ? 28 : -16) : 4),
		"text-anchor": middle ? "middle" : dx > 0 ? "start" : "end", direction: "ltr", "unicode-bidi": "plaintext", ...attributes,
	}, text);
}

function edge(a, b, kind, hint) {
	/* Bent a little towards the middle, so that edges of neighbours are told apart. */
	const x = (a.x + b.x) / 2 + (WIDTH / 2 - (a.x + b.x) / 2) * .35;
	const y = (a.y + b.y) / 2 + (HEIGHT / 2 - (a.y + b.y) / 2) * .35;

	return svg("path", { class: `edge ${kind}`, d: `M${a.x} ${a.y}Q${x} ${y} ${b.x} ${b.y}` }, svg("title", null, hint));
}

function collect(rows, of) {
	const groups = new Map();

	for (const row of rows) {
		const name = of(row);

		groups.set(name, [...(groups.get(name) || []), row]);
	}
	return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

function drawNodes(rows, paths, of) {
	const groups = collect(rows, of);
	const slots = rows.length + groups.length;
	const places = new Map();
	const captions = [];
	const shapes = [];
	let slot = 0;

	for (const [name, members] of groups) {
		const first = slot;

		for (const row of members)
			places.set(row.name, around(slot++ / slots, 350, 290));
		if (groups.length > 1)
			captions.push(label(around((first + members.length / 2 - .5) / slots, 455, 358), shorten(name, 18), { class: "caption", "text-anchor": "middle" }));
		slot++;
	}
	const picture = svg("svg", { class: "picture", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": "Nodes and the paths between them" });
	const edges = paths.filter((path) => places.has(path.node) && places.has(path.peer)).map((path) => {
		const kind = path.peer_path ? worse(path.path, path.peer_path) : path.path;
		const hint = `${path.node} – ${path.peer}: ${kind}${path.relay ? ` by ${path.relay}` : ""} ${latency(path.latency_ms)}`;
		const line = edge(places.get(path.node), places.get(path.peer), kind, hint);

		return { line, ends: [path.node, path.peer] };
	});

	function focus(name) {
		picture.classList.toggle("focused", Boolean(name));
		for (const { line, ends } of edges)
			line.classList.toggle("near", ends.includes(name));
	}

	for (const row of rows) {
		const at = places.get(row.name);
		const trouble = row.health?.length ? " troubled" : "";

		shapes.push(svg("a", {
			href: `#/node/${encodeURIComponent(row.name)}`, "aria-label": `${row.name}, ${row.state}${trouble}`,
			onmouseenter: () => focus(row.name), onmouseleave: () => focus(null), onfocus: () => focus(row.name), onblur: () => focus(null),
		},
			svg("circle", { class: `node ${row.state}${trouble}`, cx: at.x, cy: at.y, r: 9 }, svg("title", null, `${row.name}: ${row.state}`)),
			label(at, shorten(row.name, rows.length > 36 ? 14 : 20))));
	}
	picture.append(...edges.map(({ line }) => line), ...captions, ...shapes);
	return picture;
}

function drawGroups(rows, paths, of) {
	const all = collect(rows, of);
	const big = all.sort(([, a], [, b]) => b.length - a.length).slice(0, 24);
	const shown = new Map(big.map(([name, members], i) => [name, { members, at: around(i / big.length, 340, 280) }]));
	const home = new Map(rows.map((row) => [row.name, of(row)]));
	const links = new Map();

	for (const path of paths) {
		const ends = [home.get(path.node), home.get(path.peer)].sort();

		if (!shown.has(ends[0]) || !shown.has(ends[1]))
			continue;
		const key = JSON.stringify(ends);
		const link = links.get(key) || { ends, direct: 0, relay: 0, connecting: 0 };

		link[path.path] = (link[path.path] || 0) + 1;
		links.set(key, link);
	}
	const picture = svg("svg", { class: "picture", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": "Groups of nodes and the paths between them" });

	for (const { ends, ...counts } of links.values()) {
		if (ends[0] === ends[1])
			continue;
		const kind = counts.connecting > counts.direct + counts.relay ? "connecting" : counts.relay > counts.direct ? "relay" : "direct";

		picture.append(edge(shown.get(ends[0]).at, shown.get(ends[1]).at, kind,
			`${ends.join(" – ")}: ${counts.direct} direct, ${counts.relay} by relay, ${counts.connecting} connecting`));
	}
	for (const [name, { members, at }] of shown) {
		const online = members.filter((row) => row.state === "online").length;
		const radius = 12 + 26 * Math.sqrt(members.length / big[0][1].length);

		picture.append(svg("a", { href: `#/nodes?search=${encodeURIComponent(name.replace(/^tag:/, ""))}`, "aria-label": `${name}: ${online} of ${members.length} online` },
			svg("circle", { class: "node", cx: at.x, cy: at.y, r: radius }, svg("title", null, `${name}: ${online} of ${members.length} online`)),
			svg("text", { x: at.x, y: at.y + radius + 17, "text-anchor": "middle", "unicode-bidi": "plaintext" }, `${shorten(name, 18)} · ${online}/${members.length}`)));
	}
	return { picture, left: all.length - big.length };
}

function legend() {
	const line = (kind) => svg("svg", { viewBox: "0 0 34 12", class: "picture", "aria-hidden": "true" }, svg("path", { class: `edge ${kind}`, d: "M2 6H32" }));
	const dot = (kind) => svg("svg", { viewBox: "0 0 34 12", class: "picture", "aria-hidden": "true" }, svg("circle", { class: `node ${kind}`, cx: 17, cy: 6, r: 5 }));

	return h("div", { class: "legend" },
		[["direct", "direct"], ["relay", "by relay"], ["connecting", "connecting"]].map(([kind, word]) => h("span", null, line(kind), " ", word)),
		[["online", "online"], ["offline", "offline"], ["troubled", "reports trouble"]].map(([kind, word]) => h("span", null, dot(kind), " ", word)));
}

/* The same for those who do not see it, or want to copy it. */
function asTable(paths) {
	return h("details", null, h("summary", null, "As a table"),
		h("div", { class: "scroll" }, h("table", { class: "cards", "aria-label": "Paths" },
			h("thead", null, h("tr", null, ["Node", "Peer", "Path", "By relay", "Latency"].map((word) => h("th", { scope: "col" }, word)))),
			h("tbody", null, paths.slice(0, 500).map((path) => h("tr", null,
				h("td", { "data-label": "Node" }, outside(path.node)), h("td", { "data-label": "Peer" }, outside(path.peer)),
				h("td", { "data-label": "Path" }, mark(path.path)), h("td", { "data-label": "By relay", class: path.relay ? "" : "none" }, outside(path.relay)),
				h("td", { "data-label": "Latency" }, latency(path.latency_ms))))))));
}

export async function picture(view) {
	const choice = h("select", null, Object.entries(groupings).map(([key, [word]]) => h("option", { value: key }, `by ${word}`)));
	const place = h("div");
	const words = h("p", { class: "soft" });
	const table = h("div");
	let last = "";

	async function refresh() {
		const [{ nodes, total }, { paths, total: pathTotal, reported }] =
			await Promise.all([get("/nodes", { limit: MOST }), get("/paths")]);
		const rows = nodes.filter((row) => row.state !== "revoked")
			.map(({ name, state, tags, groups, owner, home_relay, health }) => ({ name, state, tags, groups, owner, home_relay, health }));
		const rounded = paths.map((path) => ({ ...path, latency_ms: path.latency_ms && Math.round(path.latency_ms / 5) * 5 }));
		const sign = JSON.stringify([rows, rounded, choice.value]);
		const of = groupings[choice.value][1];

		if (view.isGone() || sign === last)
			return;
		last = sign;
		if (rows.length <= FEW) {
			show(place, drawNodes(rows, paths, of));
			words.textContent = `${plural(rows.length, "node")}, ${plural(pathTotal, "path")} in use.`;
		} else {
			const { picture: drawn, left } = drawGroups(rows, paths, of);

			show(place, drawn);
			words.textContent = `${plural(total, "node")} are too many to draw each: these are their groups${left ? `, the ${left} smallest left out` : ""}.`;
		}
		if (!reported)
			words.textContent += " Nodes do not tell of paths: the setting report-paths is off.";
		show(table, paths.length && paths.length <= 500 ? asTable(paths) : null);
	}

	choice.addEventListener("change", refresh);
	show(view.main, h("div", { class: "head" }, h("h1", null, "Map"), h("label", { "aria-label": "Grouped" }, choice)),
		h("section", { class: "panel" }, legend(), place, words, table));
	await refresh();
	return refresh;
}

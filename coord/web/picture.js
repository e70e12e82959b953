/* A picture of the mesh. Up to FEW nodes each is drawn; beyond, groups of them are. */

import { get } from "./api.js";
import { h, outside, show, svg, visible } from "./dom.js";
import { latency, mark, plural } from "./format.js";

const FEW = 60;
const wide = { width: 1000, height: 760, rx: 350, ry: 290, narrow: false };
const narrow = { width: 560, height: 860, rx: 150, ry: 350, narrow: true };

const groupings = {
	label: ["tag or group", (row) => (row.tags[0] ? `tag:${row.tags[0]}` : row.groups[0] || "no label")],
	relay: ["home relay", (row) => row.home_relay || "no relay"],
	owner: ["owner", (row) => row.owner || "no owner"],
};

function worse(a, b) {
	const order = ["connecting", "relay", "direct"];

	return order.indexOf(a) < order.indexOf(b) ? a : b;
}

/* Where on an ellipse a share of the way round is; far: how much farther out than the nodes. */
function around(size, share, far = 1) {
	const angle = 2 * Math.PI * share - Math.PI / 2;

	return { x: size.width / 2 + far * size.rx * Math.cos(angle), y: size.height / 2 + far * size.ry * Math.sin(angle) };
}

function canvas(size, name) {
	return svg("svg", { class: `picture${size.narrow ? " narrow" : ""}`, viewBox: `0 0 ${size.width} ${size.height}`, role: "group", "aria-label": name });
}

function shorten(text, most) {
	const letters = [...visible(text)];

	return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
}

function label(size, at, text, attributes = {}) {
	const dx = at.x - size.width / 2;
	const middle = Math.abs(dx) < size.rx / 4;
	const below = at.y > size.height / 2;

	return svg("text", {
		x: at.x + (middle ? 0 : Math.sign(dx) * 15), y: at.y + (middle ? (below ? 28 : -16) : 4),
		"text-anchor": middle ? "middle" : dx > 0 ? "start" : "end", direction: "ltr", "unicode-bidi": "plaintext", ...attributes,
	}, text);
}

function edge(size, a, b, kind, hint) {
	/* Bent a little towards the middle, so that edges of neighbours are told apart. */
	const x = (a.x + b.x) / 2 + (size.width / 2 - (a.x + b.x) / 2) * .35;
	const y = (a.y + b.y) / 2 + (size.height / 2 - (a.y + b.y) / 2) * .35;

	return svg("path", { class: `edge ${kind}`, d: `M${a.x} ${a.y}Q${x} ${y} ${b.x} ${b.y}` }, svg("title", null, hint));
}

/* A node: round, a diamond while it waits, hollow when it is away, with a mark when it is unwell. */
function dot(at, r, kind, hint) {
	const troubled = kind.includes("troubled");
	const shape = kind.startsWith("pending")
		? svg("path", { class: `node ${kind}`, d: `M${at.x} ${at.y - r * 1.2}L${at.x + r * 1.2} ${at.y}L${at.x} ${at.y + r * 1.2}L${at.x - r * 1.2} ${at.y}Z` })
		: svg("circle", { class: `node ${kind}`, cx: at.x, cy: at.y, r });

	if (hint)
		shape.append(svg("title", null, hint));
	return troubled ? svg("g", null, shape, svg("text", { class: "bang", x: at.x, y: at.y + r * .55, "text-anchor": "middle", "aria-hidden": "true" }, "!")) : shape;
}

function collect(rows, of) {
	const groups = new Map();

	for (const row of rows) {
		const name = of(row);

		groups.set(name, [...(groups.get(name) || []), row]);
	}
	return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

function drawNodes(size, rows, paths, of) {
	const groups = collect(rows, of);
	const slots = rows.length + groups.length;
	const places = new Map();
	const captions = [];
	const shapes = [];
	let slot = 0;

	for (const [name, members] of groups) {
		const first = slot;

		for (const row of members)
			places.set(row.name, around(size, slot++ / slots));
		if (groups.length > 1 && !size.narrow)
			captions.push(label(size, around(size, (first + members.length / 2 - .5) / slots, 1.27), shorten(name, 18), { class: "caption", "text-anchor": "middle" }));
		slot++;
	}
	const picture = canvas(size, "Nodes and the paths between them");
	const edges = paths.filter((path) => places.has(path.node) && places.has(path.peer)).map((path) => {
		const kind = path.peer_path ? worse(path.path, path.peer_path) : path.path;
		const hint = `${path.node} – ${path.peer}: ${kind}${path.relay ? ` by ${path.relay}` : ""} ${latency(path.latency_ms)}`;
		const line = edge(size, places.get(path.node), places.get(path.peer), kind, hint);

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
			dot(at, 9, `${row.state}${trouble}`, `${row.name}: ${row.state}`),
			label(size, at, shorten(row.name, size.narrow ? 13 : rows.length > 36 ? 14 : 20))));
	}
	picture.append(...edges.map(({ line }) => line), ...captions, ...shapes);
	return picture;
}

function drawGroups(size, groups, links, by) {
	const most = Math.max(1, ...groups.map((group) => group.total));
	const none = { label: "no label", relay: "no relay", owner: "no owner" }[by];
	const places = new Map(groups.map((group, i) => [group.name, around(size, i / groups.length)]));
	const picture = canvas(size, "Groups of nodes and the paths between them");

	for (const { a, b, direct, relay, connecting } of links) {
		const kind = connecting > direct + relay ? "connecting" : relay > direct ? "relay" : "direct";

		if (a !== b)
			picture.append(edge(size, places.get(a), places.get(b), kind, `${a || none} – ${b || none}: ${pathShare(direct, relay, connecting)}`));
	}
	for (const { name, total, online, troubled } of groups) {
		const at = places.get(name);
		const radius = 10 + (size.narrow ? 18 : 26) * Math.sqrt(total / most);
		const within = links.find((link) => link.a === name && link.b === name);
		const hint = `${name || none}: ${online} of ${total} online${troubled ? `, ${troubled} report trouble` : ""}${
			within ? `; among them ${pathShare(within.direct, within.relay, within.connecting)}` : ""}`;

		picture.append(svg("a", { href: `#/nodes?search=${encodeURIComponent(name.replace(/^tag:/, ""))}`, "aria-label": hint },
			svg("circle", { class: `node${online ? "" : " offline"}${troubled ? " troubled" : ""}`, cx: at.x, cy: at.y, r: radius }, svg("title", null, hint)),
			svg("text", { x: at.x, y: at.y + radius + (size.narrow ? 22 : 17), "text-anchor": "middle", "unicode-bidi": "plaintext" }, `${shorten(name || none, 18)} · ${online}/${total}`)));
	}
	return picture;
}

function pathShare(direct, relay, connecting) {
	const all = direct + relay + connecting;

	return [["direct", direct], ["by relay", relay], ["connecting", connecting]].filter(([, count]) => count)
		.map(([word, count]) => `${Math.round((100 * count) / all)} % ${word}`).join(", ");
}

function legend() {
	const line = (kind) => svg("svg", { viewBox: "0 0 34 12", class: "picture", "aria-hidden": "true" }, svg("path", { class: `edge ${kind}`, d: "M2 6H32" }));
	const one = (kind) => svg("svg", { viewBox: "0 0 34 20", class: "picture", "aria-hidden": "true" }, dot({ x: 17, y: 10 }, 8, kind));

	return h("div", { class: "legend" },
		[["direct", "direct"], ["relay", "by relay"], ["connecting", "connecting"]].map(([kind, word]) => h("span", null, line(kind), " ", word)),
		[["online", "online"], ["offline", "offline"], ["pending", "waits for approval"], ["online troubled", "reports trouble"]].map(([kind, word]) => h("span", null, one(kind), " ", word)));
}

function untold(reported) {
	return reported ? null : h("p", { class: "soft" }, "Nodes do not tell of paths: the setting report-paths is off.");
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
	const choice = h("select", { "aria-label": "How they are grouped" }, Object.entries(groupings).map(([key, [word]]) => h("option", { value: key }, `by ${word}`)));
	const place = h("div");
	const size = () => (matchMedia("(max-width: 52rem)").matches ? narrow : wide);
	let last = "";

	async function few() {
		const [{ nodes }, { paths, total, reported }] = await Promise.all([get("/nodes", { limit: 1000 }), get("/paths")]);
		const rows = nodes.filter((row) => row.state !== "revoked")
			.map(({ name, state, tags, groups, owner, home_relay, health }) => ({ name, state, tags, groups, owner, home_relay, health }));
		const rounded = paths.map((path) => ({ ...path, latency_ms: path.latency_ms && Math.round(path.latency_ms / 5) * 5 }));

		draw([rows, rounded, reported], () => [
			drawNodes(size(), rows, paths, groupings[choice.value][1]), h("p", { class: "soft" }, `${plural(rows.length, "node")}, ${plural(total, "path")} in use.`),
			untold(reported), paths.length ? asTable(paths) : null]);
	}

	async function many(total, reported) {
		const { groups, links, left } = await get("/groups", { by: choice.value });

		draw([groups, links, left, reported], () => [drawGroups(size(), groups, links, choice.value),
			h("p", { class: "soft" }, `${total} nodes are too many to draw each: these are their groups${left ? `, but for the ${left} smallest` : ""}.`),
			untold(reported)]);
	}

	function draw(data, make) {
		const sign = JSON.stringify([choice.value, size().narrow, data]);

		if (view.isGone() || sign === last || place.contains(document.activeElement))
			return;
		last = sign;
		show(place, make());
	}

	async function refresh() {
		const { nodes, reported } = await get("/overview");

		await (nodes.total - nodes.revoked <= FEW && nodes.total <= 1000 ? few() : many(nodes.total, reported));
	}

	choice.addEventListener("change", refresh);
	show(view.main, h("div", { class: "head" }, h("h1", null, "Map"), choice),
		h("section", { class: "panel" }, legend(), place));
	await refresh();
	return refresh;
}

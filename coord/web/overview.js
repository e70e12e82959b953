/* All at a glance: what is wrong comes first. */

import { get } from "./api.js";
import { h, outside, panel, show, svg } from "./dom.js";
import { plural } from "./format.js";

function tile(label, value, href, more) {
	return h(href ? "a" : "div", { class: "tile", href }, label, h("b", null, value), h("small", null, more || "\u00a0"));
}

function problems(view, data) {
	const lines = [];

	if (data.nodes.pending)
		lines.push(h("li", { class: "message warn" },
			`${plural(data.nodes.pending, "node waits", "nodes wait")} for approval. `,
			h("a", { href: "#/nodes?state=pending" }, "Look at them")));
	if (data.routes_waiting)
		lines.push(h("li", { class: "message warn" },
			`${plural(data.routes_waiting, "route waits", "routes wait")} for approval. `,
			h("a", { href: "#/routes" }, "Look at them")));
	for (const line of data.coordinator || [])
		lines.push(h("li", { class: "message bad" }, "coordinator: ", outside(line)));
	for (const { node, text } of data.problems)
		lines.push(h("li", { class: "message warn" },
			h("a", { href: `#/node/${encodeURIComponent(node)}` }, outside(node)), ": ", outside(text)));
	if (data.troubled > data.problems.length)
		lines.push(h("li", null, "… and more"));
	return h("section", { class: `panel${lines.length ? " warned" : ""}` }, h("h2", null, "Needs attention"),
		lines.length ? h("ul", { class: "plain" }, lines)
			: h("p", { class: "soft" }, data.reported ? "Nothing: no node reports trouble."
				: "Nodes do not report trouble: the setting report-paths is off."));
}

function paths({ direct, relay, connecting }, reported) {
	const total = direct + relay + connecting;
	const colours = [["direct", direct, "var(--good)"], ["by relay", relay, "var(--warn)"], ["connecting", connecting, "var(--bad)"]];
	let x = 0;

	if (!total)
		return panel("Paths in use", h("p", { class: "soft" },
			reported ? "No two nodes talk at the moment." : "Nodes do not tell: the setting report-paths is off."));
	return panel("Paths in use",
		h("div", { class: "bar", "aria-hidden": "true" },
			svg("svg", { viewBox: "0 0 100 1", preserveAspectRatio: "none" }, colours.map(([, count, colour]) => {
				const width = (100 * count) / total;
				const part = svg("rect", { x, width, height: 1, fill: colour });

				x += width;
				return part;
			}))),
		h("p", null, colours.map(([word, count], i) => `${i ? " · " : ""}${word} ${Math.round((100 * count) / total)} %`)),
		h("p", { class: "soft" }, h("a", { href: "#/map" }, "See the map")));
}

export async function overview(view) {
	let last = "";

	async function refresh() {
		const data = await get("/overview");
		const { nodes } = data;
		const { time_s: ignored, etag: unused, ...rest } = data;
		const sign = JSON.stringify(rest);

		if (view.isGone() || sign === last)
			return;
		last = sign;
		show(view.main,
			h("div", { class: "head" }, h("h1", null, outside(data.network)), h("small", null, `coordinator ${data.version}`)),
			problems(view, data),
			h("div", { class: "tiles" },
				tile("Online", nodes.online, "#/nodes?state=online", `of ${plural(nodes.total, "node")}`),
				tile("Offline", nodes.offline, "#/nodes?state=offline"),
				tile("Waiting", nodes.pending || 0, "#/nodes?state=pending", "for approval"),
				tile("Revoked", nodes.revoked, "#/nodes?state=revoked"),
				tile("Relays", data.relays, "#/relays")),
			paths(data.paths, data.reported));
	}

	await refresh();
	return refresh;
}

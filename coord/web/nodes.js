/* The list of nodes. The server searches, sorts and cuts, so ten thousand are as quick as ten. */

import { get } from "./api.js";
import { h, outside, show } from "./dom.js";
import { chips, mark, moment, plural } from "./format.js";
import { approve, reject } from "./node.js";
import { Table } from "./table.js";

const PAGE = 50;

export function nodeLink(name) {
	return h("a", { href: `#/node/${encodeURIComponent(name)}` }, outside(name));
}

export function pathWords({ direct, relay, connecting }) {
	return [
		direct ? [mark("direct", `${direct} direct`), " "] : "",
		relay ? [mark("relay", `${relay} relay`), " "] : "",
		connecting ? mark("connecting", `${connecting} connecting`) : "",
	];
}

function healthWords(row) {
	if (row.health?.length)
		return h("span", { class: "warn" }, `⚠ ${plural(row.health.length, "problem")}`);
	return row.state === "online" && row.reported_s ? h("span", { class: "good" }, "✓ well") : "";
}

const reasons = { approval: "an admin", signature: "an admin's signature", "sign-in": "its user to sign in" };

export function waits(row) {
	return [reasons[row.pending?.reason] || row.pending?.reason || "", row.pending?.connected ? "" : " (away now)"];
}

function columns(view, decided) {
	const list = [
		{ title: "Name", sort: "name", class: "title", cell: (row) => nodeLink(row.name) },
		{ title: "State", sort: "state", class: "tight", cell: (row) => mark(row.state) },
		{ title: "Health", sort: "health", class: "tight", cell: healthWords },
		{ title: "Address", sort: "address", class: "tight", cell: (row) => row.addresses[0] },
		{ title: "Owner, labels", sort: "owner", cell: (row) => [row.owner ? [outside(row.owner), " "] : "", chips(row.groups), chips(row.tags, "tag:")] },
		{ title: "Paths", cell: (row) => (row.paths ? pathWords(row.paths) : "") },
		{ title: "Relay", sort: "relay", cell: (row) => (row.home_relay ? outside(row.home_relay) : "") },
		{ title: "Last seen", sort: "last_seen", class: "tight", cell: (row) => (row.state === "online" ? "now" : moment(row.last_seen_s)) },
		{ title: "Version", sort: "version", cell: (row) => outside(row.version) },
	];

	if (view.query.get("state") !== "pending")
		return list;
	return [list[0],
		{ title: "Code", class: "tight", cell: (row) => h("code", null, row.pending?.code || "–") },
		list[3], list[4],
		{ title: "System", cell: (row) => outside(row.os) },
		{ title: "Waits for", cell: waits },
		{ title: "", class: "actions", cell: (row) => view.session.may_change && h("span", { class: "row" },
			h("button", { type: "button", onclick: () => approve(row, decided) }, "Approve"),
			h("button", { type: "button", class: "danger", onclick: () => reject(row, decided) }, "Reject")) },
	];
}

export async function nodes(view) {
	const state = {
		search: view.query.get("search") || "", state: view.query.get("state") || "",
		sort: view.query.get("sort") || "name", descending: view.query.get("order") === "down",
		offset: Number(view.query.get("from")) || 0,
	};
	const count = h("small", null);
	const pager = h("div", { class: "pager" });
	const search = h("input", { type: "search", "aria-label": "Search", value: state.search, placeholder: "name, address, owner, tag, …", maxlength: 120, size: 26 });
	const choice = h("select", { "aria-label": "State" }, ["", "online", "offline", "pending", "revoked"].map((word) =>
		h("option", { value: word, selected: word === state.state }, word || "all states")));
	const table = new Table(columns(view, () => view.again()), {
		key: (row) => row.key, label: "Nodes", empty: "No node fits.",
		sorted: { by: state.sort, descending: state.descending }, onsort: sortBy,
	});
	let wanted = 0;

	function remember() {
		const query = new URLSearchParams();

		for (const [name, value] of [["search", state.search], ["state", state.state], ["sort", state.sort === "name" ? "" : state.sort],
			["order", state.descending ? "down" : ""], ["from", state.offset || ""]])
			if (value)
				query.set(name, value);
		history.replaceState(null, "", `#/nodes${query.size ? `?${query}` : ""}`);
	}

	async function refresh() {
		const mine = ++wanted;
		const answer = await get("/nodes", {
			search: state.search, state: state.state, sort: state.sort,
			descending: state.descending || undefined, offset: state.offset || undefined, limit: PAGE,
		});

		if (view.isGone() || mine !== wanted)
			return;
		table.update(answer.nodes.map(({ serial, ...row }) => row));
		count.textContent = plural(answer.total, "node");
		drawPager(answer.total);
	}

	function go(offset) {
		state.offset = Math.max(0, offset);
		remember();
		refresh();
		view.main.scrollIntoView();
	}

	function drawPager(total) {
		const last = Math.min(total, state.offset + PAGE);

		pager.hidden = total <= PAGE && state.offset === 0;
		show(pager,
			h("button", { type: "button", disabled: state.offset === 0, onclick: () => go(state.offset - PAGE) }, "Previous"),
			h("span", null, `${total ? state.offset + 1 : 0} to ${last} of ${total}`),
			h("button", { type: "button", disabled: last >= total, onclick: () => go(state.offset + PAGE) }, "Next"));
	}

	function sortBy(by) {
		state.descending = state.sort === by && !state.descending;
		state.sort = by;
		state.offset = 0;
		table.setSorted({ by, descending: state.descending });
		remember();
		refresh();
	}

	let typing;

	search.addEventListener("input", () => {
		clearTimeout(typing);
		typing = setTimeout(() => {
			state.search = search.value.trim();
			state.offset = 0;
			remember();
			refresh();
		}, 150);
	});
	choice.addEventListener("change", () => {
		/* Pending nodes have other columns: the page begins anew. */
		location.hash = `#/nodes${choice.value ? `?state=${choice.value}` : ""}`;
	});
	show(view.main,
		h("div", { class: "head" }, h("h1", null, "Nodes ", count),
			h("div", { class: "row" }, search, choice)),
		h("section", { class: "panel flush" }, table.element, pager));
	await refresh();
	return refresh;
}

/* What nodes carry for others: a page of all of it, and the same table on a node's own page. */

import { get, name as enc, post } from "./api.js";
import { ask, h, notify, outside, show } from "./dom.js";
import { mark, plural } from "./format.js";
import { Table } from "./table.js";

const approvers = { admin: "an admin", key: "its key", policy: "the policy" };

async function decide(row, approve, body, done) {
	const answer = await ask({
		title: approve ? `Let ${row.node} carry ${row.prefix}?` : `Revoke ${row.prefix} by ${row.node}?`,
		body: h("p", null, body), action: approve ? "Approve" : "Revoke", danger: !approve,
		take: () => post(`/nodes/${enc(row.node)}/routes/${approve ? "approve" : "revoke"}`, { prefixes: [row.prefix] }),
	});

	if (answer !== undefined) {
		notify(`${row.prefix} by ${row.node} was ${approve ? "approved" : "revoked"}.`);
		done();
	}
}

function approve(row, done) {
	return decide(row, true, row.exit ? "It becomes an exit to the internet for those whom the policy lets."
		: "Peers send it what goes there, as far as the policy lets them.", done);
}

function revoke(row, done) {
	return decide(row, false, "Peers stop to send it what goes there, at once.", done);
}

function actions(row, view, done) {
	if (!view.session.may_change)
		return "";
	if (row.state === "approved" || (row.state === "waiting" && row.by))
		return h("button", { type: "button", class: "danger", onclick: () => revoke(row, done) }, "Revoke");
	return h("button", { type: "button", onclick: () => approve(row, done) }, "Approve");
}

/* done: after a change; named: with the node, where several are listed. */
export function routeTable(view, done, named) {
	return new Table([
		...(named ? [{ title: "Node", class: "title", cell: (row) => h("a", { href: `#/node/${enc(row.node)}` }, outside(row.node)) }] : []),
		{ title: "Route", class: named ? "" : "title", cell: (row) => [row.exit ? "exit " : "", row.prefix] },
		{ title: "In its LAN", cell: (row) => row.mapped_from },
		{ title: "State", class: "tight", cell: (row) => mark(row.state) },
		{ title: "By", cell: (row) => approvers[row.by] || "" },
		{ title: "Weight", class: "number", cell: (row) => (row.offered ? String(row.weight) : "") },
		{ title: "Why not in use", cell: (row) => (row.why ? outside(row.why) : "") },
		{ title: "", class: "actions", cell: (row) => actions(row, view, done) },
	], { key: (row) => `${row.node} ${row.prefix}`, label: "Routes", empty: "No node carries anything for others." });
}

export async function routes(view) {
	const count = h("small", null);
	const table = routeTable(view, () => refresh(), true);

	async function refresh() {
		const { routes: list } = await get("/routes");

		if (view.isGone())
			return;
		table.update(list);
		count.textContent = plural(list.length, "route");
	}

	await refresh();
	show(view.main, h("div", { class: "head" }, h("h1", null, "Routes ", count)),
		h("section", { class: "panel flush" }, table.element));
	return refresh;
}

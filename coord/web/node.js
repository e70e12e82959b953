/* One node, and what can be done with it. */

import { call, get, name as enc, post } from "./api.js";
import { ask, fact, h, notify, outside, panel, show } from "./dom.js";
import { chips, date, latency, mark, moment } from "./format.js";
import { waits } from "./nodes.js";
import { routeTable } from "./routes.js";
import { Table } from "./table.js";

async function act(question, done) {
	const answer = await ask(question);

	if (answer !== undefined) {
		notify(question.said);
		done(answer);
	}
}

export function approve(row, done) {
	return act({
		title: `Let ${row.name} in?`,
		body: [h("p", null, "Compare the code with the one that the machine shows:"),
			h("p", null, h("code", { class: "secret" }, row.pending?.code || "–")),
			h("dl", { class: "facts" }, fact("Name", outside(row.name)), fact("System", outside(row.os)),
				row.owner ? fact("Owner", outside(row.owner)) : null)],
		action: "Approve", said: `${row.name} was approved.`,
		take: () => post(`/nodes/${enc(row.name)}/approve`),
	}, done);
}

export function reject(row, done) {
	return act({
		title: `Turn ${row.name} away?`, body: h("p", null, "It is told so and forgotten."),
		action: "Reject", danger: true, said: `${row.name} was turned away.`,
		take: () => post(`/nodes/${enc(row.name)}/reject`),
	}, done);
}

function rename(row, done) {
	return act({
		title: `Rename ${row.name}`,
		body: h("label", null, "New name",
			h("input", { name: "name", value: row.name, required: true, maxlength: 63, autofocus: true, spellcheck: "false", autocomplete: "off" })),
		action: "Rename", said: `${row.name} was renamed.`,
		take: async (form) => {
			const fresh = form.elements.name.value.trim();

			await post(`/nodes/${enc(row.name)}/rename`, { new_name: fresh });
			return fresh;
		},
	}, done);
}

function revoke(row, done) {
	return act({
		title: `Revoke ${row.name}?`,
		body: h("p", null, "It is cut off at every peer at once, and its certificate is never accepted again."),
		action: "Revoke", danger: true, said: `${row.name} was revoked.`,
		take: () => post(`/nodes/${enc(row.name)}/revoke`),
	}, done);
}

function remove(row, done) {
	return act({
		title: `Delete ${row.name}?`,
		body: h("p", null, "It is cut off at every peer and forgotten; its name and address are free again. It can come back with a new token."),
		action: "Delete", danger: true, said: `${row.name} was deleted.`,
		take: () => call("DELETE", `/nodes/${enc(row.name)}`),
	}, done);
}

function actions(row, view) {
	const again = () => view.again();
	const away = () => { location.hash = "#/nodes"; };
	const moved = (fresh) => { location.hash = `#/node/${enc(fresh)}`; };

	if (!view.session.may_change)
		return null;
	return h("div", { class: "row" },
		row.state === "pending" && h("button", { type: "button", class: "main-action", onclick: () => approve(row, again) }, "Approve"),
		row.state === "pending" && h("button", { type: "button", class: "danger", onclick: () => reject(row, away) }, "Reject"),
		row.state !== "revoked" && h("button", { type: "button", onclick: () => rename(row, moved) }, "Rename"),
		row.state !== "revoked" && row.state !== "pending" && h("button", { type: "button", class: "danger", onclick: () => revoke(row, again) }, "Revoke"),
		h("button", { type: "button", class: "danger", onclick: () => remove(row, away) }, "Delete"));
}

function health(row) {
	if (row.health?.length)
		return h("section", { class: "panel warned" }, h("h2", null, "Reports trouble"),
			h("ul", { class: "plain" }, row.health.map((line) => h("li", { class: "message warn" }, outside(line)))));
	return null;
}

function facts(row) {
	return panel("", h("dl", { class: "facts" },
		fact("State", mark(row.state), row.state === "online" ? "" : [" · last seen ", moment(row.last_seen_s)]),
		row.pending ? fact("Waits for", waits(row), row.pending.code ? [" · code ", h("code", null, row.pending.code)] : "") : null,
		fact("Addresses", row.addresses.map((address) => h("div", { class: "mono" }, address))),
		fact("Owner", row.owner ? outside(row.owner) : h("span", { class: "soft" }, "none")),
		fact("Groups", row.groups.length ? chips(row.groups) : h("span", { class: "soft" }, "none")),
		fact("Tags", row.tags.length ? chips(row.tags, "tag:") : h("span", { class: "soft" }, "none")),
		fact("Home relay", row.home_relay ? outside(row.home_relay) : h("span", { class: "soft" }, "none")),
		fact("System", outside(row.os), row.version ? [" · warren ", outside(row.version)] : ""),
		fact("Kind", row.ephemeral ? "ephemeral: deleted when it stays away" : "permanent"),
		fact("Joined", row.created_s ? date(row.created_s) : "", row.key_id ? [" by the key ", h("span", { class: "mono" }, row.key_id)] : ""),
		fact("Certificate", row.certificate_until_s ? [`until ${date(row.certificate_until_s)}`, h("small", null, ` · number ${row.serial}`)] : "none yet"),
		row.login_until_s ? fact("Sign-in", `until ${date(row.login_until_s)}`) : null,
		fact("Node key", h("span", { class: "mono" }, row.key)),
		fact("WireGuard key", h("span", { class: "mono" }, row.wireguard_key))));
}

function pathTable() {
	return new Table([
		{ title: "Peer", class: "title", cell: (row) => h("a", { href: `#/node/${enc(row.peer)}` }, outside(row.peer)) },
		{ title: "Path", class: "tight", cell: (row) => mark(row.path) },
		{ title: "By relay", cell: (row) => (row.relay ? outside(row.relay) : "") },
		{ title: "Latency", class: "number", cell: (row) => latency(row.latency_ms) },
		{ title: "Why not direct", cell: (row) => (row.reason ? outside(row.reason) : "") },
	], { key: (row) => row.peer, label: "Paths to peers", empty: "It may talk to nobody." });
}

export async function node(view) {
	const [name] = view.rest;
	const top = h("div");
	const table = pathTable();
	const more = h("small", null);
	const paths = h("section", { class: "panel flush" }, h("h2", null, "Peers ", more), table.element);
	const carried = routeTable(view, () => refresh(), false);
	const routes = h("section", { class: "panel flush", hidden: true }, h("h2", null, "Routes"), carried.element);
	let last = "";

	top.style.display = "contents";
	async function refresh() {
		const [{ node: row }, list] = await Promise.all([get(`/nodes/${enc(name)}`), get(`/nodes/${enc(name)}/paths`)]);
		const sign = JSON.stringify(row);

		if (view.isGone())
			return;
		table.update(list.paths);
		carried.update(row.routes);
		routes.hidden = row.routes.length === 0;
		more.textContent = !list.reported ? "nodes do not tell of paths: the setting report-paths is off"
			: list.total > list.paths.length ? `${list.paths.length} of ${list.total}` : `${list.total}`;
		if (sign === last)
			return;
		last = sign;
		show(top, h("div", { class: "head" }, h("h1", null, outside(row.name)), actions(row, view)), health(row), facts(row));
	}

	await refresh();
	show(view.main, top, routes, paths);
	return refresh;
}

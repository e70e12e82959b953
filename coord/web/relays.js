/* Relays: which there are, and who is at home where. */

import { call, get, name as enc, post } from "./api.js";
import { ask, h, message, notify, outside, show } from "./dom.js";
import { Table } from "./table.js";

async function remove(row, done) {
	const answer = await ask({
		title: `Remove the relay ${row.name}?`, body: h("p", null, "Nodes leave it at once for the others."),
		action: "Remove", danger: true, take: () => call("DELETE", `/relays/${enc(row.name)}`),
	});

	if (answer) {
		notify(`The relay ${row.name} was removed.`);
		done();
	}
}

function addForm(done) {
	const problem = h("div", { class: "wide" });
	const button = h("button", { class: "main-action", type: "submit" }, "Add relay");
	const form = h("form", { class: "grid", onsubmit: async (event) => {
		event.preventDefault();
		const { elements: e } = form;

		button.disabled = true;
		try {
			await post("/relays", {
				name: e.name.value.trim(), host: e.host.value.trim(), udp_port: Number(e.udp.value),
				tls_port: Number(e.tls.value), turn: e.kind.value === "turn", secret: e.secret.value.trim(),
			});
			notify(`The relay ${e.name.value.trim()} was added.`);
			form.reset();
			show(problem);
			done();
		} catch (error) {
			show(problem, message("bad", error.message));
		}
		button.disabled = false;
	} },
		h("label", null, "Name", h("input", { name: "name", required: true, maxlength: 31, placeholder: "fra", autocomplete: "off", spellcheck: "false" })),
		h("label", null, "Host", h("input", { name: "host", required: true, maxlength: 253, placeholder: "relay.example.net", autocomplete: "off", spellcheck: "false" })),
		h("label", null, "UDP port", h("input", { name: "udp", type: "number", min: 1, max: 65535, value: "3478", required: true })),
		h("label", null, "TLS port, 0 for none", h("input", { name: "tls", type: "number", min: 0, max: 65535, value: "443", required: true })),
		h("label", null, "Kind", h("select", { name: "kind" }, h("option", { value: "warren" }, "warren-relay"), h("option", { value: "turn" }, "TURN server, as coturn"))),
		h("label", null, "Secret, as in its file", h("input", { name: "secret", type: "password", required: true, autocomplete: "off" })),
		h("div", null, button), problem);

	return form;
}

export async function relays(view) {
	const table = new Table([
		{ title: "Name", class: "title", cell: (row) => outside(row.name) },
		{ title: "Host", cell: (row) => outside(row.host) },
		{ title: "UDP", class: "number", cell: (row) => String(row.udp_port) },
		{ title: "TLS", class: "number", cell: (row) => (row.tls_port ? String(row.tls_port) : "") },
		{ title: "Kind", cell: (row) => (row.kind === "turn" ? "TURN" : "warren-relay") },
		{ title: "At home there", cell: (row) => h("a", { href: `#/nodes?search=${enc(row.name)}&sort=relay` }, String(row.nodes ?? "")) },
		{ title: "", class: "actions", cell: (row) => view.session.may_change && !row.builtin &&
			h("button", { type: "button", class: "danger", onclick: () => remove(row, view.again) }, "Remove") },
	], { key: (row) => row.name, label: "Relays", empty: "There is no relay: nodes behind hard NATs cannot reach each other." });

	async function refresh() {
		const { relays: list } = await get("/relays");

		if (!view.isGone())
			table.update(list);
	}

	show(view.main, h("div", { class: "head" }, h("h1", null, "Relays")),
		h("section", { class: "panel flush" }, table.element),
		view.session.may_change ? h("section", { class: "panel" }, h("h2", null, "Add a relay"), addForm(refresh)) : null);
	await refresh();
	return refresh;
}

/* Names besides those of the nodes: records, and domains that servers inside sites answer. */

import { call, get, name as enc, post } from "./api.js";
import { ask, h, message, notify, outside, show } from "./dom.js";
import { Table } from "./table.js";

const TYPES = ["A", "AAAA", "CNAME", "TXT", "SRV", "PTR"];

async function remove(row, done) {
	const answer = await ask({
		title: `Remove ${row.name} ${row.type}?`, body: h("p", null, outside(row.value)),
		action: "Remove", danger: true,
		take: () => post(`/dns/records/${enc(row.name)}/remove`, { type: row.type, value: row.value }),
	});

	if (answer) {
		notify(`${row.name} was removed.`);
		done();
	}
}

async function unsplit(row, done) {
	const answer = await ask({
		title: `No longer send ${row.domain} to its servers?`, body: h("p", null, outside(row.servers.join(", "))),
		action: "Remove", danger: true, take: () => call("DELETE", `/dns/split/${enc(row.domain)}`),
	});

	if (answer) {
		notify(`${row.domain} was removed.`);
		done();
	}
}

/* A form that sends what its fields say, and tells what was wrong with that. */
function formOf(label, send, done, ...fields) {
	const problem = h("div", { class: "wide" });
	const button = h("button", { class: "main-action", type: "submit" }, label);
	const form = h("form", { class: "grid", onsubmit: async (event) => {
		event.preventDefault();
		button.disabled = true;
		try {
			notify(await send(form.elements));
			form.reset();
			show(problem);
			done();
		} catch (error) {
			show(problem, message("bad", error.message));
		}
		button.disabled = false;
	} }, fields, h("div", null, button), problem);

	return form;
}

const text = (title, name, placeholder) =>
	h("label", null, title, h("input", { name, required: true, maxlength: 255, placeholder, autocomplete: "off", spellcheck: "false" }));

async function addRecord(e) {
	await post("/dns/records", { name: e.name.value.trim(), type: e.type.value, value: e.value.value.trim() });
	return `${e.name.value.trim()} was added.`;
}

async function addSplit(e) {
	const servers = e.servers.value.split(/[\s,]+/).filter(Boolean);

	await call("PUT", `/dns/split/${enc(e.domain.value.trim())}`, { body: { servers } });
	return `${e.domain.value.trim()} goes to ${servers.join(", ")}.`;
}

export async function names(view) {
	const domain = h("p", { class: "soft" });
	const action = (run) => (row) => view.session.may_change &&
		h("button", { type: "button", class: "danger", onclick: () => run(row, view.again) }, "Remove");
	const records = new Table([
		{ title: "Name", class: "title", cell: (row) => outside(row.name) },
		{ title: "Type", cell: (row) => row.type },
		{ title: "Value", cell: (row) => [outside(row.value), row.hidden_by ? " (not used: a node has this name)" : ""] },
		{ title: "", class: "actions", cell: action(remove) },
	], { key: (row) => `${row.name} ${row.type} ${row.value}`, label: "Records", empty: "No records besides the nodes' names." });
	const splits = new Table([
		{ title: "Domain", class: "title", cell: (row) => outside(row.domain) },
		{ title: "Servers", cell: (row) => outside(row.servers.join(", ")) },
		{ title: "", class: "actions", cell: action(unsplit) },
	], { key: (row) => row.domain, label: "Split domains", empty: "No domain is answered by servers inside sites." });

	async function refresh() {
		const answer = await get("/dns");

		if (view.isGone())
			return;
		show(domain, "Every node is ", h("b", null, outside(`NAME.${answer.domain}`)), ".");
		records.update(answer.records);
		splits.update(answer.split);
	}

	show(view.main, h("div", { class: "head" }, h("h1", null, "Names")), domain,
		h("section", { class: "panel flush" }, h("h2", null, "Records"), records.element),
		h("section", { class: "panel flush" }, h("h2", null, "Split domains"), splits.element),
		view.session.may_change ? [
			h("section", { class: "panel" }, h("h2", null, "Add a record"), formOf("Add record", addRecord, refresh,
				text("Name", "name", "wiki or *.apps"),
				h("label", null, "Type", h("select", { name: "type" }, TYPES.map((type) => h("option", { value: type }, type)))),
				text("Value", "value", "10.20.0.5"))),
			h("section", { class: "panel" }, h("h2", null, "Send a domain to servers"), formOf("Send", addSplit, refresh,
				text("Domain", "domain", "corp.example"), text("Servers", "servers", "10.20.0.53"))),
		] : null);
	await refresh();
	return refresh;
}

/* The audit log: every change, who made it, when and from where. */

import { get } from "./api.js";
import { h, outside, show } from "./dom.js";
import { date } from "./format.js";
import { Table } from "./table.js";

const PAGE = 100;

function words(value) {
	if (Array.isArray(value))
		return value.map(words).join(" ");
	return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

/* {"tags":["db"],"reusable":true,"uses_max":0} as: tags db, reusable */
function members(object, target) {
	return Object.entries(object || {})
		.filter(([, value]) => ![false, "", 0, null, target].includes(value) && !(Array.isArray(value) && !value.length))
		.map(([name, value], i) => [i ? ", " : "", h("span", { class: "soft" }, name), value === true ? "" : [" ", outside(words(value))]]);
}

/* What was so before, and what it is now. */
function details({ details: { before, after, ...rest }, target }) {
	const old = members(before, target);

	return h("span", null, members({ ...rest, ...after }, target), old.length ? [" ", h("span", { class: "soft" }, "(before: "), old, ")"] : "");
}

export async function audit(view) {
	const more = h("button", { type: "button", hidden: true, onclick: () => older() }, "Older");
	const table = new Table([
		{ title: "When", class: "tight", cell: (row) => date(row.time_s) },
		{ title: "Who", cell: (row) => outside(row.who) },
		{ title: "From", cell: (row) => (row.from ? outside(row.from) : "") },
		{ title: "What", class: "title tight", cell: (row) => outside(row.verb) },
		{ title: "Of what", cell: (row) => outside(row.target || "") },
		{ title: "Details", class: "breaks", cell: details },
	], { key: (row) => String(row.id), label: "Audit log", empty: "Nothing was changed yet." });
	let list = [];
	let next = null; /* where the older ones begin; null: there are none */

	function draw() {
		table.update(list);
		more.hidden = next === null;
	}

	/* The newest come first; what was fetched once does not change. */
	async function refresh() {
		const answer = await get("/audit", { limit: PAGE });
		const known = new Set(list.map((row) => row.id));

		if (view.isGone())
			return;
		if (!list.length)
			next = answer.next;
		list = [...answer.audit.filter((row) => !known.has(row.id)), ...list];
		draw();
	}

	async function older() {
		const answer = await get("/audit", { limit: PAGE, before: next });

		list = [...list, ...answer.audit];
		next = answer.next;
		draw();
	}

	show(view.main, h("div", { class: "head" }, h("h1", null, "Audit log")),
		h("section", { class: "panel flush" }, table.element, h("div", { class: "pager" }, more)));
	await refresh();
	return refresh;
}

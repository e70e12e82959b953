/* What holds for the whole network, and what nodes may ask of the coordinator. */

import { call, get, name as enc } from "./api.js";
import { h, notify, show } from "./dom.js";
import { Table } from "./table.js";

export async function settings(view) {
	const list = h("div");
	const limits = new Table([
		{ title: "Limit", class: "title", cell: (row) => h("code", null, row.name) },
		{ title: "Value", class: "number", cell: (row) => String(row.value) },
		{ title: "Default", class: "number", cell: (row) => String(row.default) },
		{ title: "In use", class: "number", cell: (row) => (row.used === null ? "" : String(row.used)) },
		{ title: "What", cell: (row) => row.what },
	], { key: (row) => row.name, label: "Limits", empty: "No limits are told." });
	let last = "";

	async function change(row, box) {
		try {
			await call("PUT", `/settings/${enc(row.name)}`, { body: { value: box.checked ? "yes" : "no" } });
			notify(`${row.name} is ${box.checked ? "on" : "off"} now.`);
		} catch (error) {
			box.checked = !box.checked;
			notify(error.message, "bad");
		}
	}

	function setting(row) {
		const box = h("input", { type: "checkbox", checked: row.value === "yes", disabled: !view.session.may_change,
			onchange: () => change(row, box) });

		return h("p", null, h("label", { class: "check" }, box, h("code", null, row.name), ` ${row.what}`));
	}

	async function refresh() {
		const [answer, bounds] = await Promise.all([get("/settings"), get("/limits")]);
		const sign = JSON.stringify(answer.settings);

		if (view.isGone())
			return;
		if (sign !== last)
			show(list, answer.settings.map(setting));
		last = sign;
		limits.update(bounds.limits);
	}

	show(view.main, h("div", { class: "head" }, h("h1", null, "Settings")),
		h("section", { class: "panel" }, h("h2", null, "Network"), list),
		h("section", { class: "panel flush" }, h("h2", null, "Limits"), limits.element,
			h("p", { class: "empty" }, "They are set in the coordinator's configuration, ", h("code", null, "limit-NAME = VALUE"), ".")));
	await refresh();
	return refresh;
}

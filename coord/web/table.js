/* Tables that change in place: a row is made anew only when what it shows is another. */

import { h, show } from "./dom.js";

/*
 * columns: [{ title, sort, class, cell: (row) => node or text or array }]
 * options: { key: (row) => text, sorted: { by, descending }, onsort: (by) => …, empty, label }
 */
export class Table {
	constructor(columns, options) {
		this.columns = columns;
		this.options = options;
		this.rows = new Map();
		this.body = h("tbody");
		this.head = h("tr");
		this.empty = h("div", { class: "empty", hidden: true }, options.empty || "Nothing here.");
		this.element = h("div", { class: "scroll" },
			h("table", { class: "cards", "aria-label": options.label }, h("thead", null, this.head), this.body),
			this.empty);
		this.drawHead();
	}

	drawHead() {
		const sorted = this.options.sorted || {};

		show(this.head, this.columns.map((column) => {
			if (!column.sort)
				return h("th", { scope: "col", class: column.class === "number" ? "number" : undefined }, column.title);
			const order = sorted.by !== column.sort ? undefined : sorted.descending ? "descending" : "ascending";

			return h("th", { scope: "col", "aria-sort": order },
				h("button", { type: "button", onclick: () => this.options.onsort(column.sort) }, column.title));
		}));
	}

	setSorted(sorted) {
		this.options.sorted = sorted;
		const index = [...this.head.querySelectorAll("button")].indexOf(document.activeElement);

		this.drawHead();
		if (index >= 0)
			this.head.querySelectorAll("button")[index].focus();
	}

	makeRow(row) {
		return h("tr", null, this.columns.map((column) => {
			const content = [column.cell(row)].flat(Infinity)
				.filter((part) => part !== "" && part !== null && part !== undefined && part !== false);

			return h("td", { class: `${column.class || ""}${content.length ? "" : " none"}`, "data-label": column.title },
				content.length > 1 ? h("span", null, content) : content);
		}));
	}

	update(list) {
		const rows = new Map();
		let at = this.body.firstChild;

		for (const row of list) {
			const key = this.options.key(row);
			const sign = JSON.stringify(row);
			const old = this.rows.get(key);
			let element = old && old.sign === sign ? old.element : this.makeRow(row);

			if (old && old.element !== element) {
				if (old.element === at)
					at = element;
				if (old.element.contains(document.activeElement))
					element = this.keepFocus(old.element, element);
				old.element.replaceWith(element);
			}
			if (element === at)
				at = at.nextSibling;
			else
				this.body.insertBefore(element, at);
			rows.set(key, { sign, element });
		}
		for (const [key, old] of this.rows)
			if (!rows.has(key))
				old.element.remove();
		this.rows = rows;
		this.empty.hidden = list.length > 0;
	}

	/* The same control of the new row gets the focus. */
	keepFocus(old, fresh) {
		const controls = "a, button, input, select";
		const index = [...old.querySelectorAll(controls)].indexOf(document.activeElement);

		queueMicrotask(() => fresh.querySelectorAll(controls)[index]?.focus());
		return fresh;
	}
}

/* Making and changing elements. Every text becomes a text node: nothing is ever read as HTML. */

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
	for (const [name, value] of Object.entries(attributes || {})) {
		if (value === undefined || value === null || value === false)
			continue;
		if (name.startsWith("on"))
			element.addEventListener(name.slice(2), value);
		else if (name === "value" || name === "checked" || name === "disabled" || name === "selected")
			element[name] = value;
		else
			element.setAttribute(name, value === true ? "" : String(value));
	}
	add(element, children);
	return element;
}

function add(element, children) {
	for (const child of children.flat(Infinity)) {
		if (child === undefined || child === null || child === false)
			continue;
		element.append(child instanceof Node ? child : String(child));
	}
}

export function h(tag, attributes, ...children) {
	return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
	return fill(document.createElementNS(SVG, tag), attributes, children);
}

/* Replaces what is in an element. */
export function show(element, ...children) {
	element.replaceChildren();
	add(element, children);
}

/* What cannot be seen, or turns what follows around, is named instead: nobody is to look like another. */
export function visible(text) {
	return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
		(mark) => `[U+${mark.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);
}

/* Text from outside, that may run right to left. */
export function outside(text) {
	return h("bdi", null, visible(text));
}

export function panel(title, ...children) {
	return h("section", { class: "panel" }, title && h("h2", null, title), children);
}

export function message(kind, text) {
	return h("div", { class: `message ${kind}`, role: kind === "bad" ? "alert" : undefined }, text);
}

/* A short word about what was done, or what went wrong. */
export function notify(text, kind = "good") {
	const note = message(kind, visible(text));
	const place = document.getElementById("notice");

	place.append(note);
	while (place.children.length > 3)
		place.firstChild.remove();
	setTimeout(() => note.remove(), kind === "bad" ? 12000 : 5000);
}

export function fact(name, ...value) {
	return [h("dt", null, name), h("dd", null, value)];
}

/*
 * A modal question. Resolves to what `take` made of the form, or to undefined when it was left.
 * take may throw: the error is shown and the dialog stays.
 */
export function ask({ title, body = [], action, danger = false, take = () => true }) {
	return new Promise((resolve) => {
		const problem = h("div", null);
		const button = h("button", { class: danger ? "danger" : "main-action", type: "submit" }, action);
		const form = h("form", { method: "dialog" }, h("h2", null, visible(title)), body, problem,
			h("div", { class: "row" },
				h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), button));
		const dialog = h("dialog", { "aria-label": visible(title) }, form);
		let result;

		form.addEventListener("submit", async (event) => {
			event.preventDefault();
			button.disabled = true;
			try {
				result = await take(form);
				dialog.close();
			} catch (error) {
				show(problem, message("bad", error.message));
				button.disabled = false;
			}
		});
		dialog.addEventListener("close", () => {
			dialog.remove();
			resolve(result);
		});
		document.body.append(dialog);
		dialog.showModal();
	});
}

/* A modal that only tells something. */
export function tell(title, ...body) {
	const dialog = h("dialog", { "aria-label": title }, h("h2", null, title), body,
		h("div", { class: "row" },
			h("button", { class: "main-action", type: "button", onclick: () => dialog.close() }, "Done")));

	dialog.addEventListener("close", () => dialog.remove());
	document.body.append(dialog);
	dialog.showModal();
}

export function copyButton(text, label = "Copy") {
	const button = h("button", { type: "button", onclick: async () => {
		try {
			await navigator.clipboard.writeText(text);
			button.textContent = "Copied";
		} catch {
			button.textContent = "Select and copy it";
		}
	} }, label);

	return button;
}

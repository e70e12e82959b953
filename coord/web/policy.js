/* The policy: edit it, check it, see who gains and loses what, ask why, save it. */

import { call, get, post } from "./api.js";
import { ask, h, message, notify, outside, show } from "./dom.js";
import { plural } from "./format.js";

/* A text area with line numbers beside it. */
class Editor {
	constructor(readOnly, changed) {
		this.numbers = h("pre", { "aria-hidden": "true" });
		this.area = h("textarea", { class: "code", spellcheck: "false", autocomplete: "off", autocapitalize: "off",
			wrap: "off", "aria-label": "Policy", readonly: readOnly });
		this.element = h("div", { class: "editor" }, this.numbers, this.area);
		this.lines = 0;
		this.area.addEventListener("scroll", () => { this.numbers.scrollTop = this.area.scrollTop; });
		this.area.addEventListener("input", () => {
			this.number();
			changed();
		});
	}

	get text() {
		return this.area.value;
	}

	set text(text) {
		this.area.value = text;
		this.number();
	}

	number() {
		const lines = this.area.value.split("\n").length;

		if (lines !== this.lines)
			this.numbers.textContent = Array.from({ length: lines }, (_, i) => i + 1).join("\n");
		this.lines = lines;
	}

	/* Selects a line, counted from 1, and brings it into view. */
	goto(line) {
		const lines = this.area.value.split("\n");
		const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);

		this.area.focus();
		this.area.setSelectionRange(start, start + (lines[line - 1] || "").length);
		this.area.scrollTop = Math.max(0, (line - 4) * (this.area.scrollHeight / lines.length));
	}
}

function withLine(text, editor) {
	const found = /line (\d+)/.exec(text);

	return [text, found && [" ", h("button", { type: "button", class: "link", onclick: () => editor.goto(Number(found[1])) }, `go to line ${found[1]}`)]];
}

function refused(error, editor) {
	return h("div", { class: "message bad", role: "alert" }, withLine(error.message, editor));
}

function changesTable(title, list) {
	if (!list?.length)
		return null;
	return [h("h2", null, title),
		h("div", { class: "scroll" }, h("table", { class: "cards", "aria-label": title },
			h("thead", null, h("tr", null, ["From", "To", "What"].map((word) => h("th", { scope: "col" }, word)))),
			h("tbody", null, list.map((row) => h("tr", null,
				h("td", { "data-label": "From" }, outside(row.from)), h("td", { "data-label": "To" }, outside(row.to)),
				h("td", { "data-label": "What" }, h("span", null, outside(row.ports.join(", "))))))))),
	];
}

/* Which rule says so. */
function verdict(data, editor) {
	if (!data.line)
		return ": no rule allows it.";
	return [" by the rule ", h("code", null, outside(data.rule)), " ",
		h("button", { type: "button", class: "link", onclick: () => editor.goto(data.line) }, `go to line ${data.line}`)];
}

function explainForm(editor) {
	const answer = h("div", { class: "wide", role: "status" });
	const form = h("form", { class: "grid", onsubmit: async (event) => {
		event.preventDefault();
		const { elements: e } = form;

		try {
			const data = await post("/policy/check", {
				policy: editor.text, from: e.from.value.trim(), to: e.to.value.trim(), proto: e.proto.value,
				port: e.port.value === "" ? undefined : Number(e.port.value),
			});

			show(answer, h("div", { class: `message ${data.verdict === "allow" ? "good" : "bad"}` },
				h("b", null, data.verdict === "allow" ? "Allowed" : "Denied"), verdict(data, editor)));
		} catch (error) {
			show(answer, refused(error, editor));
		}
	} },
		h("label", null, "From", h("input", { name: "from", required: true, placeholder: "a node, group: or tag:", autocomplete: "off", spellcheck: "false" })),
		h("label", null, "To", h("input", { name: "to", required: true, placeholder: "a node, tag: or address", autocomplete: "off", spellcheck: "false" })),
		h("label", null, "Protocol", h("select", { name: "proto" }, ["tcp", "udp", "icmp"].map((word) => h("option", { value: word }, word)))),
		h("label", null, "Port", h("input", { name: "port", type: "number", min: 0, max: 65535 })),
		h("div", null, h("button", { type: "submit" }, "Explain")), answer);

	return h("section", { class: "panel" }, h("h2", null, "Would this flow be allowed?"), form);
}

export async function policy(view) {
	const result = h("div", { role: "status", class: "result" });
	const state = h("small", null);
	const stale = h("div");
	const editor = new Editor(!view.session.may_change, () => mark());
	const check = h("button", { type: "button", onclick: runCheck }, "Check");
	const save = h("button", { type: "button", class: "main-action", onclick: runSave }, "Save");
	let saved = await get("/policy");

	editor.text = saved.policy;

	function mark() {
		const changed = editor.text !== saved.policy;

		state.textContent = changed ? "changed, not saved" : "as the nodes have it";
		save.disabled = !changed || !view.session.may_change;
	}

	async function runCheck() {
		check.disabled = true;
		try {
			const data = await post("/policy/check", { policy: editor.text, diff: true });

			show(result, h("div", { class: "message good" }, checkWords(data)),
				changesTable("Who gains what", data.gains), changesTable("Who loses what", data.losses),
				data.more ? h("p", { class: "soft" }, `… and ${data.more} more`) : null);
		} catch (error) {
			show(result, refused(error, editor));
		}
		check.disabled = false;
	}

	function checkWords(data) {
		const changes = data.gains.length + data.losses.length + data.more;

		return `The policy is good: its tests pass. ${changes ? `Saving it means ${plural(changes, "change")} for the nodes there are:`
			: "Saving it changes nothing for the nodes there are."}`;
	}

	async function runSave() {
		save.disabled = true;
		try {
			const { waits_for_signatures: waits } = await call("PUT", "/policy", { body: { policy: editor.text }, etag: saved.etag });

			saved = await get("/policy");
			show(result);
			show(stale);
			notify(waits ? "The policy was asked for." : "The policy was saved; every node obeys it now.");
		} catch (error) {
			show(result, refused(error, editor));
			if (error.status === 412 || error.status === 409)
				await conflict();
		}
		mark();
	}

	async function conflict() {
		show(stale, h("div", { class: "message warn", role: "alert" },
			"Somebody else saved another policy meanwhile. Yours was not saved. ",
			h("button", { type: "button", onclick: theirs }, "Take theirs"), " ",
			h("button", { type: "button", onclick: keepMine }, "Keep mine and save over it")));
	}

	async function theirs() {
		saved = await get("/policy");
		editor.text = saved.policy;
		show(stale);
		show(result);
		mark();
	}

	async function keepMine() {
		const answer = await ask({
			title: "Save over the other policy?", body: h("p", null, "What somebody else saved meanwhile is lost."),
			action: "Save over it", danger: true,
			take: async () => { saved = { ...await get("/policy") }; return true; },
		});

		if (answer) {
			show(stale);
			await runSave();
		}
	}

	async function refresh() {
		const fresh = await get("/policy");

		if (view.isGone() || fresh.etag === saved.etag)
			return;
		if (editor.text === saved.policy) {
			saved = fresh;
			editor.text = fresh.policy;
			notify("Somebody saved another policy: this is it.", "warn");
			mark();
		} else {
			conflict();
		}
	}

	editor.area.addEventListener("keydown", (event) => {
		if ((event.ctrlKey || event.metaKey) && event.key === "s") {
			event.preventDefault();
			if (!save.disabled)
				runSave();
		}
	});
	show(view.main,
		h("div", { class: "head" }, h("h1", null, "Policy ", state),
			h("div", { class: "row" }, check, view.session.may_change ? save : null)),
		stale, editor.element, result, explainForm(editor));
	mark();
	return refresh;
}

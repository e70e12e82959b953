/* Join keys: made, shown once, revoked. */

import { get, name as enc, post } from "./api.js";
import { ask, copyButton, h, message, notify, outside, show, tell } from "./dom.js";
import { chips, mark, moment } from "./format.js";
import { Table } from "./table.js";

const lives = [["1 hour", 3600], ["24 hours", 86400], ["7 days", 604800], ["30 days", 2592000], ["90 days", 7776000], ["1 year", 31536000]];

function words(text) {
	return text.split(/[\s,]+/).filter(Boolean);
}

function showToken(token) {
	const command = `sudo warren up ${token}`;

	tell("The key was made",
		message("warn", "This is shown once. Whoever has it can join the network as the key says."),
		h("p", null, "Token"), h("code", { class: "secret", id: "token" }, token), copyButton(token),
		h("p", null, "On the machine"), h("code", { class: "secret" }, command), copyButton(command),
		h("p", { class: "soft" }, h("code", null, "sudo warren up -"), " reads the token from standard input and keeps it out of the shell's history."));
}

function createForm(done) {
	const problem = h("div", { class: "wide" });
	const button = h("button", { class: "main-action", type: "submit" }, "Make key");
	const form = h("form", { class: "grid", onsubmit: async (event) => {
		event.preventDefault();
		const { elements: e } = form;

		button.disabled = true;
		try {
			const answer = await post("/keys", {
				name: e.name.value.trim(), reusable: e.reusable.checked, ephemeral: e.ephemeral.checked,
				approval: e.approval.value || undefined, uses_max: e.uses.value === "" ? undefined : Number(e.uses.value),
				for: e.for.value.trim() || undefined, expires_s: Number(e.life.value), groups: words(e.groups.value), tags: words(e.tags.value),
				routes: words(e.routes.value), exit: e.exit.checked,
			});

			show(problem);
			form.reset();
			showToken(answer.token);
			done();
		} catch (error) {
			show(problem, message("bad", error.message));
		}
		button.disabled = false;
	} },
		h("label", null, "Name, for people", h("input", { name: "name", maxlength: 60, autocomplete: "off" })),
		h("label", null, "Groups", h("input", { name: "groups", placeholder: "trusted", autocomplete: "off", spellcheck: "false" })),
		h("label", null, "Tags", h("input", { name: "tags", placeholder: "db, web", autocomplete: "off", spellcheck: "false" })),
		h("label", null, "May carry", h("input", { name: "routes", placeholder: "10.20.0.0/16", autocomplete: "off", spellcheck: "false" })),
		h("label", null, "Good for", h("select", { name: "life" }, lives.map(([text, s]) => h("option", { value: s, selected: s === 86400 }, text)))),
		h("label", null, "Approval", h("select", { name: "approval" }, h("option", { value: "" }, "as the network says"),
			h("option", { value: "given" }, "given with the key"), h("option", { value: "needed" }, "by an admin, each machine"))),
		h("label", null, "Only to take the place of", h("input", { name: "for", placeholder: "a node's name", autocomplete: "off", spellcheck: "false" })),
		h("label", null, "At most, if reusable", h("input", { name: "uses", type: "number", min: 1, placeholder: "any number of uses" })),
		h("label", { class: "check" }, h("input", { type: "checkbox", name: "reusable" }), "reusable: many machines"),
		h("label", { class: "check" }, h("input", { type: "checkbox", name: "ephemeral" }), "ephemeral: deleted when away"),
		h("label", { class: "check" }, h("input", { type: "checkbox", name: "exit" }), "may be an exit node"),
		h("div", null, button), problem);

	return form;
}

async function revoke(row, done) {
	const name = row.name || row.id;
	const answer = await ask({
		title: `Revoke the key ${name}?`, body: h("p", null, "No new node joins with it. Nodes that did are not touched."),
		action: "Revoke", danger: true, take: () => post(`/keys/${enc(row.id)}/revoke`),
	});

	if (answer) {
		notify(`The key ${name} was revoked.`);
		done();
	}
}

export async function keys(view) {
	const open = (row) => row.state === "open" && view.session.may_change;
	const table = new Table([
		{ title: "Name", class: "title", cell: (row) => (row.name ? outside(row.name) : h("span", { class: "soft" }, row.id)) },
		{ title: "State", class: "tight", cell: (row) => mark(row.state) },
		{ title: "Kind", cell: (row) => [row.reusable ? "reusable" : "one use", row.ephemeral ? ", ephemeral" : "", { given: ", approved", needed: ", needs approval" }[row.approval] || "", row.for ? [", for ", outside(row.for)] : ""] },
		{ title: "Uses", class: "number", cell: (row) => (row.uses_max ? `${row.uses} of ${row.uses_max}` : String(row.uses)) },
		{ title: "Expires", class: "tight", cell: (row) => moment(row.expires_s, { past: false }) },
		{ title: "Gives", cell: (row) => [chips(row.groups), chips(row.tags, "tag:"), chips(row.routes)] },
		{ title: "By", cell: (row) => outside(row.created_by || "") },
		{ title: "Id", class: "tight", cell: (row) => h("span", { class: "mono soft" }, row.id) },
		{ title: "", class: "actions", cell: (row) => open(row) && h("button", { type: "button", class: "danger", onclick: () => revoke(row, view.again) }, "Revoke") },
	], { key: (row) => row.id, label: "Join keys", empty: "There is no join key." });

	async function refresh() {
		const { keys: list } = await get("/keys");

		if (!view.isGone())
			table.update(list.reverse());
	}

	show(view.main, h("div", { class: "head" }, h("h1", null, "Join keys")),
		view.session.may_change ? h("section", { class: "panel" }, h("h2", null, "Make a key"), createForm(refresh)) : null,
		h("section", { class: "panel flush" }, table.element));
	await refresh();
	return refresh;
}

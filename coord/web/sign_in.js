/* The way in: an API token, or single sign-on where there is one. */

import { call, get } from "./api.js";
import { h, message, show } from "./dom.js";

export async function signIn(main, done) {
	const problem = h("div");
	const token = h("input", { type: "password", name: "token", autocomplete: "off", required: true, spellcheck: "false" });
	const button = h("button", { class: "main-action", type: "submit" }, "Sign in");
	const other = h("div");
	const form = h("form", { onsubmit: async (event) => {
		event.preventDefault();
		button.disabled = true;
		try {
			await call("POST", "/login", { body: { token: token.value.trim() } });
			token.value = "";
			done();
		} catch (error) {
			show(problem, message("bad", error.status === 401 ? "This token is not known here, or has expired." : error.message));
			token.select();
		}
		button.disabled = false;
	} },
		h("label", null, "API token", token), button, problem,
		h("p", { class: "soft" }, "Made on the coordinator with ",
			h("code", null, "warren-coord api-token create --name NAME --role admin")));

	show(main, h("div", { class: "sign-in" },
		h("h1", null, "Warren"), h("section", { class: "panel" }, form), other));
	token.focus();
	try {
		const ways = await get("/login");

		if (ways.sso)
			show(other, h("a", { class: "button", href: ways.sso }, "Sign in with your organisation"));
	} catch {
		/* an older coordinator, or none at all: the form says so when it is sent */
	}
}

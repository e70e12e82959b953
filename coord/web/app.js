/* Which page is shown, and who is looking. */

import { call, get } from "./api.js";
import { h, message, notify, outside, show } from "./dom.js";
import { audit } from "./audit.js";
import { keys } from "./keys.js";
import { names } from "./names.js";
import { node } from "./node.js";
import { nodes } from "./nodes.js";
import { overview } from "./overview.js";
import { picture } from "./picture.js";
import { policy } from "./policy.js";
import { relays } from "./relays.js";
import { routes } from "./routes.js";
import { settings } from "./settings.js";
import { signIn } from "./sign_in.js";

const POLL_MS = 5000;
const main = document.getElementById("main");
const side = document.getElementById("side");
const menu = document.getElementById("menu");

/* Each page: async (view) => refresh, which is called now and then; see below for view. */
const pages = [
	["", "Overview", overview],
	["nodes", "Nodes", nodes],
	["map", "Map", picture],
	["routes", "Routes", routes],
	["names", "Names", names],
	["keys", "Join keys", keys],
	["policy", "Policy", policy],
	["relays", "Relays", relays],
	["audit", "Audit log", audit],
	["settings", "Settings", settings],
];

let session = null; /* who looks: { who, may_change } */
let current = null; /* the page shown: { refresh, timer, gone } */

function parseHash() {
	const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
	const [first, ...rest] = path.split("/").map((part) => {
		try {
			return decodeURIComponent(part);
		} catch {
			return part;
		}
	});

	return { page: first, rest, query: new URLSearchParams(query || "") };
}

function drawSide(page, counts = {}) {
	show(side, pages.map(([path, title]) =>
		h("a", { href: `#/${path}`, "aria-current": path === page || (path === "nodes" && page === "node") ? "page" : undefined },
			title, path === "nodes" && counts.pending
				? h("span", { class: "count", title: "waiting for approval" }, counts.pending) : null)),
		h("div", { class: "who" },
			h("span", null, outside(session.who), session.may_change ? "" : " (may look only)"),
			h("button", { type: "button", onclick: signOut }, "Sign out")));
}

async function signOut() {
	try {
		await call("POST", "/logout");
	} catch (error) {
		notify(error.message, "bad");
	}
	location.hash = "#/";
	leave();
	session = null;
	showSignIn();
}

function leave() {
	if (current) {
		current.gone = true;
		clearTimeout(current.timer);
	}
	current = null;
}

function showSignIn() {
	if (current && current.signIn)
		return;
	leave();
	current = { signIn: true };
	document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
	document.getElementById("frame").classList.add("alone");
	document.getElementById("top").hidden = side.hidden = true;
	document.title = "Sign in · Warren";
	signIn(main, begin);
}

/* One turn of refreshing; the next comes when this one is over. */
async function turn(page) {
	clearTimeout(page.timer);
	if (page.gone)
		return;
	if (!document.hidden && page.refresh) {
		try {
			await page.refresh();
			page.problem.replaceChildren();
		} catch (error) {
			if (!page.gone && error.status !== 401)
				show(page.problem, message("bad", error.message));
		}
	}
	if (!page.gone)
		page.timer = setTimeout(() => turn(page), POLL_MS);
}

async function watchPending(page) {
	try {
		const { nodes: counts, network } = await get("/overview");

		if (page.gone)
			return;
		show(document.getElementById("network"), outside(network));
		const badge = side.querySelector(".count");

		if (String(counts.pending || "") !== (badge ? badge.textContent : ""))
			drawSide(parseHash().page, counts);
	} catch {
		/* the page itself says what is wrong */
	}
}

async function open() {
	const { page: path, rest, query } = parseHash();
	const found = path === "node" ? ["node", "Node", node] : pages.find(([name]) => name === path) || pages[0];
	const content = h("div", { class: "main", style: undefined });
	const problem = h("div");
	const page = { gone: false, refresh: null, problem };

	leave();
	current = page;
	side.classList.remove("open");
	menu.setAttribute("aria-expanded", "false");
	drawSide(found[0], { pending: side.querySelector(".count")?.textContent });
	document.title = `${rest[0] || found[1]} · Warren`;
	content.className = "";
	content.style.display = "contents";
	const view = {
		main: content, rest, query, session,
		isGone: () => page.gone,
		again: () => turn(page),
		title: (text) => { document.title = `${text} · Warren`; },
	};

	try {
		const refresh = await found[2](view);

		if (page.gone)
			return;
		page.refresh = refresh && (async () => {
			await refresh();
			await watchPending(page);
		});
	} catch (error) {
		if (page.gone || error.status === 401)
			return;
		show(content, message("bad", error.message),
			h("p", null, h("button", { type: "button", onclick: open }, "Try again")));
	}
	show(main, problem, content);
	main.focus({ preventScroll: true });
	window.scrollTo(0, 0);
	watchPending(page);
	page.timer = setTimeout(() => turn(page), POLL_MS);
}

async function begin() {
	try {
		const { signed_in: signedIn } = await get("/login");

		if (!signedIn) {
			showSignIn();
			return;
		}
		session = await get("/session");
	} catch (error) {
		if (error.status === 401)
			return; /* told by signed-out */
		show(main, message("bad", error.message));
		setTimeout(begin, POLL_MS);
		return;
	}
	document.getElementById("frame").classList.remove("alone");
	document.getElementById("top").hidden = side.hidden = false;
	open();
}

menu.addEventListener("click", () => {
	menu.setAttribute("aria-expanded", String(side.classList.toggle("open")));
});
/* The link's own hash would be taken for a page. */
document.querySelector(".skip").addEventListener("click", (event) => {
	event.preventDefault();
	main.focus();
});
window.addEventListener("hashchange", () => session && open());
window.addEventListener("signed-out", () => {
	if (session)
		notify("You were signed out.", "warn");
	session = null;
	showSignIn();
});
window.addEventListener("unsigned", () =>
	notify("Strict mode: this counts when the admins have signed it, with warren-coord authority sign.", "warn"));
document.addEventListener("visibilitychange", () => {
	if (!document.hidden && current && current.refresh)
		turn(current);
});
begin();

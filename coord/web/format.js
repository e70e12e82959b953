/* Numbers, times and states as words. */

import { h } from "./dom.js";

const time = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function ago(seconds) {
	if (seconds < 60)
		return `${Math.max(0, Math.floor(seconds))} s`;
	if (seconds < 3600)
		return `${Math.floor(seconds / 60)} min`;
	if (seconds < 86400)
		return `${Math.floor(seconds / 3600)} h`;
	return `${Math.floor(seconds / 86400)} d`;
}

/* A moment in seconds since 1970: short, with the whole of it as a hint. */
export function moment(at, { past = true } = {}) {
	if (!at)
		return h("span", { class: "soft" }, "never");
	const distance = Date.now() / 1000 - at;
	const text = distance >= 0 ? `${ago(distance)} ago` : `in ${ago(-distance)}`;

	return h("time", { datetime: new Date(at * 1000).toISOString(), title: time.format(at * 1000) },
		past && distance < 0 ? "now" : text);
}

export function date(at) {
	return at ? time.format(at * 1000) : "never";
}

export function latency(ms) {
	if (ms === null || ms === undefined)
		return "";
	return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

export function plural(count, one, many = `${one}s`) {
	return `${count} ${count === 1 ? one : many}`;
}

const shapes = {
	online: ["●", "good"],
	offline: ["○", "soft"],
	pending: ["◔", "warn"],
	revoked: ["✕", "bad"],
	open: ["●", "good"],
	used: ["○", "soft"],
	expired: ["○", "soft"],
	direct: ["━", "good"],
	relay: ["╍", "warn"],
	connecting: ["┈", "bad"],
	idle: ["·", "soft"],
	approved: ["●", "good"],
	waiting: ["◔", "warn"],
	refused: ["✕", "bad"],
};

/* A state as a shape, a word and a colour. */
export function mark(state, text = state) {
	const [shape, kind] = shapes[state] || ["·", "soft"];

	return h("span", { class: `mark ${kind}`, "data-shape": shape }, text);
}

export function chips(names, prefix = "") {
	return (names || []).map((name) => h("span", { class: "chip" }, prefix + name));
}

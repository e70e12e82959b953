/* The REST API, as openapi.json describes it. */

const BASE = "/api/v1";

export class ApiError extends Error {
	constructor(status, code, text) {
		super(text);
		this.status = status;
		this.code = code;
	}
}

async function failure(response) {
	let code = "failed";
	let text = `the coordinator answered ${response.status}`;

	try {
		const { error } = await response.json();
		code = error.code;
		text = error.message;
	} catch {
		/* no JSON: a proxy on the way, or a coordinator that is ending */
	}
	if (response.status === 401)
		window.dispatchEvent(new CustomEvent("signed-out"));
	return new ApiError(response.status, code, text);
}

/* query and body: plain objects; members that are undefined are left out. */
export async function call(method, path, { query, body, etag } = {}) {
	const url = new URL(BASE + path, location.origin);
	const headers = { Accept: "application/json" };
	let response;

	for (const [name, value] of Object.entries(query || {}))
		if (value !== undefined && value !== "")
			url.searchParams.set(name, value);
	if (method !== "GET")
		headers["X-Warren-CSRF"] = "1";
	if (body !== undefined)
		headers["Content-Type"] = "application/json";
	if (etag)
		headers["If-Match"] = etag;
	try {
		response = await fetch(url, {
			method, headers, body: body === undefined ? undefined : JSON.stringify(body),
			credentials: "same-origin", cache: "no-store", redirect: "error",
		});
	} catch {
		throw new ApiError(0, "unreachable", "the coordinator does not answer; it is tried again");
	}
	if (!response.ok)
		throw await failure(response);
	if (response.status === 204)
		return {};
	const data = await response.json();

	data.etag = response.headers.get("ETag");
	if (data.waits_for_signatures)
		window.dispatchEvent(new CustomEvent("unsigned"));
	return data;
}

export const get = (path, query) => call("GET", path, { query });
export const post = (path, body = {}) => call("POST", path, { body });
export const name = (text) => encodeURIComponent(text);

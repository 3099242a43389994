// Simulated classifier services for tests, in the form of their documentation (docs/policy.md names the sources). Each verifies
// the credential that its documentation asks for. The Server field of each response states that it is simulated.
//
//   node tests/support/guard_services.mjs DIR      writes its address to DIR/services
//
// A text is bad if it contains the word "zorblax". POST /_control {"mode": good | slow | wrong | unknown | partial, "revoked": true}:
// partial: Model Armor states that filters did not run; wrong: an error document of the service with status 200; unknown: a verdict that the documentation does not have; revoked: the
// tokens that were issued so far are refused. GET /_seen: the number of requests that each credential was accepted for.
// POST /token, /T/oauth2/v2.0/token: the endpoints that issue tokens, for eight seconds each.
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";

const dir = process.argv[2];
let control = { mode: "good" }, issued = 0;
const valid = new Map(); // a token, and when it expires
const seen = {};
const hex = (data) => crypto.createHash("sha256").update(data).digest("hex");
const hmac = (key, data) => crypto.createHmac("sha256", key).update(data).digest();
const strict = (s) => encodeURIComponent(s).replace(/[!'()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());

// ---- credentials: each function returns "" or the mistake ----

// AWS Signature Version 4 over the request that arrived, for this host.
function sigv4(q, body) {
	const h = q.headers, host = "bedrock-runtime.eu-west-1.amazonaws.com";
	const m = /^AWS4-HMAC-SHA256 Credential=AKIDGUARD\/(\d{8})\/eu-west-1\/bedrock\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
		.exec(h.authorization ?? "");
	if (!m) return "no signature";
	const [, day, names, got] = m, date = h["x-amz-date"] ?? "";
	if (h["x-amz-content-sha256"] !== hex(body) || h.host !== host || !names.includes("host;x-amz-content-sha256;x-amz-date")) return "not signed";
	const canonical = [q.method, q.url.split("/").map(strict).join("/"), "", ...names.split(";").map((n) => `${n}:${h[n]}`), "", names, hex(body)].join("\n");
	let key = "AWS4SecretOfTheGuard";
	for (const part of [day, "eu-west-1", "bedrock", "aws4_request"]) key = hmac(key, part);
	return got === hmac(key, `AWS4-HMAC-SHA256\n${date}\n${day}/eu-west-1/bedrock/aws4_request\n${hex(canonical)}`).toString("hex") ? "" : "another signature";
}
const token = (q) => (q.headers.authorization ?? "").replace(/^Bearer /, "");
const issuedToken = (kind) => (q) => token(q).startsWith(kind) && valid.get(token(q)) > Date.now() ? "" : "the token is not valid";
const keyIn = (name, value) => (q) => q.headers[name] === value ? "" : "another key";
const none = () => "";

// ---- services ----

const chat = (content) => ({ id: "simulated", object: "chat.completion", created: 1, model: "simulated",
	choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }], usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 } });
const armor = (filterMatchState, invocationResult = "SUCCESS") => ({ sanitizationResult: { filterMatchState, invocationResult, filterResults: {
	csam: { csamFilterFilterResult: { executionState: "EXECUTION_SUCCESS", matchState: "NO_MATCH_FOUND" } },
	pi_and_jailbreak: { piAndJailbreakFilterResult: { executionState: "EXECUTION_SUCCESS", matchState: filterMatchState } } } } });
const shields = (attackDetected) => ({ userPromptAnalysis: { attackDetected }, documentsAnalysis: [] });
const severities = (list) => ({ blocklistsMatch: [], categoriesAnalysis: list.map(([category, severity]) => ({ category, severity })) });
const moderation = (flagged, categories) => ({ id: "simulated", model: "omni-moderation-latest", results: [{ flagged, categories,
	category_scores: Object.fromEntries(Object.entries(categories).map(([k, v]) => [k, v ? 0.97 : 0.01])), category_applied_input_types: {} }] });
const guarded = (action, text) => ({ action, actionReason: action === "NONE" ? "No action." : "Guardrail blocked.", assessments: [{ contentPolicy: {
	filters: action === "NONE" ? [] : [{ action: "BLOCKED", confidence: "HIGH", detected: true, filterStrength: "HIGH", type: "PROMPT_ATTACK" }] } }],
	guardrailCoverage: { textCharacters: { guarded: text.length, total: text.length } }, outputs: action === "NONE" ? [] : [{ text: "blocked" }],
	usage: { contentPolicyUnits: 1, topicPolicyUnits: 0, wordPolicyUnits: 0 } });
const person = (t, entity_type) => [{ analysis_explanation: null, start: t.indexOf("zorblax"), end: t.indexOf("zorblax") + 7, score: 0.85, entity_type, recognition_metadata: {} }];
const user = (q) => q.messages.find((m) => m.role === "user").content;

// A row: the credential, the text in the request, and the harmless, bad, wrong and unknown responses to it.
const rows = {
	"/predict": [none, (q) => q.inputs, () => [{ label: "SAFE", score: 0.98 }, { label: "INJECTION", score: 0.02 }],
		() => [{ label: "INJECTION", score: 0.97 }, { label: "SAFE", score: 0.03 }], { error: "Model is overloaded", error_type: "overloaded" },
		[{ label: "LABEL_1", score: 0.97 }, { label: "LABEL_0", score: 0.03 }]],
	"llama": [none, user, () => chat("\n\nsafe"), () => chat("\n\nunsafe\nS1,S14"), { object: "error", message: "no such model", code: 404 }, chat("I cannot help with that")],
	"granite": [none, user, () => chat("<score> no </score>"), () => chat("<score> yes </score>"), { object: "error", message: "no such model", code: 404 }, chat("<score> maybe </score>")],
	"/guardrail/gr123/version/1/apply": [sigv4, (q) => q.content[0].text.text, (t) => guarded("NONE", t), (t) => guarded("GUARDRAIL_INTERVENED", t),
		{ message: "The guardrail does not exist" }, { action: "MASKED", outputs: [], assessments: [] }],
	"/contentsafety/text:shieldPrompt?api-version=2024-09-01": [issuedToken("azure"), (q) => q.userPrompt, () => shields(false), () => shields(true),
		{ error: { code: "InvalidRequestBody", message: "no" } }, shields("maybe")],
	"/contentsafety/text:analyze?api-version=2024-09-01": [keyIn("ocp-apim-subscription-key", "KeyOfContentSafety"), (q) => q.text,
		() => severities([["Hate", 0], ["SelfHarm", 0], ["Sexual", 0], ["Violence", 2]]), () => severities([["Hate", 6], ["SelfHarm", 0], ["Sexual", 0], ["Violence", 4]]),
		{ error: { code: "InvalidRequestBody", message: "no" } }, severities([["Spam", 6]])],
	"/v1/projects/p/locations/europe-west4/templates/t:sanitizeUserPrompt": [issuedToken("google"), (q) => q.userPromptData.text, () => armor("NO_MATCH_FOUND"),
		() => armor("MATCH_FOUND"), { error: { code: 404, status: "NOT_FOUND" } }, armor("FILTER_MATCH_STATE_UNSPECIFIED")],
	"/v2/guard": [keyIn("authorization", "Bearer KeyOfLakera"), user, () => ({ flagged: false, metadata: { request_uuid: "u" } }),
		() => ({ flagged: true, metadata: { request_uuid: "u" } }), { error: { message: "bad request" } }, { flagged: "unsure", metadata: {} }],
	"/v1/guardrail/checks": [none, user, () => ({ status: "success", rails_status: { "self check input": { status: "success" } }, guardrails_data: {} }),
		() => ({ status: "blocked", rails_status: { "self check input": { status: "blocked" } }, guardrails_data: {} }), { detail: "config not found" },
		{ status: "modified", rails_status: {} }],
	"/v1/moderations": [keyIn("authorization", "Bearer KeyOfOpenai"), (q) => [].concat(q.input)[0], () => moderation(false, { violence: false, hate: false }),
		() => moderation(true, { violence: true, hate: false }), { error: { message: "bad request", type: "invalid_request_error" } }, moderation(true, { "a-new-category": true })],
	"/analyze": [none, (q) => [].concat(q.text)[0], () => [], (t) => person(t, "PERSON"), { error: "no such language" }, person("zorblax", "NEW_ENTITY")],
};

// A caller of an endpoint proves who it is. Returns "", or the code of OAuth.
function proof(url, form) {
	if (url === "/T/oauth2/v2.0/token")
		return form.get("client_id") === "ID" && form.get("client_secret") === "SecretOfEntra" && form.get("grant_type") === "client_credentials" ? "" : "invalid_client";
	const [head, claims, sig] = (form.get("assertion") ?? "..").split(".");
	return crypto.verify("sha256", Buffer.from(`${head}.${claims}`), fs.readFileSync(`${dir}/public.pem`), Buffer.from(sig, "base64url")) ? "" : "invalid_grant";
}
function issue(url, body) {
	const error = proof(url, new URLSearchParams(body.toString()));
	if (error) return [400, { error }];
	const access_token = `${url === "/token" ? "google" : "azure"}-${++issued}`;
	valid.set(access_token, Date.now() + 8000);
	return [200, { access_token, expires_in: 8, token_type: "Bearer" }];
}
function serve(q, body) {
	const request = JSON.parse(body);
	const path = q.url === "/v1/chat/completions" ? (request.model.includes("granite") ? "granite" : "llama") : q.url;
	const row = rows[path];
	if (!row) return [404, { error: "no such path" }];
	const [credential, text, harmless, bad, wrong, unknown] = row, mistake = credential(q, body);
	if (mistake) return [path.startsWith("/guardrail") ? 403 : 401, { message: mistake }, { "x-amzn-errortype": "InvalidSignatureException" }];
	seen[path] = (seen[path] ?? 0) + 1;
	if (control.mode === "wrong") return [200, wrong];
	if (control.mode === "partial") return [200, armor("NO_MATCH_FOUND", "PARTIAL")];
	const t = text(request), is_bad = t.includes("zorblax") || t.includes("Ignore all previous instructions");
	const presidio = path === "/analyze" && is_bad && !t.includes("zorblax") ? [] : null;
	let value = control.mode === "unknown" ? unknown : presidio ?? (is_bad ? bad(t) : harmless(t));
	if (path === "/analyze" && Array.isArray(request.text)) value = [value];
	if (path === "/analyze" && control.mode === "unknown") value = [person(t, "NEW_ENTITY").map((f) => ({ ...f, start: 0, end: 1 }))];
	return [200, value];
}
const server = http.createServer((q, s) => {
	const parts = [];
	q.on("error", () => {});
	q.on("data", (d) => parts.push(d)).on("end", () => {
		const body = Buffer.concat(parts);
		let answer;
		if (q.url === "/_seen") answer = [200, seen];
		else if (q.url === "/_control") {
			control = { mode: "good", ...JSON.parse(body) };
			if (control.revoked) valid.clear();
			answer = [200, {}];
		} else answer = q.url.endsWith("/token") ? issue(q.url, body) : serve(q, body);
		const [status, value, fields] = answer, slow = control.mode === "slow" && !q.url.startsWith("/_") && !q.url.endsWith("/token"), wait = slow ? 3000 : 0;
		setTimeout(() => s.writeHead(status, { "content-type": "application/json", server: "simulated-service", ...fields }).end(JSON.stringify(value)), wait);
	});
});
server.keepAliveTimeout = 60000;
server.listen(0, "127.0.0.1", () => fs.writeFileSync(`${dir}/services`, `http://127.0.0.1:${server.address().port}\n`));

/* The mappings of a policy's file as tables: the keys of each mapping, the schema of their
 * values, the place of plain values in a struct, and a sentence for the schema. The code of the
 * sections checks lengths, patterns of names, and everything that needs the whole policy. */
#include "policy/section.h"

#include "base/deny_status.h"
#include "policy/build.h"
#include "policy/config/read.h"
#include "policy/config/rows.h"
#include "policy/data.h"
#include "policy/external.h"
#include "policy/identity_entry.h"
#include "policy/limit.h"
#include "policy/policy.h"
#include "policy/labels.h"
#include "policy/tools.h"
#include "policy/transcriber.h"
#include "scan/detect/custom/custom.h"

/* The statuses of a rule's denial: the default one first */
#define STATUS_RULE(status)    "," #status
#define STATUS_DEFAULT(status) /* "403" is first */
#define STATUS_GATE(status)
#define STATUS_RELAY(status)
#define STATUS_BY(X, status, by, ...) STATUS_##by(status)
#define DENIED_WITH		      "403" DENY_STATUS(STATUS_BY, )

#define S   SECOND_US
#define DAY (86400 * S)

/* clang-format off */
/* Words that values may have. The value in the struct is the index of the word. */
const char *const identity_words[] = { "jwt", "signed_headers", "client_certificate", "api_key", "none", NULL }; /* enum identity_kind */
const char *const shape_words[] = { "presidio", "json", "openai_moderation", NULL }; /* enum recognizer_shape */
const char *const outcome_words[] = { "deny", "permit", "redact", NULL }; /* enum outcome */
const char *const effect_words[] = { "deny", "permit", NULL };
static const char *const signed_words[] = { "drop", "deny", "leave", NULL }; /* enum signed_reasoning */
static const char *const transcript_words[] = { "verbose_json", "json", "text", NULL }; /* enum transcript_format */
static const char *const stereo_words[] = { "split", "mixed", NULL };
static const char *const transcriber_failure_words[] = { "unreadable", "permit", NULL };
static const char *const media_words[] = { "deny", "strip", "transcript", NULL }; /* enum media_action */
static const char *const audio_words[] = { "unreadable", "permit", "judged", "required", NULL }; /* enum route_audio */
static const char *const with_words[] = { "placeholder", "mask", "hash", "remove", "last4", NULL }; /* enum redact_style */
static const char *const user_text_words[] = { "typed", "mixed", NULL };
static const char *const text_words[] = { "hash", "off", "redacted", "full", NULL }; /* enum record_text */
static const char *const argument_words[] = { "stay", "command", "leave", "call", NULL }; /* enum tool_arguments */
static const char *const find_words[] = { "used", "all", NULL };
const char *const phase_words[] = { "request", "response", "tool", NULL }; /* enum rule_phase */
static const char *const as_words[] = { "result", "error", NULL };
static const char *const mode_words[] = { "enforce", "shadow", NULL };
static const char *const skip_words[] = { "deny", "skip", NULL };
static const char *const subject_words[] = { "person", "owner", NULL };
static const char *const sample_words[] = { "find", "ignore", NULL };
static const char *const names_words[] = { "all", "labeled", NULL };
static const char *const form_words[] = { "brackets", "plain", NULL };
const char *const calendar_words[] = { "hour", "day", "week", "month", NULL }; /* enum limit_calendar */
static const char *const orphan_words[] = { "charge", "drop", NULL }; /* enum limit_orphan */
static const char *const reserve_words[] = { "cap", "learned", "estimate", NULL }; /* enum reserve */
static const char *const probe_words[] = { "guard", "provider", NULL };
static const char *const via_words[] = { "direct", "relay", NULL };
static const char *const route_via_words[] = { "relay", "direct", NULL };
static const char *const joined_words[] = { "prefixed", NULL }; /* enum joined_names */
static const char *const by_words[] = { "order", "weight", "latency", "price", NULL }; /* enum choose_by */
static const char *const sticky_words[] = { "none", "conversation", "identity", NULL }; /* enum choose_sticky */

static const char *const per_words[] = { "identity", "team", "org", NULL }; /* enum cache_per */

static const char *const limit_later[] = { "sliding", NULL }; /* keys of a later version */

#define OUTCOME ONE("\"deny\",\"permit\",\"redact\"")

const struct section sections[] = {
[SECTION_POLICY] = { "policy", .fields = {
  { "tollgate", OTHER(ONE("1")), "version of this language" },
  { "name", OTHER(TEXT), "the policy's name; records contain name@version" },
  { "mode", A_FLAG(policy, shadow, mode_words), "enforce, or shadow: denials and redactions by rules are recorded but not enforced" },
  { "on_failure", OTHER(REF("on_failure")), "decisions if a part of the gateway does not respond" },
  { "identity", OTHER(LIST(REF("identity"))), "credentials that the gateway looks for; the first one that is present decides" },
  { "classes", OTHER(MAPOF(REF("class_value"))), "groups of entities that rules name" },
  { "detectors", OTHER(REF("detectors")), "thresholds of detection, and external recognizers" },
  { "transcribers", OTHER(LIST(REF("transcriber"))), "services that write down the speech in sounds; the first one whose condition is true is asked" },
  { "placeholder", OTHER(REF("placeholder")), "form of the placeholders that replace values" },
  { "providers", OTHER(MAPOF(REF("provider"))), "services to which requests may be sent" },
  { "models", OTHER(MAPOF(REF("model"))), "names that callers may ask for, and the targets that they stand for" },
  { "routes", OTHER(LIST(REF("route"))), "requests that are served; a request that matches none gets 404" },
  { "rules", OTHER(LIST(REF("rule"))), "evaluated from top to bottom; deny and permit end the evaluation, the other effects add up" },
  { "tools", OTHER(LIST(REF("tool"))), "what becomes of the arguments of tools that models call; it determines in which of them values are restored" },
  { "labels", OTHER(MAPOF(REF("label"))), "what results of tools are, by names that tool.from() takes; untrusted: other people may write them" },
  { "operations", OTHER(MAPOF(TEXTS)), "names, each with the tools that it stands for: SERVER/TOOL, SERVER/*, or /TOOL in responses of models; records can be searched and listed by the name" },
  { "default", A_FLAG(policy, default_permit, effect_words), "decision if no rule ends the evaluation" },
  { "limits", OTHER(LIST(REF("limit"))), "bounds on requests, tokens and cost" },
  { "output_default", OTHER(EITHER(COUNT, MAPOF(COUNT))), "tokens reserved for a response if the request has no cap: a number, or numbers by patterns of models" },
  { "tool_calls_default", A_COUNT(policy, tool_calls_default, 0, 1000), "searches or sessions reserved for a paid tool if the request states no number" },
  { "prices", OTHER(TEXT), "price file: the cost of usage" },
  { "unknown_price", OTHER(EITHER(ONE("\"deny\""), REF("unknown_price"))), "price of a model that the file does not have; deny: limits in dollars refuse it" },
  { "show_cost", A_BOOL(policy, show_cost), "send x-tollgate-cost with responses that are not streamed" },
  { "observe", OTHER(REF("observe")), "hosts whose callers without a key of this gateway are let through until a date, during a cutover" },
  { "probe", A_FLAG(policy, probe_provider, probe_words), "how far requests of check --probe go; guard: HAProxy answers them before the provider" },
  { "conversation", OTHER(LIST(EITHER(ONE("\"dialect\",\"hash\""), REF("conversation")))), "sources of request.conversation; the first one with a value is used" },
  { "tags", OTHER(LIST(EITHER(ONE("\"user\""), REF("tag")))), "fields of requests that become tags of their records" },
  { "include", OTHER(TEXTS), "files that are part of this policy; their entries come before those of this file" },
  { "data", OTHER(MAPOF(REF("data"))), "external data that conditions read as data.NAME" },
}},
[SECTION_OBSERVE] = { "observe", "[\"hosts\",\"backend\",\"until\"]", .fields = {
  { "hosts", OTHER(TEXTS), "host names without port, or *.example.com" },
  { "backend", OTHER(TEXT), "HAProxy backend that adds no credential of its own" },
  { "until", OTHER(TEXT), "a date or time, at most 90 days ahead" },
}},
[SECTION_ON_FAILURE] = { "on_failure", .fields = {
  { "classifier", OTHER(EITHER(OUTCOME, MAPOF(OUTCOME))), "the body could not be classified; or by class of the findings of our own detectors, with default" },
  { "quota", OTHER(EITHER(ONE("\"deny\",\"permit\""), REF("local"))), "Redis does not respond in time" },
  { "audit", A_WORD(on_failure, audit, effect_words), "the gateway cannot record the decision" },
  { "unreadable", A_WORD(on_failure, unreadable, effect_words), "images, audio, files and other parts that cannot be inspected" },
  { "signed", A_WORD(on_failure, signed_reasoning, signed_words), "reasoning under a provider's signature in which a value would be replaced" },
}},
[SECTION_LOCAL] = { "local", "[\"local\"]", .fields = {
  { "local", OTHER(TEXT), "share of each limit that all daemons together may use while Redis is away, such as 10%" },
  { "peers", OTHER(COUNT), "number of daemons that divide the share" },
}},
[SECTION_JWT] = { "jwt", .fields = {
  { "header", OTHER(TEXT), "header with the token; default authorization, with Bearer" },
  { "query", OTHER(TEXT), "URL parameter with the token, instead of a header" },
  { "issuer", OTHER(TEXT), "iss must be equal to this" },
  { "audience", OTHER(TEXTS), "aud must contain one of these" },
  { "jwks", OTHER(TEXT), "the issuer's keys: a file or an https URL" },
  { "secret", OTHER(TEXT), "file:PATH or ${NAME}: key of HS256 to HS512" },
  { "ca_file", A_PATH(identity_entry, ca_file), "certificates to trust for the URL" },
  { "refresh", A_DURATION(identity_entry, refresh_us, S, DAY), "keys are fetched again after this time" },
  { "max_stale", A_DURATION(identity_entry, stale_us, S, 30 * DAY), "keys that cannot be fetched again are used for this time" },
  { "algorithms", OTHER(TEXTS), "algorithms of the issuer's signatures" },
  { "max_age", A_SECONDS(identity_entry, max_age_s, S, 365 * DAY), "longest time since the token was issued" },
  { "leeway", A_SECONDS(identity_entry, leeway_s, 0, 600 * S), "tolerance for the token's times" },
  { "claims", OTHER(REF("claims")), "claims with the caller's attributes" },
  { "realm", A_TEXT(identity_entry, realm), "persons are named REALM/NAME" },
  { "record", OTHER(TEXTS), "claims that records keep" },
  { "demo_issuer", OTHER(BOOL), "use the issuer that tollgate.yaml names; only for tests and the demo" },
}},
[SECTION_CLAIMS] = { "claims", .fields = {
  { "person", A_TEXT(claim_map, person), "path of the claim" },
  { "agent", A_TEXT(claim_map, agent), "path of the claim" },
  { "roles", A_TEXT(claim_map, roles), "path of the claim: a list" },
  { "department", A_TEXT(claim_map, department), "path of the claim" },
  { "clearance", A_TEXT(claim_map, clearance), "path of the claim: a whole number" },
  { "team", A_TEXT(claim_map, team), "path of the claim" },
  { "tier", A_TEXT(claim_map, tier), "path of the claim" },
}},
[SECTION_SIGNED_HEADERS] = { "signed_headers", .fields = {
  { "prefix", OTHER(TEXT), "beginning of the names of the signed headers" },
  { "signature", OTHER(TEXT), "the header with the signature" },
  { "keys", A_PATH(identity_entry, keys_file), "file of keys" },
  { "max_skew", A_SECONDS(identity_entry, max_skew_s, S, 600 * S), "largest age of the signed time" },
  { "realm", A_TEXT(identity_entry, realm), "persons are named REALM/NAME" },
  { "record", OTHER(TEXTS), "attributes that records keep" },
}},
[SECTION_CLIENT_CERTIFICATE] = { "client_certificate", .fields = {
  { "person", A_TEXT(identity_entry, claims.person), "field of the certificate" },
  { "agent", A_TEXT(identity_entry, claims.agent), "field of the certificate" },
  { "roles", A_TEXT(identity_entry, claims.roles), "field of the certificate" },
  { "department", A_TEXT(identity_entry, claims.department), "field of the certificate" },
  { "team", A_TEXT(identity_entry, claims.team), "field of the certificate" },
  { "tier", A_TEXT(identity_entry, claims.tier), "field of the certificate" },
  { "trust_domain", A_TEXT(identity_entry, trust_domain), "domain of the certificate's SPIFFE id" },
  { "realm", A_TEXT(identity_entry, realm), "persons are named REALM/NAME" },
  { "record", OTHER(TEXTS), "fields that records keep" },
}},
[SECTION_API_KEY] = { "api_key", .fields = {
  { "header", OTHER(TEXT), "header with the key; default authorization, with Bearer" },
  { "keys", A_PATH(identity_entry, keys_file), "file of keys, made by tollgate key new" },
  { "subject", A_FLAG(identity_entry, subject_owner, subject_words), "person: the key's person; owner: the key's owner" },
  { "record", OTHER(TEXTS), "attributes that records keep" },
}},
[SECTION_NONE] = { "none", .fields = {
  { "person", A_TEXT(identity_entry, person), "the name recorded for callers without a credential" },
}},
[SECTION_DETECTORS] = { "detectors", .fields = {
  { "thresholds", OTHER(MAPOF(SCORE)), "least score by entity" },
  { "samples", A_FLAG(policy, skip_samples, sample_words), "published samples, such as test cards: find or ignore them" },
  { "names", A_FLAG(policy, labeled_names, names_words), "labeled: names of people count only after a label" },
  { "injection", OTHER(REF("injection")), "the injection model" },
  { "external", OTHER(LIST(REF("external"))), "recognizers that are asked over HTTP" },
}},
[SECTION_INJECTION] = { "injection", .fields = {
  { "model", OTHER(TEXT), "file of another injection model" },
  { "patterns", OTHER(MAPOF(BOOL)), "false: turn this pattern off" },
}},
[SECTION_PLACEHOLDER] = { "placeholder", .fields = {
  { "form", A_FLAG(policy, plain_placeholders, form_words), "plain: EMAIL_ADDRESS_1, with letters, digits and _ only; default <EMAIL_ADDRESS_1>" },
}},
[SECTION_EXTERNAL] = { "external", "[\"name\",\"url\"]", .fields = {
  { "name", OTHER(TEXT), "name in records and metrics" },
  { "url", OTHER(TEXT), "https, http or unix:/SOCKET:/PATH" },
  { "shape", A_WORD(external, rec.shape, shape_words), "form of requests and responses" },
  { "entities", OTHER(TEXTS), "entities that it may report" },
  { "map", OTHER(MAPOF(EITHER("\"type\":\"null\"", TEXTS))), "the recognizer's names, each with our entity; with shape json also a list of entities, or null: nothing was found" },
  { "class", OTHER(TEXT), "class of entities that only this recognizer finds" },
  { "language", A_TEXT(external, rec.language), "language of the segments" },
  { "model", A_TEXT(external, rec.model), "model that the request names" },
  { "score_threshold", OTHER(NUMBER), "findings below it do not count" },
  { "request", OTHER(""), "the body to send, with ${text} in place of the text" },
  { "answer", OTHER(REF("answer")), "where the fields of the response are" },
  { "batch", A_BOOL(external, rec.batch), "several segments in one call" },
  { "when", OTHER(TEXT), "condition for asking the recognizer" },
  { "roles", OTHER(TEXTS), "roles of the segments that it gets" },
  { "timeout", A_DURATION(external, timeout_us, MS, 60 * S), "time for all calls of one request" },
  { "concurrency", A_COUNT(external, concurrency, 1, 256), "concurrent calls of each worker" },
  { "max_bytes", A_SIZE(external, max_bytes, 256, 8 << 20), "most bytes of segments in one call" },
  { "on_failure", A_WORD(external, outcome, outcome_words), "outcome if the recognizer does not respond" },
  { "cache", OTHER(EITHER(ONE("false"), REF("cache"))), "how long results are kept" },
  { "breaker", OTHER(REF("breaker")), "when a failing recognizer is not asked any more" },
  { "headers", OTHER(MAPOF(TEXT)), "headers to send" },
  { "token_file", OTHER(TEXT), "file with a bearer token to send" },
  { "credential", OTHER(TEXT), "name of an entry of credentials in tollgate.yaml" },
  { "ca_file", A_PATH(external, ca_file), "authorities to trust" },
}},
[SECTION_ANSWER] = { "answer", .fields = {
  { "results", OTHER(TEXT), "JSON pointer to the results of a batch" },
  { "items", OTHER(TEXT), "JSON pointer to the findings" },
  { "label", OTHER(TEXTS), "JSON pointer to a finding's name, or a list of them: each name is looked up in map" },
  { "score", OTHER(TEXT), "JSON pointer to a finding's score" },
  { "score_max", OTHER(NUMBER), "highest score of the recognizer, which counts as 1" },
}},
[SECTION_CACHE] = { "cache", .fields = {
  { "entries", A_COUNT(external, cache_entries, 0, 1000000), "results that each worker keeps" },
  { "ttl", A_DURATION(external, cache_ttl_us, S, DAY), "how long a result is kept" },
}},
[SECTION_BREAKER] = { "breaker", .fields = {
  { "failures", A_COUNT(external, breaker_failures, 1, 1000), "consecutive failures after which the recognizer is not asked" },
  { "open", A_DURATION(external, breaker_open_us, 10 * MS, 600 * S), "time for which the recognizer is not asked" },
}},
[SECTION_TRANSCRIBER] = { "transcriber", "[\"name\",\"url\"]", .fields = {
  { "name", OTHER(TEXT), "name in records and metrics" },
  { "url", OTHER(TEXT), "https, http or unix:/SOCKET:/PATH of POST /v1/audio/transcriptions" },
  { "when", OTHER(TEXT), "condition for asking the transcriber" },
  { "model", A_TEXT(transcriber, form.model), "model that the request names" },
  { "language", A_TEXT(transcriber, form.language), "language of the speech, such as en; default: the transcriber finds it" },
  { "format", A_WORD(transcriber, form.format, transcript_words), "form of responses; only verbose_json has times and languages" },
  { "deadline", A_DURATION(transcriber, deadline_us, 100 * MS, 600 * S), "time for one sound" },
  { "concurrency", A_COUNT(transcriber, concurrency, 1, 16), "concurrent calls of each worker" },
  { "max_seconds", A_COUNT(transcriber, max_s, 1, 14400), "longest sound in seconds" },
  { "stereo", A_FLAG(transcriber, mixed, stereo_words), "split: each channel of a WAV is transcribed, and other sounds of several channels stay uninspected; mixed: these are sent as they are" },
  { "cache", A_BOOL(transcriber, cached), "remember transcripts by a keyed hash of the sound" },
  { "breaker_failures", A_COUNT(transcriber, breaker_failures, 1, 1000), "consecutive failures after which the transcriber is not asked" },
  { "breaker_open", A_DURATION(transcriber, breaker_open_us, 10 * MS, 600 * S), "time for which the transcriber is not asked" },
  { "on_failure", A_FLAG(transcriber, passes, transcriber_failure_words), "unreadable: on_failure.unreadable decides about a sound without transcript; permit: it passes" },
  { "token_file", OTHER(TEXT), "file with a bearer token to send" },
  { "ca_file", A_PATH(transcriber, ca_file), "authorities to trust" },
}},
[SECTION_CLASS] = { "class", .fields = {
  { "entity", OTHER(TEXT), "name of the entity that its words and patterns find" },
  { "entities", OTHER(TEXTS), "members" },
  { "classes", OTHER(TEXTS), "classes whose members it also has" },
  { "without", OTHER(TEXTS), "entities that are removed from its members" },
  { "roles", OTHER(TEXTS), "count findings in segments of these roles only; default: all" },
  { "words", OTHER(TEXTS), "words that are found exactly" },
  { "patterns", OTHER(TEXTS), "regular expressions" },
  { "context", OTHER(TEXTS), "nearby words that raise the score" },
  { "against", OTHER(TEXTS), "nearby words that lower the score" },
  { "dictionary", OTHER(TEXT), "file of words" },
  { "fingerprints", OTHER(TEXT), "file of documents' fingerprints" },
  { "shingles", OTHER(COUNT), "least number of a document's shingles that must be found" },
  { "threshold", OTHER(SCORE), "least score" },
  { "case", A_BOOL(detect_own, exact_case), "whether upper and lower case differ" },
}},
[SECTION_PROVIDER] = { "provider", .fields = {
  { "backend", OTHER(TEXT), "HAProxy backend" },
  { "dialect", OTHER(TEXT), "wire format" },
  { "speaks", OTHER(TEXTS), "forms of requests that it accepts, best first: chat, responses, messages, generate, converse, embeddings; default: the forms of its dialect" },
  { "external", A_BOOL(provider, external), "true: the provider is outside of the company" },
  { "headers", OTHER(TEXTS), "names of headers that an external provider receives besides those that its API needs" },
  { "threads", A_BOOL(provider, threads), "the provider keeps Anthropic's message threads; default: true for dialect anthropic" },
  { "bills_after_close", A_BOOL(provider, bills_on), "the provider bills a whole stream even if the connection closes before its end; default: true for the dialects bedrock, gemini and mistral" },
  { "region", A_TEXT(provider, region), "region of the provider" },
  { "prices", A_TEXT(provider, prices), "list of the price file; default: the list with the name of the provider or of its dialect" },
  { "via", A_FLAG(provider, relay, via_words), "relay: requests never go direct, so that heads and trailers of responses are filtered" },
  { "breaker", OTHER(REF("target_breaker")), "when its targets get no requests; default: on for routes with several targets" },
  { "concurrent", A_UNSIGNED(provider, concurrent, 1, 1000000), "most requests in flight from one daemon" },
}},
[SECTION_TARGET_BREAKER] = { "target_breaker", .fields = {
  { "failures", A_UNSIGNED(breaker, failures, 1, 1000), "consecutive failures after which a target gets no requests" },
  { "open", A_DURATION(breaker, open_us, 10 * MS, 600 * S), "first pause, doubled after each further failure" },
}},
[SECTION_ROUTE] = { "route", "[\"name\",\"match\"]", .fields = {
  { "name", OTHER(TEXT), "name in rules, records and scopes of keys" },
  { "match", OTHER(REF("match")), "requests of the route" },
  { "dialect", OTHER(TEXT), "wire format; default: the target's" },
  { "backend", OTHER(TEXT), "HAProxy backend, for a route without targets" },
  { "targets", OTHER(REF("targets")), "providers, in order of preference" },
  { "choose", OTHER(REF("choose")), "which target is tried first" },
  { "retry", OTHER(REF("retry")), "which attempts are repeated, and how long they may take" },
  { "via", A_FLAG(route, direct, route_via_words), "direct: one attempt, so that no request needs the relay for a second one; relay: requests never go direct" },
  { "response", OTHER(TEXTS), "ignore, or how the response is handled: meter, inspect, restore, restore_urls, record" },
  { "record", OTHER(REF("record")), "how prompts and responses are recorded" },
  { "about", OTHER(REF("about")), "purpose of the route, for records" },
  { "login", OTHER(REF("login")), "for a route to an MCP server: where its clients get tokens (RFC 9728)" },
  { "mcp", OTHER(REF("joined")), "for a route with several MCP servers: how they are joined" },
  { "restore", OTHER(REF("restore")), "rows of tools for this route alone" },
  { "translate", OTHER(REF("translate")), "fields that a translation to another form may drop" },
  { "cache", OTHER(REF("route_cache")), "stored responses for equal or similar requests" },
  { "on_failure", OTHER(REF("on_failure")), "replaces the policy's on_failure" },
  { "reserve", A_WORD(route, reserve, reserve_words), "cap: reserve the request's cap, and send output_default if it has none; learned: reserve and send the usual size of responses; estimate: reserve output_default and send no cap" },
  { "deadline", A_DURATION(route, deadline_us, S, DAY), "longest time of a request with its response" },
  { "user_text", A_WORD(route, user_text, user_text_words), "mixed: clients put texts of others into the person's messages, so no value counts as one that the person wrote" },
  { "show_cost", A_BOOL(route, show_cost), "replaces the policy's show_cost" },
  { "websocket", OTHER(EITHER(BOOL, REF("websocket"))), "serve WebSockets of realtime sessions, with a decision on each message; default false: 426" },
  { "realtime", OTHER(REF("realtime")), "sound in realtime sessions, and sessions outside of the gateway" },
}},
[SECTION_REALTIME] = { "realtime", .fields = {
  { "webrtc", A_FLAG(route, beside, effect_words), "permit: sessions over WebRTC and SIP, and client secrets, may be opened, and the gateway inspects nothing of them; default deny" },
  { "audio", A_WORD(route, audio, audio_words), "sound in sessions: required: it is sent after its transcript is permitted; judged: a response is requested after that; permit: it passes; unreadable (default): on_failure.unreadable decides" },
  { "transcription", A_TEXT(route, transcription), "audio: judged: the model of OpenAI's own transcripts; default gpt-4o-mini-transcribe" },
}},
[SECTION_WEBSOCKET] = { "websocket", .fields = {
  { "message", A_SIZE(route, websocket, 1024, CAP_SOCKET_MESSAGE_MAX), "the longest message; default 1MB" },
}},
[SECTION_ABOUT] = { "about", .fields = {
  { "use_case", A_TEXT(about, use_case), "what people use the route for" },
  { "risk", A_TEXT(about, risk), "its risk class in your own words, such as high" },
  { "operation", OTHER(TEXT), "a name by which records can be searched and listed" },
  { "reviewer", A_TEXT(about, reviewer), "person or team that oversees the route" },
}},
[SECTION_LOGIN] = { "login", "[\"authorization_servers\"]", .fields = {
  { "resource", OTHER(TEXT), "URL that clients use: https, host and path; default: made of the route's one host and one path" },
  { "authorization_servers", OTHER(TEXTS), "https URLs of the issuers of tokens" },
  { "scopes_supported", OTHER(TEXTS), "scopes that tokens may have" },
  { "scope", OTHER(TEXT), "scopes of a first login, separated by spaces; default: scopes_supported" },
}},
[SECTION_JOINED] = { "joined", .fields = {
  { "names", A_WORD(route, joined_names, joined_words), "prefixed: each tool's name begins with its provider's name and __" },
  { "list_deadline", A_DURATION(route, list_deadline_us, 100 * MS, 60 * S), "longest time for the servers' responses to a list; default 2s" },
}},
[SECTION_MATCH] = { "match", .fields = {
  { "methods", OTHER(TEXTS), "HTTP methods; default: all" },
  { "path", OTHER(TEXTS), "whole paths in normal form" },
  { "path_prefix", OTHER(TEXTS), "beginnings of paths, in whole segments" },
  { "api", OTHER(TEXT), "a dialect: all its paths, below path_prefix if there is one" },
  { "host", OTHER(TEXTS), "host names without port, or *.example.com" },
}},
[SECTION_TARGET] = { "target", "[\"provider\"]", .fields = {
  { "provider", OTHER(TEXT), "name of a provider" },
  { "model", OTHER(TEXT), "model that replaces the request's" },
  { "weight", A_UNSIGNED(target, weight, 1, 10000), "share of requests if targets are drawn by weight or latency" },
  { "when", OTHER(EITHER("\"type\":\"string\"", BOOL)), "on a joined route: a condition in CEL that decides which callers have the server; default: all" },
  { "priority", A_UNSIGNED(target, priority, 1, 100), "group, 1 first: a later group is used only if no target of an earlier group is available" },
}},
[SECTION_CHOOSE] = { "choose", .fields = {
  { "by", A_WORD(choose, by, by_words), "which target is tried first" },
  { "sticky", A_WORD(choose, sticky, sticky_words), "requests of one conversation, or of one caller, keep their target" },
}},
[SECTION_RETRY] = { "retry", .fields = {
  { "attempts", A_UNSIGNED(retry, attempts, 1, RETRY_ATTEMPTS_MAX), "most attempts, the first included; default: the number of targets, at most 3" },
  { "first_byte", A_DURATION(retry, first_byte_us, 10 * MS, 3600 * S), "for streams: from the last byte of the request to the head of the response" },
  { "first_content", A_DURATION(retry, first_content_us, 10 * MS, 3600 * S), "for streams: from the last byte of the request to the first content" },
  { "idle", A_DURATION(retry, idle_us, 10 * MS, 3600 * S), "longest pause between two events of a stream" },
  { "whole", A_DURATION(retry, whole_us, 10 * MS, 3600 * S), "for other responses: from the last byte of the request to the head of the response" },
  { "overall", A_DURATION(retry, overall_us, 10 * MS, 3600 * S), "all attempts, until the first content of a stream or the head of another response" },
  { "on", OTHER(TEXTS), "never_sent, throttled, refused_us, perhaps_billed; default: all" },
}},
[SECTION_MODEL] = { "model", "[\"targets\"]", .fields = {
  { "targets", OTHER(REF("targets")), "providers and models; a route uses those whose provider it lists" },
  { "choose", OTHER(REF("choose")), "replaces the route's choose" },
}},
[SECTION_RECORD] = { "record", .fields = {
  { "prompt", A_WORD(route, record_prompt, text_words), "hash: a keyed hash; off: nothing; redacted: sealed, as it is sent; full: sealed, as it was received" },
  { "response", A_WORD(route, record_answer, text_words), "the same for the response; implies response: [record]" },
  { "tools", A_WORD(route, record_tools, text_words), "the same for arguments and results of tool calls" },
  { "find", A_FLAG(route, find_all, find_words), "used: entities that the policy can use; all: every entity, for records" },
  { "receipt", A_BOOL(route, receipt), "send x-tollgate-receipt with the id of the record" },
}},
[SECTION_RESTORE] = { "restore", "[\"tools\"]", .fields = {
  { "tools", OTHER(TEXTS), "tools with arguments: stay, before the rows of the policy's tools" },
}},
[SECTION_TRANSLATE] = { "translate", "[\"drop\"]", .fields = {
  { "drop", OTHER(TEXTS), "members that may be dropped if the target's form has no place for them: top_k, messages[*].name" },
}},
[SECTION_ROUTE_CACHE] = { "route_cache", "[\"exact\"]", .fields = {
  { "exact", OTHER(REF("cache_exact")), "a stored response for an equal request" },
  { "near", OTHER(EITHER(BOOL, REF("cache_near"))), "also for a request whose prompt differs in polite phrases and spaces only; default false" },
  { "semantic", OTHER(REF("cache_semantic")), "also for a request with a similar meaning, by the vectors of embeddings; numbers, names and negations must be equal" },
}},
[SECTION_CACHE_EXACT] = { "cache_exact", "[\"ttl\"]", .fields = {
  { "ttl", A_DURATION(route_cache, ttl_us, S, 30 * DAY), "how long responses are stored" },
  { "per", A_WORD(route_cache, per, per_words), "callers who share responses: one caller, a team, or all callers of the issuer if no personal data was found" },
  { "temperature", OTHER(EITHER(BOOL, "\"type\":\"number\",\"minimum\":0,\"maximum\":2")), "highest temperature of requests whose responses are stored: 0 to 2, true for any, default 0; a request without temperature has 1" },
  { "tools", A_BOOL(route_cache, tools), "store responses with tool calls too" },
  { "ignore_headers", OTHER(TEXTS), "header fields of callers that do not affect responses; x-app-*: all fields that begin with x-app-" },
  { "key_headers", OTHER(TEXTS), "header fields of callers that affect responses: for each value, responses are stored separately" },
}},
[SECTION_CACHE_NEAR] = { "cache_near", .fields = {
  { "similarity", OTHER("\"type\":\"number\",\"minimum\":0.9,\"maximum\":1"), "least similarity of both prompts as written: 0.9 to 1, default 0.9" },
  { "courtesy", OTHER(TEXT), "file of polite phrases by language; default: the built-in file" },
}},
[SECTION_CACHE_SEMANTIC] = { "cache_semantic", "[\"embeddings\"]", .fields = {
  { "embeddings", OTHER(TEXT), "PROVIDER/MODEL: a provider with dialect openai, and one of its embeddings models" },
  { "similarity", OTHER("\"type\":\"number\",\"minimum\":0.8,\"maximum\":1"), "least cosine of both prompts' vectors: 0.8 to 1, default 0.95" },
}},
[SECTION_TOOL] = { "tool", "[\"names\",\"arguments\"]", .fields = {
  { "names", OTHER(TEXTS), "names of tools, as models write them, or patterns such as *__write_file; the first row that matches applies" },
  { "arguments", A_WORD(tool_row, arguments, argument_words), "stay: written to files of the caller's machine; command: a shell command, which itself determines where they go; leave: sent to other machines; call: they name another tool, whose row applies" },
}},
[SECTION_LABEL] = { "label", .fields = {
  { "results_of", OTHER(TEXTS), "tools whose results have the label: SERVER/TOOL, a name alone, or patterns such as web/*" },
  { "documents", A_BOOL(label, documents), "documents in requests have the label too" },
  { "fields", OTHER(MAPOF(TEXTS)), "for untrusted: members of a tool's results that count as fields and not as text, such as account.iban" },
}},
[SECTION_RULE] = { "rule", "[\"name\"]", .fields = {
  { "name", OTHER(TEXT), "name in records, headers and errors" },
  { "when", OTHER(EITHER("\"type\":\"string\"", BOOL)), "a condition in CEL; default: always" },
  { "deny", OTHER(EITHER(ONE("true"), REF("deny"))), "deny the request and end the evaluation" },
  { "permit", OTHER(ONE("true")), "permit the request and end the evaluation" },
  { "redact", OTHER(REF("redact")), "replace findings" },
  { "route", OTHER(REF("effect_route")), "other targets, or another model" },
  { "max_output_tokens", OTHER(COUNT), "cap on the output; of several, the lowest applies" },
  { "tag", OTHER(TEXTS), "tags for the record" },
  { "require", OTHER(TEXTS), "external recognizers that must respond; ocr: pictures are read" },
  { "set_headers", OTHER(MAPOF(TEXT)), "headers toward the provider" },
  { "on_error", A_FLAG(rule, skip_on_error, skip_words), "effect of a condition that fails at run time" },
  { "mode", A_FLAG(rule, shadow, mode_words), "shadow: recorded but not enforced" },
  { "phase", A_WORD(rule, phase, phase_words), "when the rule is evaluated; response: deny, redact and tag only; tool: permit too" },
}},
[SECTION_DENY] = { "deny", .fields = {
  { "status", OTHER(ONE(DENIED_WITH)), "default 403" },
  { "reason", A_TEXT(rule, reason), "one line for the caller" },
  { "as", A_FLAG(rule, as_error, as_words), "for phase: tool: result, which the agent reads before it continues, or a JSON-RPC error" },
  { "scope", OTHER(TEXT), "scope that the caller's token lacks: 403 insufficient_scope, after which a client logs in again" },
  { "hide", A_BOOL(rule, hides), "for phase: tool: remove the tool from lists and from the tools of requests too" },
}},
[SECTION_REDACT] = { "redact", .fields = {
  { "classes", OTHER(TEXTS), "classes whose entities are replaced" },
  { "entities", OTHER(TEXTS), "entities that are replaced" },
  { "with", A_WORD(rule, with, with_words), "what replaces a value" },
  { "media", A_WORD(rule, strips, media_words), "files with findings, or that cannot be read: deny the request; strip: a text replaces the file; transcript: the redacted transcript replaces a sound with findings, and other files are stripped" },
}},
[SECTION_EFFECT_ROUTE] = { "effect_route", .fields = {
  { "targets", OTHER(TEXTS), "targets of the route that may stay, in this order if the route chooses by order" },
  { "model", OTHER(TEXT), "model that replaces the request's" },
}},
[SECTION_LIMIT] = { "limit", "[\"name\"]", limit_later, .fields = {
  { "name", OTHER(TEXT), "name, which is part of Redis keys" },
  { "when", OTHER(EITHER("\"type\":\"string\"", BOOL)), "a condition in CEL; default: always" },
  { "per", OTHER(TEXTS), "CEL expressions; each value has a counter of its own, and so has each member of a list" },
#define X(id, letter, unit, shown, traits, schema, key, name, words, help) { key, OTHER(schema), help },
  LIMIT_KINDS(X)
#undef X
#define X(key, id, per, help) { key, OTHER(COUNT), help },
  LIMIT_KEYS_PER(X)
#undef X
  { "window", OTHER(EITHER(DURATION, REF("limit_window"))), "length of the sliding window in whole seconds, or a calendar's window" },
  { "burst", OTHER(REF("burst")), "a bound for a shorter window" },
  { "soft", OTHER(TEXT), "amount from which callers are warned: a share such as 80%, or an amount" },
  { "at_soft", OTHER(REF("at_soft")), "changes to requests past soft" },
  { "at_limit", OTHER(REF("at_limit")), "changes to requests past the limit; otherwise they are refused" },
  { "cached_input", OTHER(TEXT), "share of the input from the provider's prompt cache that counts, such as 10%; default 100%" },
  { "orphan", A_WORD(limit, orphan, orphan_words), "for a calendar's window: a reservation whose daemon was lost is charged or dropped" },
  { "away", OTHER(EITHER(ONE("\"deny\",\"allow\""), REF("away"))), "decision while Redis does not answer; default: on_failure.quota" },
}},
[SECTION_WINDOW] = { "limit_window", "[\"calendar\"]", .fields = {
  { "calendar", A_WORD(limit, calendar, calendar_words), "the window begins with each hour, day, week or month" },
  { "zone", OTHER(TEXT), "time zone, such as Europe/Berlin; default UTC" },
}},
[SECTION_BURST] = { "burst", "[\"most\",\"window\"]", .fields = {
  { "most", OTHER(TEXT), "most in the shorter window, in the limit's unit" },
  { "window", A_SECONDS(limit, burst.window_s, S, 31 * DAY), "length of the shorter window" },
}},
[SECTION_AT_SOFT] = { "at_soft", .fields = {
  { "model", OTHER(TEXT), "model that replaces the request's" },
  { "max_output_tokens", A_COUNT(limit_change, max_output_tokens, 1, 10000000), "cap on the output" },
  { "tag", OTHER(TEXTS), "tags for the record" },
}},
[SECTION_AT_LIMIT] = { "at_limit", .fields = {
  { "model", OTHER(TEXT), "model that replaces the request's" },
  { "max_output_tokens", A_COUNT(limit_change, max_output_tokens, 1, 10000000), "cap on the output" },
  { "tag", OTHER(TEXTS), "tags for the record" },
  { "up_to", OTHER(TEXT), "amount up to which the limit applies to that model, in its unit; default: no further bound" },
}},
[SECTION_AWAY] = { "away", "[\"share\"]", .fields = {
  { "share", OTHER(TEXT), "share of the limit that all daemons together may use, such as 10%" },
  { "peers", A_COUNT(limit, peers, 1, 1000), "number of daemons that divide the share" },
}},
[SECTION_CONVERSATION] = { "conversation", "[\"header\"]", .fields = {
  { "header", A_TEXT(conversation_source, header), "name of a request header" },
}},
[SECTION_TAG] = { "tag", "[\"metadata\"]", .fields = {
  { "metadata", A_TEXT(tag_source, metadata), "a member of the body's metadata" },
}},
[SECTION_DATA_FILE] = { "data_file", "[\"file\"]", .fields = {
  { "file", OTHER(TEXT), "a mapping in YAML or JSON" },
  { "key", OTHER(TEXT), "the value is the row for this field, such as identity.person" },
}},
[SECTION_DATA_REDIS] = { "data_redis", "[\"redis\"]", .fields = {
  { "redis", A_TEXT(data_source, place), "key of a hash in Redis" },
  { "ttl", A_DURATION(data_source, ttl_us, 100 * MS, DAY), "how long a value is used" },
  { "on_failure", A_FLAG(data_source, skip, skip_words), "deny: 503; skip: no value" },
}},
[SECTION_DATA_URL] = { "data_url", "[\"url\"]", .fields = {
  { "url", A_TEXT(data_source, place), "URL of a JSON document" },
  { "ttl", A_DURATION(data_source, ttl_us, 100 * MS, DAY), "how long a value is used" },
  { "timeout", A_DURATION(data_source, timeout_us, MS, 10 * S), "time for one fetch" },
  { "on_failure", A_FLAG(data_source, skip, skip_words), "deny: 503; skip: no value" },
  { "token_file", OTHER(TEXT), "file with a bearer token to send" },
  { "ca_file", A_PATH(data_source, ca_file), "authorities to trust" },
}},
#define X(id, name, of, otherwise, help) { name, OTHER(NUMBER ",\"minimum\":0"), help },
[SECTION_UNKNOWN_PRICE] = { "unknown_price", "[\"input\",\"output\"]", .fields = {
  PRICE_TABLE(X)
  { "minute", OTHER(NUMBER ",\"minimum\":0"), "minutes of transcribed audio, in place of second" },
}},
[SECTION_PRICES] = { "prices", "[\"prices\",\"providers\"]", .fields = {
  { "prices", OTHER(ONE("1")), "version of this format" },
  { "as_of", OTHER(TEXT), "day on which the list was compared with the providers' pages" },
  { "tools", OTHER(MAPOF(ONE("\"image\",\"search\",\"maps\",\"session\",\"file_search\",\"tool_image\""))), "unit in which each use of a provider's tool is priced; * matches any text" },
  { "providers", OTHER(MAPOF(LIST(REF("price")))), "rows by provider, pattern or dialect" },
}},
[SECTION_PRICE] = { "price", "[\"model\",\"input\",\"output\"]", .fields = {
  { "model", OTHER(TEXTS), "names or patterns; * matches any text, and the most specific one applies" },
  { "from", OTHER(TEXT), "first day of the price (UTC); default: always" },
  PRICE_TABLE(X)
  { "minute", OTHER(NUMBER ",\"minimum\":0"), "minutes of transcribed audio, in place of second" },
  { "tiers", OTHER(LIST(REF("price_tier"))), "prices of long prompts" },
  { "where", OTHER(LIST(REF("price_where"))), "prices by parameters of the request; the first row that matches applies" },
  { "batch", OTHER(SHARE), "share of the prices that a batch costs" },
  { "flex", OTHER(SHARE), "share of the prices that service_tier flex costs" },
  { "priority", OTHER(SHARE), "share of the prices that service_tier priority costs" },
  { "fast", OTHER(SHARE), "share of the prices for speed fast or service_tier fast; default: that of priority" },
  { "us_only", OTHER(SHARE), "share of the prices for inference_geo us, in addition to the others" },
  { "shared", OTHER(LIST(ONE("\"image\",\"search\",\"maps\",\"session\",\"file_search\",\"tool_image\",\"second\",\"character\",\"cache_storage\",\"request\""))), "units other than tokens that the shares also multiply; by default they multiply prices of tokens only" },
}},
[SECTION_PRICE_TIER] = { "price_tier", "[\"input\",\"output\"]", .fields = {
  { "over", A_COUNT(price_tier, over, 1, 1ull << 40), "applies to prompts with more tokens" },
  { "from", A_COUNT(price_tier, from, 2, 1ull << 40), "applies to prompts with at least as many tokens" },
  PRICE_TABLE(X)
  { "minute", OTHER(NUMBER ",\"minimum\":0"), "minutes of transcribed audio, in place of second" },
}},
#undef X
[SECTION_PRICE_WHERE] = { "price_where", .fields = {
  { "size", A_TEXT(price_where, is[ASKED_SIZE]), "size of images, a pattern" },
  { "quality", A_TEXT(price_where, is[ASKED_QUALITY]), "quality of images, a pattern" },
  { "search_context", A_TEXT(price_where, is[ASKED_CONTEXT]), "search_context_size, a pattern" },
  { "region", A_TEXT(price_where, is[ASKED_REGION]), "region of the model or path, else of the provider, a pattern" },
  { "share", OTHER(SHARE), "share of the prices of tokens, in addition to the others" },
  { "image", OTHER(NUMBER ",\"minimum\":0"), "price of each" },
  { "tool_image", OTHER(NUMBER ",\"minimum\":0"), "price of each" },
  { "search", OTHER(NUMBER ",\"minimum\":0"), "price of each" },
  { "second", OTHER(NUMBER ",\"minimum\":0"), "price of each" },
  { "minute", OTHER(NUMBER ",\"minimum\":0"), "price of each, in place of second" },
  { "character", OTHER(NUMBER ",\"minimum\":0"), "price of each" },
}},
};
/* clang-format on */

const struct field *
section_field(enum section_name which, struct span key)
{
	for (const struct field *f = sections[which].fields; f->key; f++)
		if (span_is(key, f->key))
			return f;
	return NULL;
}

bool
section_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	enum section_name which, void *out)
{
	return fields_read(a, d, n, &sections[which], out);
}

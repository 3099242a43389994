/* The mappings of a policy's file as tables: which keys each has, what may be their values and
 * where plain ones go, and a sentence for the schema. Lengths, patterns of names and what only
 * the whole policy shows is checked by the code of the sections. */
#include "policy/section.h"

#include "policy/build.h"
#include "policy/config/read.h"
#include "policy/config/rows.h"
#include "scan/detect/custom/custom.h"

#define S   SECOND_US
#define DAY (86400 * S)

/* clang-format off */
/* Words of values. A value ends as their index. */
const char *const identity_words[] = { "jwt", "signed_headers", "client_certificate", "api_key", "none", NULL }; /* enum identity_kind */
const char *const shape_words[] = { "presidio", "json", "openai_moderation", NULL }; /* enum recognizer_shape */
const char *const outcome_words[] = { "deny", "permit", "redact", NULL }; /* enum outcome */
const char *const effect_words[] = { "deny", "permit", NULL };
static const char *const signed_words[] = { "drop", "deny", "leave", NULL }; /* enum signed_reasoning */
static const char *const media_words[] = { "deny", "strip", NULL };
static const char *const with_words[] = { "placeholder", "mask", "hash", "remove", "last4", NULL }; /* enum redact_style */
static const char *const text_words[] = { "hash", "off", "redacted", "full", NULL }; /* enum record_text */
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
static const char *const by_words[] = { "order", "weight", "latency", "price", NULL }; /* enum choose_by */
static const char *const sticky_words[] = { "none", "conversation", "identity", NULL }; /* enum choose_sticky */

static const char *const per_words[] = { "identity", "team", "org", NULL }; /* enum cache_per */

static const char *const limit_later[] = { "sliding", NULL }; /* keys of a later version */

#define OUTCOME ONE("\"deny\",\"permit\",\"redact\"")

const struct section sections[] = {
[SECTION_POLICY] = { "policy", .fields = {
  { "tollgate", OTHER(ONE("1")), "version of this language" },
  { "name", OTHER(TEXT), "the policy's name: records say name@version" },
  { "mode", A_FLAG(policy, shadow, mode_words), "shadow: denials and redactions by rules are recorded, not enforced" },
  { "on_failure", OTHER(REF("on_failure")), "what to do where a part cannot answer" },
  { "identity", OTHER(LIST(REF("identity"))), "which credentials are looked for; the first that is present decides" },
  { "classes", OTHER(MAPOF(REF("class_value"))), "groups of entities that rules speak of" },
  { "detectors", OTHER(REF("detectors")), "thresholds of detection, and recognizers outside" },
  { "placeholder", OTHER(REF("placeholder")), "how the text that takes a value's place is written" },
  { "providers", OTHER(MAPOF(REF("provider"))), "where requests may go" },
  { "models", OTHER(MAPOF(REF("model"))), "names that callers may ask for, and the targets that they stand for" },
  { "routes", OTHER(LIST(REF("route"))), "which requests are served; none matches: 404" },
  { "rules", OTHER(LIST(REF("rule"))), "top to bottom; deny and permit end it, the others add up" },
  { "operations", OTHER(MAPOF(TEXTS)), "a name, and the tools that it stands for: SERVER/TOOL, SERVER/*, or /TOOL in models' answers; records are searched and listed by it" },
  { "default", A_FLAG(policy, default_permit, effect_words), "where no rule ends it" },
  { "limits", OTHER(LIST(REF("limit"))), "how much" },
  { "output_default", OTHER(EITHER(COUNT, MAPOF(COUNT))), "tokens of an answer where the request states no cap; or such by patterns of models" },
  { "tool_calls_default", A_COUNT(policy, tool_calls_default, 0, 1000), "searches, or sessions, reserved for a paid tool where the request states no number" },
  { "prices", OTHER(TEXT), "file of prices: what usage costs" },
  { "unknown_price", OTHER(EITHER(ONE("\"deny\""), REF("unknown_price"))), "what a model costs that the file does not name; deny: limits in dollars refuse it" },
  { "show_cost", A_BOOL(policy, show_cost), "x-tollgate-cost on whole answers" },
  { "observe", OTHER(REF("observe")), "hosts whose callers without a key of ours pass, until a date: a cutover" },
  { "probe", A_FLAG(policy, probe_provider, probe_words), "how far requests of check --probe go; guard: HAProxy answers them before the provider" },
  { "conversation", OTHER(LIST(EITHER(ONE("\"dialect\",\"hash\""), REF("conversation")))), "where request.conversation comes from: the first that gives one" },
  { "tags", OTHER(LIST(EITHER(ONE("\"user\""), REF("tag")))), "what callers say of a request that becomes a tag of its records" },
  { "include", OTHER(TEXTS), "files that are part of this policy, above what stands here" },
  { "data", OTHER(MAPOF(REF("data"))), "what conditions read from outside, as data.NAME" },
}},
[SECTION_OBSERVE] = { "observe", "[\"hosts\",\"backend\",\"until\"]", .fields = {
  { "hosts", OTHER(TEXTS), "without port; *.example.com" },
  { "backend", OTHER(TEXT), "HAProxy backend that sets no credential of its own" },
  { "until", OTHER(TEXT), "a date or time, at most 90 days ahead" },
}},
[SECTION_ON_FAILURE] = { "on_failure", .fields = {
  { "classifier", OTHER(EITHER(OUTCOME, MAPOF(OUTCOME))), "the body could not be classified; by what our own detectors found of it: classes, and default" },
  { "quota", OTHER(EITHER(ONE("\"deny\",\"permit\""), REF("local"))), "Redis does not answer in time" },
  { "audit", A_WORD(on_failure, audit, effect_words), "the record cannot be written" },
  { "unreadable", A_WORD(on_failure, unreadable, effect_words), "images, audio, files and other parts that are not read" },
  { "signed", A_WORD(on_failure, signed_reasoning, signed_words), "reasoning under a provider's signature in which something would be replaced" },
}},
[SECTION_LOCAL] = { "local", "[\"local\"]", .fields = {
  { "local", OTHER(TEXT), "share of each limit that all daemons together may spend on their own: 10%" },
  { "peers", OTHER(COUNT), "how many daemons there are" },
}},
[SECTION_JWT] = { "jwt", .fields = {
  { "header", OTHER(TEXT), "where it is; default authorization, with Bearer" },
  { "query", OTHER(TEXT), "the parameter of the query where it is, in place of a header" },
  { "issuer", OTHER(TEXT), "iss must be this" },
  { "audience", OTHER(TEXTS), "aud must hold one of them" },
  { "jwks", OTHER(TEXT), "the issuer's keys: a file or an https URL" },
  { "secret", OTHER(TEXT), "file:PATH or ${NAME}: key of HS256 to HS512" },
  { "ca_file", A_PATH(identity_entry, ca_file), "certificates to trust for the URL" },
  { "refresh", A_DURATION(identity_entry, refresh_us, S, DAY), "keys are fetched again after it" },
  { "max_stale", A_DURATION(identity_entry, stale_us, S, 30 * DAY), "keys that cannot be refreshed verify so long" },
  { "algorithms", OTHER(TEXTS), "what the issuer signs with" },
  { "max_age", A_SECONDS(identity_entry, max_age_s, S, 365 * DAY), "since the token was issued" },
  { "leeway", A_SECONDS(identity_entry, leeway_s, 0, 600 * S), "of its times" },
  { "claims", OTHER(REF("claims")), "which claim is what" },
  { "realm", A_TEXT(identity_entry, realm), "its persons are REALM/NAME" },
  { "record", OTHER(TEXTS), "claims that records keep" },
  { "demo_issuer", OTHER(BOOL), "the issuer that tollgate.yaml names; tests and demo only" },
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
  { "prefix", OTHER(TEXT), "of the headers that are signed" },
  { "signature", OTHER(TEXT), "the header with the signature" },
  { "keys", A_PATH(identity_entry, keys_file), "file of keys" },
  { "max_skew", A_SECONDS(identity_entry, max_skew_s, S, 600 * S), "of the time that is signed" },
  { "realm", A_TEXT(identity_entry, realm), "its persons are REALM/NAME" },
  { "record", OTHER(TEXTS), "attributes that records keep" },
}},
[SECTION_CLIENT_CERTIFICATE] = { "client_certificate", .fields = {
  { "person", A_TEXT(identity_entry, claims.person), "field of the certificate" },
  { "agent", A_TEXT(identity_entry, claims.agent), "field of the certificate" },
  { "roles", A_TEXT(identity_entry, claims.roles), "field of the certificate" },
  { "department", A_TEXT(identity_entry, claims.department), "field of the certificate" },
  { "team", A_TEXT(identity_entry, claims.team), "field of the certificate" },
  { "tier", A_TEXT(identity_entry, claims.tier), "field of the certificate" },
  { "trust_domain", A_TEXT(identity_entry, trust_domain), "of its SPIFFE id" },
  { "realm", A_TEXT(identity_entry, realm), "its persons are REALM/NAME" },
  { "record", OTHER(TEXTS), "fields that records keep" },
}},
[SECTION_API_KEY] = { "api_key", .fields = {
  { "header", OTHER(TEXT), "where it is; default authorization, with Bearer" },
  { "keys", A_PATH(identity_entry, keys_file), "file of keys, made by tollgate key new" },
  { "subject", A_FLAG(identity_entry, subject_owner, subject_words), "who the person is: the key's person or its owner" },
  { "record", OTHER(TEXTS), "attributes that records keep" },
}},
[SECTION_NONE] = { "none", .fields = {
  { "person", A_TEXT(identity_entry, person), "the name recorded for callers without credential" },
}},
[SECTION_DETECTORS] = { "detectors", .fields = {
  { "thresholds", OTHER(MAPOF(SCORE)), "least score, by entity" },
  { "samples", A_FLAG(policy, skip_samples, sample_words), "published samples, such as test cards" },
  { "names", A_FLAG(policy, labeled_names, names_words), "labeled: names of people only behind a label" },
  { "injection", OTHER(REF("injection")), "the injection model" },
  { "external", OTHER(LIST(REF("external"))), "recognizers that are asked over HTTP" },
}},
[SECTION_INJECTION] = { "injection", .fields = {
  { "model", OTHER(TEXT), "file of another model" },
  { "patterns", OTHER(MAPOF(BOOL)), "false: this pattern does not count" },
}},
[SECTION_PLACEHOLDER] = { "placeholder", .fields = {
  { "form", A_FLAG(policy, plain_placeholders, form_words), "plain: EMAIL_ADDRESS_1, letters, digits and _ alone; default <EMAIL_ADDRESS_1>" },
}},
[SECTION_EXTERNAL] = { "external", "[\"name\",\"url\"]", .fields = {
  { "name", OTHER(TEXT), "in records and metrics" },
  { "url", OTHER(TEXT), "https, http or unix:/SOCKET:/PATH" },
  { "shape", A_WORD(external, rec.shape, shape_words), "of requests and answers" },
  { "entities", OTHER(TEXTS), "what it may report" },
  { "map", OTHER(MAPOF(TEXT)), "their names for our entities" },
  { "class", OTHER(TEXT), "of entities that only it finds" },
  { "language", A_TEXT(external, rec.language), "of the texts" },
  { "model", A_TEXT(external, rec.model), "named in the request" },
  { "score_threshold", OTHER(NUMBER), "findings below it do not count" },
  { "request", OTHER(""), "the body to send, with ${text} in place of the text" },
  { "answer", OTHER(REF("answer")), "where things stand in the answer" },
  { "batch", A_BOOL(external, rec.batch), "it takes several texts a call" },
  { "when", OTHER(TEXT), "a condition: when it is asked" },
  { "roles", OTHER(TEXTS), "which texts it is asked about" },
  { "timeout", A_DURATION(external, timeout_us, MS, 60 * S), "for one request, however many calls that takes" },
  { "concurrency", A_COUNT(external, concurrency, 1, 256), "calls at once, a worker" },
  { "max_bytes", A_SIZE(external, max_bytes, 256, 8 << 20), "of text in one call" },
  { "on_failure", A_WORD(external, outcome, outcome_words), "where it is silent" },
  { "cache", OTHER(EITHER(ONE("false"), REF("cache"))), "of answers" },
  { "breaker", OTHER(REF("breaker")), "when it is not asked for a while" },
  { "headers", OTHER(MAPOF(TEXT)), "to send" },
  { "token_file", OTHER(TEXT), "file with a bearer token to send" },
  { "ca_file", A_PATH(external, ca_file), "certificates to trust" },
}},
[SECTION_ANSWER] = { "answer", .fields = {
  { "results", OTHER(TEXT), "JSON pointer to the results of a batch" },
  { "items", OTHER(TEXT), "JSON pointer to the findings" },
  { "label", OTHER(TEXT), "JSON pointer to a finding's name" },
  { "score", OTHER(TEXT), "JSON pointer to its score" },
}},
[SECTION_CACHE] = { "cache", .fields = {
  { "entries", A_COUNT(external, cache_entries, 0, 1000000), "answers remembered, a worker" },
  { "ttl", A_DURATION(external, cache_ttl_us, S, DAY), "how long" },
}},
[SECTION_BREAKER] = { "breaker", .fields = {
  { "failures", A_COUNT(external, breaker_failures, 1, 1000), "in a row, after which it is not asked" },
  { "open", A_DURATION(external, breaker_open_us, 10 * MS, 600 * S), "for so long" },
}},
[SECTION_CLASS] = { "class", .fields = {
  { "entity", OTHER(TEXT), "name of what its own words and patterns find" },
  { "entities", OTHER(TEXTS), "members" },
  { "classes", OTHER(TEXTS), "whose members are its own too" },
  { "without", OTHER(TEXTS), "no members" },
  { "roles", OTHER(TEXTS), "only what is found in their texts; default: any" },
  { "words", OTHER(TEXTS), "found as they are" },
  { "patterns", OTHER(TEXTS), "regular expressions" },
  { "context", OTHER(TEXTS), "words nearby that speak for it" },
  { "against", OTHER(TEXTS), "words nearby that speak against it" },
  { "dictionary", OTHER(TEXT), "file of words" },
  { "fingerprints", OTHER(TEXT), "file of documents' fingerprints" },
  { "shingles", OTHER(COUNT), "how many of a document must be found" },
  { "threshold", OTHER(SCORE), "least score" },
  { "case", A_BOOL(detect_own, exact_case), "capitals count" },
}},
[SECTION_PROVIDER] = { "provider", .fields = {
  { "backend", OTHER(TEXT), "HAProxy backend" },
  { "dialect", OTHER(TEXT), "wire format" },
  { "speaks", OTHER(TEXTS), "forms that it takes, best first: chat, responses, messages, generate, converse, embeddings; default: its dialect's" },
  { "external", A_BOOL(provider, external), "outside the company" },
  { "threads", A_BOOL(provider, threads), "it keeps Anthropic's message threads; default: with the dialect anthropic" },
  { "region", A_TEXT(provider, region), "where it is" },
  { "prices", A_TEXT(provider, prices), "which list of the price file; default: the one named as it, or as its dialect" },
  { "via", A_FLAG(provider, relay, via_words), "relay: never direct, so that heads and trailers of its answers are filtered" },
  { "breaker", OTHER(REF("target_breaker")), "when its targets are left alone; default: of a route's with a second target" },
  { "concurrent", A_UNSIGNED(provider, concurrent, 1, 1000000), "requests under way at it, of one daemon, at most" },
}},
[SECTION_TARGET_BREAKER] = { "target_breaker", .fields = {
  { "failures", A_UNSIGNED(breaker, failures, 1, 1000), "in a row, after which a target is left alone" },
  { "open", A_DURATION(breaker, open_us, 10 * MS, 600 * S), "for so long the first time, twice as long each time after" },
}},
[SECTION_ROUTE] = { "route", "[\"name\",\"match\"]", .fields = {
  { "name", OTHER(TEXT), "in rules, records and scopes of keys" },
  { "match", OTHER(REF("match")), "which requests" },
  { "dialect", OTHER(TEXT), "wire format; default: the target's" },
  { "backend", OTHER(TEXT), "HAProxy backend, where there are no targets" },
  { "targets", OTHER(REF("targets")), "providers, in order of preference" },
  { "choose", OTHER(REF("choose")), "which of them is tried first" },
  { "retry", OTHER(REF("retry")), "what is tried again, and how long it may take" },
  { "via", A_FLAG(route, direct, route_via_words), "direct: one attempt, so that nothing takes the relay for the sake of a second; relay: never direct" },
  { "response", OTHER(TEXTS), "ignore, or what is done with the answer: meter, inspect, restore, restore_urls, record" },
  { "record", OTHER(REF("record")), "what of the prompt and of the answer is recorded" },
  { "about", OTHER(REF("about")), "what it is for: into records, for those who ask by law" },
  { "login", OTHER(REF("login")), "of an MCP route: where its callers get tokens, as they are told (RFC 9728)" },
  { "restore", OTHER(REF("restore")), "where placeholders are put back beside a URL" },
  { "translate", OTHER(REF("translate")), "requests to a target that speaks another form" },
  { "cache", OTHER(REF("route_cache")), "answers that need no model" },
  { "on_failure", OTHER(REF("on_failure")), "in place of the policy's" },
  { "reserve", A_WORD(route, reserve, reserve_words), "cap: what the request asks for is held, and output_default is sent where it states no cap; learned: what its answers take, and no more is asked for; estimate: nothing is sent" },
  { "deadline", A_DURATION(route, deadline_us, S, DAY), "a request and its answer may last" },
  { "show_cost", A_BOOL(route, show_cost), "in place of the policy's" },
  { "websocket", OTHER(EITHER(BOOL, REF("websocket"))), "WebSockets of realtime sessions are decided, message by message; default false: 501" },
  { "realtime", OTHER(REF("realtime")), "realtime sessions that pass beside the gateway" },
}},
[SECTION_REALTIME] = { "realtime", .fields = {
  { "webrtc", A_FLAG(route, beside, effect_words), "permit: sessions over WebRTC and SIP, and secrets for sessions, may be opened, and nothing of them is inspected; default deny" },
}},
[SECTION_WEBSOCKET] = { "websocket", .fields = {
  { "message", A_SIZE(route, websocket, 1024, CAP_SOCKET_MESSAGE_MAX), "the longest message; default 1MB" },
}},
[SECTION_ABOUT] = { "about", .fields = {
  { "use_case", A_TEXT(about, use_case), "what people use it for" },
  { "risk", A_TEXT(about, risk), "its class of risk, in your own words, such as high" },
  { "operation", OTHER(TEXT), "a name, which records are searched and listed by" },
  { "reviewer", A_TEXT(about, reviewer), "who watches over it" },
}},
[SECTION_LOGIN] = { "login", "[\"authorization_servers\"]", .fields = {
  { "resource", OTHER(TEXT), "the URL that clients dial: https, host, path; default: of the route's one host and one path" },
  { "authorization_servers", OTHER(TEXTS), "issuers of tokens for it: https URLs" },
  { "scopes_supported", OTHER(TEXTS), "scopes that its tokens may have" },
  { "scope", OTHER(TEXT), "what a first login asks for, with spaces between; default: scopes_supported" },
}},
[SECTION_MATCH] = { "match", .fields = {
  { "methods", OTHER(TEXTS), "default: any" },
  { "path", OTHER(TEXTS), "whole, in normal form" },
  { "path_prefix", OTHER(TEXTS), "up to a whole segment" },
  { "api", OTHER(TEXT), "a dialect: all its paths, below path_prefix where there is one" },
  { "host", OTHER(TEXTS), "without port; *.example.com" },
}},
[SECTION_TARGET] = { "target", "[\"provider\"]", .fields = {
  { "provider", OTHER(TEXT), "one of providers" },
  { "model", OTHER(TEXT), "in place of the one asked for" },
  { "weight", A_UNSIGNED(target, weight, 1, 10000), "its share where targets are drawn: by weight, by latency" },
  { "priority", A_UNSIGNED(target, priority, 1, 100), "its group, 1 first: a later one only where those before have none left" },
}},
[SECTION_CHOOSE] = { "choose", .fields = {
  { "by", A_WORD(choose, by, by_words), "which target is tried first" },
  { "sticky", A_WORD(choose, sticky, sticky_words), "requests of one conversation, or of one caller, keep their target" },
}},
[SECTION_RETRY] = { "retry", .fields = {
  { "attempts", A_UNSIGNED(retry, attempts, 1, RETRY_ATTEMPTS_MAX), "at most, the first one too; default: as many as targets, 3 at most" },
  { "first_byte", A_DURATION(retry, first_byte_us, 10 * MS, 3600 * S), "of streams: from the request's last byte to the answer's head" },
  { "first_content", A_DURATION(retry, first_content_us, 10 * MS, 3600 * S), "from the request's last byte to the first content of a stream" },
  { "idle", A_DURATION(retry, idle_us, 10 * MS, 3600 * S), "between two events of a stream" },
  { "whole", A_DURATION(retry, whole_us, 10 * MS, 3600 * S), "of whole answers: from the request's last byte to the answer's head" },
  { "overall", A_DURATION(retry, overall_us, 10 * MS, 3600 * S), "all attempts, to the first content of a stream or the head of a whole answer" },
  { "on", OTHER(TEXTS), "never_sent, throttled, refused_us, perhaps_billed; default: all" },
}},
[SECTION_MODEL] = { "model", "[\"targets\"]", .fields = {
  { "targets", OTHER(REF("targets")), "providers and models; a route has those whose provider it lists" },
  { "choose", OTHER(REF("choose")), "in place of the route's" },
}},
[SECTION_RECORD] = { "record", .fields = {
  { "prompt", A_WORD(route, record_prompt, text_words), "a keyed hash; off: nothing; redacted: sealed, as it is sent; full: sealed, as it came" },
  { "response", A_WORD(route, record_answer, text_words), "of the answer likewise; as if response said record" },
  { "tools", A_WORD(route, record_tools, text_words), "of the arguments and results of calls likewise" },
  { "find", A_FLAG(route, find_all, find_words), "used: what the policy can use; all: every entity, for the record's sake" },
  { "receipt", A_BOOL(route, receipt), "x-tollgate-receipt: which record the caller can ask for" },
}},
[SECTION_RESTORE] = { "restore", "[\"tools\"]", .fields = {
  { "tools", OTHER(TEXTS), "that keep what they are called with: only the URL itself gets nothing back" },
}},
[SECTION_TRANSLATE] = { "translate", "[\"drop\"]", .fields = {
  { "drop", OTHER(TEXTS), "members that may go where the target's form has no place for them: top_k, messages[*].name" },
}},
[SECTION_ROUTE_CACHE] = { "route_cache", "[\"exact\"]", .fields = {
  { "exact", OTHER(REF("cache_exact")), "answers to the same request, given again without the model" },
  { "near", OTHER(EITHER(BOOL, REF("cache_near"))), "and to one whose prompt differs by courtesies and blanks alone; default false" },
  { "semantic", OTHER(REF("cache_semantic")), "and to one that means the same, by the vectors of embeddings; numbers, names and negations equal" },
}},
[SECTION_CACHE_EXACT] = { "cache_exact", "[\"ttl\"]", .fields = {
  { "ttl", A_DURATION(route_cache, ttl_us, S, 30 * DAY), "for so long" },
  { "per", A_WORD(route_cache, per, per_words), "to whom: the caller alone, his team, or all of his issuer where no personal data was found" },
  { "temperature", OTHER(EITHER(BOOL, "\"type\":\"number\",\"minimum\":0,\"maximum\":2")), "of requests whose answers are kept, at most: 0 to 2, true for any, default 0; a request that says none has 1" },
  { "tools", A_BOOL(route_cache, tools), "answers that call tools, too" },
  { "ignore_headers", OTHER(TEXTS), "header fields of callers on which no response depends; x-app-*: all that begin so" },
  { "key_headers", OTHER(TEXTS), "header fields of callers by whose value responses are stored separately" },
}},
[SECTION_CACHE_NEAR] = { "cache_near", .fields = {
  { "similarity", OTHER("\"type\":\"number\",\"minimum\":0.9,\"maximum\":1"), "of both prompts as they were written, at least: 0.9 to 1, default 0.9" },
  { "courtesy", OTHER(TEXT), "file of courtesies, by language; default: the one compiled in, policies/courtesy.yaml" },
}},
[SECTION_CACHE_SEMANTIC] = { "cache_semantic", "[\"embeddings\"]", .fields = {
  { "embeddings", OTHER(TEXT), "PROVIDER/MODEL: a provider of dialect openai, and one of its models of embeddings" },
  { "similarity", OTHER("\"type\":\"number\",\"minimum\":0.8,\"maximum\":1"), "of both prompts' vectors, at least: their cosine, 0.8 to 1, default 0.95" },
}},
[SECTION_RULE] = { "rule", "[\"name\"]", .fields = {
  { "name", OTHER(TEXT), "in records, headers and errors" },
  { "when", OTHER(EITHER("\"type\":\"string\"", BOOL)), "a condition in CEL; default: always" },
  { "deny", OTHER(EITHER(ONE("true"), REF("deny"))), "the request ends here" },
  { "permit", OTHER(ONE("true")), "no further rule is asked" },
  { "redact", OTHER(REF("redact")), "what was found is replaced" },
  { "route", OTHER(REF("effect_route")), "where it goes" },
  { "max_output_tokens", OTHER(COUNT), "at most; the lowest counts" },
  { "tag", OTHER(TEXTS), "words for the record" },
  { "require", OTHER(TEXTS), "external recognizers that must answer; ocr: pictures are read" },
  { "set_headers", OTHER(MAPOF(TEXT)), "for the provider" },
  { "on_error", A_FLAG(rule, skip_on_error, skip_words), "a condition that fails at run time" },
  { "mode", A_FLAG(rule, shadow, mode_words), "shadow: recorded, not enforced" },
  { "phase", A_WORD(rule, phase, phase_words), "what it is asked about; response: deny, redact and tag only; tool: and permit" },
}},
[SECTION_DENY] = { "deny", .fields = {
  { "status", OTHER(ONE("400,401,403,404,413,415,429,451,503")), "default 403" },
  { "reason", A_TEXT(rule, reason), "for the caller; one line" },
  { "as", A_FLAG(rule, as_error, as_words), "phase: tool: a result that the agent reads and goes on, or a JSON-RPC error" },
  { "scope", OTHER(TEXT), "that the caller's token lacks: 403 insufficient_scope, with which a client logs in anew" },
  { "hide", A_BOOL(rule, hides), "phase: tool: out of lists, and of the tools that a request offers, too" },
}},
[SECTION_REDACT] = { "redact", .fields = {
  { "classes", OTHER(TEXTS), "whose entities" },
  { "entities", OTHER(TEXTS), "which entities" },
  { "with", A_WORD(rule, with, with_words), "what stands in their place" },
  { "media", A_FLAG(rule, strips, media_words), "a file that holds some, or that nobody can read: the request is denied, or a text takes the file's place" },
}},
[SECTION_EFFECT_ROUTE] = { "effect_route", .fields = {
  { "targets", OTHER(TEXTS), "of the route's; where it goes by order, in this one" },
  { "model", OTHER(TEXT), "in place of the one asked for" },
}},
[SECTION_LIMIT] = { "limit", "[\"name\"]", limit_later, .fields = {
  { "name", OTHER(TEXT), "part of Redis keys" },
  { "when", OTHER(EITHER("\"type\":\"string\"", BOOL)), "a condition in CEL; default: always" },
  { "per", OTHER(TEXTS), "expressions in CEL whose values are counted apart; of a list each member" },
  { "requests", OTHER(COUNT), "at most in a window" },
  { "tokens", OTHER(COUNT), "input and output, at most in a window" },
  { "input_tokens", OTHER(COUNT), "at most in a window" },
  { "output_tokens", OTHER(COUNT), "at most in a window" },
  { "usd", OTHER(TEXT), "US dollars, at most in a window" },
  { "concurrent", OTHER(COUNT), "requests under way at once, at most" },
  { "tokens_per_request", OTHER(COUNT), "input and output of one request, at most" },
  { "tokens_per_conversation", OTHER(COUNT), "of one person in one conversation, at most; window: default 31d" },
  { "window", OTHER(EITHER(DURATION, REF("limit_window"))), "any run of so long, whole seconds; or a calendar's" },
  { "burst", OTHER(REF("burst")), "a bound for a shorter window too" },
  { "soft", OTHER(TEXT), "from here on callers are warned: a share such as 80%, or a count" },
  { "at_soft", OTHER(REF("at_soft")), "what becomes of requests beyond soft" },
  { "at_limit", OTHER(REF("at_limit")), "what becomes of a request that there is no room for, before it is refused" },
  { "orphan", A_WORD(limit, orphan, orphan_words), "a reservation whose daemon is lost; of a calendar's window" },
  { "away", OTHER(EITHER(ONE("\"deny\",\"allow\""), REF("away"))), "while Redis does not answer; default: on_failure.quota" },
}},
[SECTION_WINDOW] = { "limit_window", "[\"calendar\"]", .fields = {
  { "calendar", A_WORD(limit, calendar, calendar_words), "from the beginning of each on" },
  { "zone", OTHER(TEXT), "whose clock: Europe/Berlin; default UTC" },
}},
[SECTION_BURST] = { "burst", "[\"most\",\"window\"]", .fields = {
  { "most", OTHER(TEXT), "in the limit's unit" },
  { "window", A_SECONDS(limit, burst.window_s, S, 31 * DAY), "shorter than the limit's" },
}},
[SECTION_AT_SOFT] = { "at_soft", .fields = {
  { "model", OTHER(TEXT), "in place of the one asked for" },
  { "max_output_tokens", A_COUNT(limit_change, max_output_tokens, 1, 10000000), "at most" },
  { "tag", OTHER(TEXTS), "words for the record" },
}},
[SECTION_AT_LIMIT] = { "at_limit", .fields = {
  { "model", OTHER(TEXT), "in place of the one asked for" },
  { "max_output_tokens", A_COUNT(limit_change, max_output_tokens, 1, 10000000), "at most" },
  { "tag", OTHER(TEXTS), "words for the record" },
  { "up_to", OTHER(TEXT), "how far the limit itself goes with that model, in its unit; default: no further bound" },
}},
[SECTION_AWAY] = { "away", "[\"share\"]", .fields = {
  { "share", OTHER(TEXT), "of the limit, that all daemons together may spend on their own: 10%" },
  { "peers", A_COUNT(limit, peers, 1, 1000), "how many daemons there are" },
}},
[SECTION_CONVERSATION] = { "conversation", "[\"header\"]", .fields = {
  { "header", A_TEXT(conversation_source, header), "of the request" },
}},
[SECTION_TAG] = { "tag", "[\"metadata\"]", .fields = {
  { "metadata", A_TEXT(tag_source, metadata), "a member of the body's metadata" },
}},
[SECTION_DATA_FILE] = { "data_file", "[\"file\"]", .fields = {
  { "file", OTHER(TEXT), "YAML or JSON: a mapping" },
  { "key", OTHER(TEXT), "the value is the row for this field, such as identity.person" },
}},
[SECTION_DATA_REDIS] = { "data_redis", "[\"redis\"]", .fields = {
  { "redis", A_TEXT(data_source, place), "key of a hash" },
  { "ttl", A_DURATION(data_source, ttl_us, 100 * MS, DAY), "a value is used that long" },
  { "on_failure", A_FLAG(data_source, skip, skip_words), "deny: 503; skip: no value" },
}},
[SECTION_DATA_URL] = { "data_url", "[\"url\"]", .fields = {
  { "url", A_TEXT(data_source, place), "of a JSON document" },
  { "ttl", A_DURATION(data_source, ttl_us, 100 * MS, DAY), "a value is used that long" },
  { "timeout", A_DURATION(data_source, timeout_us, MS, 10 * S), "for one fetch" },
  { "on_failure", A_FLAG(data_source, skip, skip_words), "deny: 503; skip: no value" },
  { "token_file", OTHER(TEXT), "file with a bearer token to send" },
  { "ca_file", A_PATH(data_source, ca_file), "certificates to trust" },
}},
#define X(id, name, of, otherwise, help) { name, OTHER(NUMBER ",\"minimum\":0"), help },
[SECTION_UNKNOWN_PRICE] = { "unknown_price", "[\"input\",\"output\"]", .fields = {
  PRICE_TABLE(X)
}},
[SECTION_PRICES] = { "prices", "[\"prices\",\"providers\"]", .fields = {
  { "prices", OTHER(ONE("1")), "version of this format" },
  { "as_of", OTHER(TEXT), "the day on which it was compared with the providers' pages" },
  { "tools", OTHER(MAPOF(ONE("\"image\",\"search\",\"maps\",\"session\",\"file_search\",\"tool_image\""))), "by what each use of a tool that the provider runs is priced; * is any text" },
  { "providers", OTHER(MAPOF(LIST(REF("price")))), "rows by provider, pattern or dialect" },
}},
[SECTION_PRICE] = { "price", "[\"model\",\"input\",\"output\"]", .fields = {
  { "model", OTHER(TEXTS), "names or patterns, * is any text; the most specific one counts" },
  { "from", OTHER(TEXT), "the day from which it counts (UTC); default: always" },
  PRICE_TABLE(X)
  { "tiers", OTHER(LIST(REF("price_tier"))), "prices of long prompts" },
  { "where", OTHER(LIST(REF("price_where"))), "prices by what was asked; of those that fit the first one counts" },
  { "batch", OTHER(SHARE), "share of the prices that a batch costs" },
  { "flex", OTHER(SHARE), "share of the prices that service_tier flex costs" },
  { "priority", OTHER(SHARE), "share of the prices that service_tier priority costs" },
  { "fast", OTHER(SHARE), "share of the prices that speed fast, or service_tier fast, costs; default: priority's" },
  { "us_only", OTHER(SHARE), "share of the prices that inference_geo us costs, besides those" },
  { "shared", OTHER(LIST(ONE("\"image\",\"search\",\"maps\",\"session\",\"file_search\",\"tool_image\",\"second\",\"character\",\"cache_storage\",\"request\""))), "of what is counted by the piece, what these shares multiply too: they are of tokens alone" },
}},
[SECTION_PRICE_TIER] = { "price_tier", "[\"input\",\"output\"]", .fields = {
  { "over", A_COUNT(price_tier, over, 1, 1ull << 40), "counts where the prompt has more tokens" },
  { "from", A_COUNT(price_tier, from, 2, 1ull << 40), "counts where it has as many, or more" },
  PRICE_TABLE(X)
}},
#undef X
[SECTION_PRICE_WHERE] = { "price_where", .fields = {
  { "size", A_TEXT(price_where, is[ASKED_SIZE]), "of images, a pattern" },
  { "quality", A_TEXT(price_where, is[ASKED_QUALITY]), "of images, a pattern" },
  { "search_context", A_TEXT(price_where, is[ASKED_CONTEXT]), "search_context_size, a pattern" },
  { "region", A_TEXT(price_where, is[ASKED_REGION]), "the model's or the path's, else the provider's, a pattern" },
  { "share", OTHER(SHARE), "of the prices of tokens, besides the others" },
  { "image", OTHER(NUMBER ",\"minimum\":0"), "for one" },
  { "tool_image", OTHER(NUMBER ",\"minimum\":0"), "for one" },
  { "search", OTHER(NUMBER ",\"minimum\":0"), "for one" },
  { "second", OTHER(NUMBER ",\"minimum\":0"), "for one" },
  { "character", OTHER(NUMBER ",\"minimum\":0"), "for one" },
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

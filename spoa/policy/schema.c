/* The schemas. Which keys a section has is the parser's list, word by word; what stands
 * behind a key, and a sentence on it, is the row here. A key without a row and a row without
 * a key are found by the test. Lengths, patterns of names and what only the whole policy
 * shows are left to `tollgate check`. */
#include "policy/schema.h"

#include <string.h>

#include "policy/keys.h"
#include "policy/options.h"
#include "policy/read.h"

/* clang-format off */
#define TEXT     "\"type\":[\"string\",\"number\"]"
#define BOOL     "\"type\":\"boolean\""
#define COUNT    "\"type\":\"integer\",\"minimum\":0"
#define NUMBER   "\"type\":\"number\""
#define SCORE    "\"type\":\"number\",\"minimum\":0,\"maximum\":1"
#define DURATION "\"type\":\"string\",\"pattern\":\"^[0-9]+(ms|s|m|h|d)$\""
#define SIZE     "\"type\":[\"string\",\"integer\"],\"pattern\":\"^[0-9]+[kmg]?$\""
#define TEXTS    "\"$ref\":\"#/$defs/texts\""
#define REF(x)   "\"$ref\":\"#/$defs/" x "\""
#define LIST(x)  "\"type\":\"array\",\"items\":{" x "}"
#define MAPOF(x) "\"type\":\"object\",\"additionalProperties\":{" x "}"
#define ONE(x)   "\"enum\":[" x "]"
#define EITHER(x, y) "\"anyOf\":[{" x "},{" y "}]"

struct row {
	const char *key, *type;
	const char *const *words; /* in place of type */
	const char *help;
};
#define WORDS(list) NULL, list
#define ROWS 32

static const struct shape {
	const char *name;
	const char *const *keys;
	const char *required; /* JSON list */
	struct row rows[ROWS];
} shapes[] = {
{ "policy", policy_top_keys, "[]", {
  { "tollgate", ONE("1"), NULL, "version of this language" },
  { "name", TEXT, NULL, "the policy's name: records say name@version" },
  { "include", TEXTS, NULL, "files that are part of this policy, above what stands here" },
  { "mode", WORDS(policy_mode_words), "shadow: denials and redactions by rules are recorded, not enforced" },
  { "on_failure", REF("on_failure"), NULL, "what to do where a part cannot answer" },
  { "identity", LIST(REF("identity")), NULL, "which credentials are looked for; the first that is present decides" },
  { "data", MAPOF(REF("data")), NULL, "what conditions read from outside, as data.NAME" },
  { "classes", MAPOF(REF("class_value")), NULL, "groups of entities that rules speak of" },
  { "detectors", REF("detectors"), NULL, "thresholds of detection, and recognisers outside" },
  { "providers", MAPOF(REF("provider")), NULL, "where requests may go" },
  { "routes", LIST(REF("route")), NULL, "which requests are served; none matches: 404" },
  { "rules", LIST(REF("rule")), NULL, "top to bottom; deny and permit end it, the others add up" },
  { "default", WORDS(policy_default_words), "where no rule ends it" },
  { "limits", LIST(REF("limit")), NULL, "how much" },
  { "output_default", COUNT, NULL, "tokens reserved for an answer where the request states no cap" },
}},
{ "on_failure", policy_failure_keys, "[]", {
  { "classifier", WORDS(policy_outcome_words), "the body could not be classified" },
  { "quota", WORDS(policy_other_words), "Redis does not answer in time" },
  { "audit", WORDS(policy_other_words), "the record cannot be written" },
  { "unreadable", WORDS(policy_other_words), "images, audio, files and other parts that are not read" },
  { "signed", WORDS(policy_signed_words), "reasoning under a provider's signature in which something would be replaced" },
}},
{ "jwt", policy_jwt_keys, "[]", {
  { "header", TEXT, NULL, "where it is; default authorization, with Bearer" },
  { "issuer", TEXT, NULL, "iss must be this" },
  { "audience", TEXTS, NULL, "aud must hold one of them" },
  { "jwks", TEXT, NULL, "the issuer's keys: a file or an https URL" },
  { "secret", TEXT, NULL, "file:PATH or ${NAME}: key of HS256 to HS512" },
  { "ca_file", TEXT, NULL, "certificates to trust for the URL" },
  { "refresh", DURATION, NULL, "keys are fetched again after it" },
  { "max_stale", DURATION, NULL, "keys that cannot be refreshed verify so long" },
  { "algorithms", TEXTS, NULL, "what the issuer signs with" },
  { "max_age", DURATION, NULL, "since the token was issued" },
  { "leeway", DURATION, NULL, "of its times" },
  { "claims", REF("claims"), NULL, "which claim is what" },
  { "demo_issuer", BOOL, NULL, "the issuer that tollgate.yaml names; tests and demo only" },
}},
{ "claims", policy_claim_keys, "[]", {
  { "person", TEXT, NULL, "path of the claim" }, { "agent", TEXT, NULL, "path of the claim" },
  { "roles", TEXT, NULL, "path of the claim: a list" }, { "department", TEXT, NULL, "path of the claim" },
  { "clearance", TEXT, NULL, "path of the claim: a whole number" },
  { "team", TEXT, NULL, "path of the claim" }, { "tier", TEXT, NULL, "path of the claim" },
}},
{ "signed_headers", policy_signed_keys, "[]", {
  { "prefix", TEXT, NULL, "of the headers that are signed" },
  { "signature", TEXT, NULL, "the header with the signature" },
  { "keys", TEXT, NULL, "file of keys" },
  { "max_skew", DURATION, NULL, "of the time that is signed" },
}},
{ "client_certificate", policy_certificate_keys, "[]", {
  { "person", TEXT, NULL, "field of the certificate" }, { "agent", TEXT, NULL, "field of the certificate" },
  { "roles", TEXT, NULL, "field of the certificate" }, { "department", TEXT, NULL, "field of the certificate" },
  { "team", TEXT, NULL, "field of the certificate" }, { "tier", TEXT, NULL, "field of the certificate" },
  { "trust_domain", TEXT, NULL, "of its SPIFFE id" },
}},
{ "api_key", policy_api_key_keys, "[]", {
  { "header", TEXT, NULL, "where it is; default authorization, with Bearer" },
  { "keys", TEXT, NULL, "file of keys, made by tollgate key new" },
  { "subject", WORDS(policy_subject_words), "who the person is: the key's person or its owner" },
}},
{ "none", policy_none_keys, "[]", {
  { "person", TEXT, NULL, "the name recorded for callers without credential" },
}},
{ "detectors", policy_detector_keys, "[]", {
  { "thresholds", MAPOF(SCORE), NULL, "least score, by entity" },
  { "samples", WORDS(policy_sample_words), "published samples, such as test cards" },
  { "injection", REF("injection"), NULL, "the injection model" },
  { "external", LIST(REF("external")), NULL, "recognisers that are asked over HTTP" },
}},
{ "injection", policy_injection_keys, "[]", {
  { "model", TEXT, NULL, "file of another model" },
  { "patterns", MAPOF(BOOL), NULL, "false: this pattern does not count" },
}},
{ "external", policy_external_keys, "[\"name\",\"url\"]", {
  { "name", TEXT, NULL, "in records and metrics" },
  { "url", TEXT, NULL, "https, http or unix:/SOCKET:/PATH" },
  { "shape", WORDS(policy_shape_words), "of requests and answers" },
  { "entities", TEXTS, NULL, "what it may report" },
  { "map", MAPOF(TEXT), NULL, "their names for our entities" },
  { "class", TEXT, NULL, "of entities that only it finds" },
  { "language", TEXT, NULL, "of the texts" },
  { "model", TEXT, NULL, "named in the request" },
  { "score_threshold", NUMBER, NULL, "findings below it do not count" },
  { "request", "", NULL, "the body to send, with ${text} in place of the text" },
  { "answer", REF("answer"), NULL, "where things stand in the answer" },
  { "batch", BOOL, NULL, "it takes several texts a call" },
  { "when", TEXT, NULL, "a condition: when it is asked" },
  { "roles", TEXTS, NULL, "which texts it is asked about" },
  { "timeout", DURATION, NULL, "for one request, however many calls that takes" },
  { "concurrency", COUNT, NULL, "calls at once, a worker" },
  { "max_bytes", SIZE, NULL, "of text in one call" },
  { "on_failure", WORDS(policy_outcome_words), "where it is silent" },
  { "cache", EITHER(ONE("false"), REF("cache")), NULL, "of answers" },
  { "breaker", REF("breaker"), NULL, "when it is not asked for a while" },
  { "headers", MAPOF(TEXT), NULL, "to send" },
  { "token_file", TEXT, NULL, "file with a bearer token to send" },
  { "ca_file", TEXT, NULL, "certificates to trust" },
}},
{ "answer", policy_answer_keys, "[]", {
  { "results", TEXT, NULL, "JSON pointer to the results of a batch" },
  { "items", TEXT, NULL, "JSON pointer to the findings" },
  { "label", TEXT, NULL, "JSON pointer to a finding's name" },
  { "score", TEXT, NULL, "JSON pointer to its score" },
}},
{ "cache", policy_cache_keys, "[]", {
  { "entries", COUNT, NULL, "answers remembered, a worker" },
  { "ttl", DURATION, NULL, "how long" },
}},
{ "breaker", policy_breaker_keys, "[]", {
  { "failures", COUNT, NULL, "in a row, after which it is not asked" },
  { "open", DURATION, NULL, "for so long" },
}},
{ "class", policy_class_keys, "[]", {
  { "entity", TEXT, NULL, "name of what its own words and patterns find" },
  { "entities", TEXTS, NULL, "members" },
  { "without", TEXTS, NULL, "no members" },
  { "words", TEXTS, NULL, "found as they are" },
  { "patterns", TEXTS, NULL, "regular expressions" },
  { "context", TEXTS, NULL, "words nearby that speak for it" },
  { "against", TEXTS, NULL, "words nearby that speak against it" },
  { "dictionary", TEXT, NULL, "file of words" },
  { "fingerprints", TEXT, NULL, "file of documents' fingerprints" },
  { "shingles", COUNT, NULL, "how many of a document must be found" },
  { "threshold", SCORE, NULL, "least score" },
  { "case", BOOL, NULL, "capitals count" },
}},
{ "provider", policy_provider_keys, "[]", {
  { "backend", TEXT, NULL, "HAProxy backend" },
  { "dialect", TEXT, NULL, "wire format" },
  { "external", BOOL, NULL, "outside the company" },
  { "region", TEXT, NULL, "where it is" },
  { "via", WORDS(policy_via_words), "relay: never direct, so that heads and trailers of its answers are filtered" },
}},
{ "route", policy_route_keys, "[\"name\",\"match\"]", {
  { "name", TEXT, NULL, "in rules, records and scopes of keys" },
  { "match", REF("match"), NULL, "which requests" },
  { "dialect", TEXT, NULL, "wire format; default: the target's" },
  { "backend", TEXT, NULL, "HAProxy backend, where there are no targets" },
  { "targets", REF("targets"), NULL, "providers, the first is taken" },
  { "response", TEXTS, NULL, "ignore, or what is done with the answer: meter, record" },
  { "record", REF("record"), NULL, "what of the prompt is recorded" },
  { "on_failure", REF("on_failure"), NULL, "in place of the policy's" },
  { "deadline", DURATION, NULL, "a request and its answer may last" },
}},
{ "match", policy_match_keys, "[]", {
  { "methods", TEXTS, NULL, "default: any" },
  { "path", TEXTS, NULL, "whole, in normal form" },
  { "path_prefix", TEXTS, NULL, "up to a whole segment" },
  { "host", TEXTS, NULL, "without port; *.example.com" },
}},
{ "target", policy_target_keys, "[\"provider\"]", {
  { "provider", TEXT, NULL, "one of providers" },
  { "model", TEXT, NULL, "in place of the one asked for" },
}},
{ "record", policy_record_keys, "[]", {
  { "prompt", WORDS(policy_prompt_words), "a keyed hash, or the redacted text" },
}},
{ "rule", policy_rule_keys, "[\"name\"]", {
  { "name", TEXT, NULL, "in records, headers and errors" },
  { "when", EITHER("\"type\":\"string\"", BOOL), NULL, "a condition in CEL; default: always" },
  { "deny", EITHER(ONE("true"), REF("deny")), NULL, "the request ends here" },
  { "permit", ONE("true"), NULL, "no further rule is asked" },
  { "redact", REF("redact"), NULL, "what was found is replaced" },
  { "route", REF("effect_route"), NULL, "where it goes" },
  { "max_output_tokens", COUNT, NULL, "at most; the lowest counts" },
  { "tag", TEXTS, NULL, "words for the record" },
  { "require", TEXTS, NULL, "external recognisers that must answer" },
  { "set_headers", MAPOF(TEXT), NULL, "for the provider" },
  { "on_error", WORDS(policy_error_words), "a condition that fails at run time" },
  { "mode", WORDS(policy_mode_words), "shadow: recorded, not enforced" },
  { "phase", WORDS(policy_phase_words), "when it is asked" },
}},
{ "deny", policy_deny_keys, "[]", {
  { "status", ONE("400,401,403,404,413,415,429,451,503"), NULL, "default 403" },
  { "reason", TEXT, NULL, "for the caller; one line" },
}},
{ "redact", policy_redact_keys, "[]", {
  { "classes", TEXTS, NULL, "whose entities" },
  { "entities", TEXTS, NULL, "which entities" },
  { "with", WORDS(policy_with_words), "what stands in their place" },
}},
{ "effect_route", policy_effect_route_keys, "[]", {
  { "targets", TEXTS, NULL, "of the route's, in this order" },
  { "model", TEXT, NULL, "in place of the one asked for" },
}},
{ "limit", policy_limit_keys, "[\"name\"]", {
  { "name", TEXT, NULL, "part of Redis keys" },
  { "when", EITHER("\"type\":\"string\"", BOOL), NULL, "a condition in CEL; default: always" },
  { "per", TEXTS, NULL, "fields whose values are counted apart" },
  { "requests", COUNT, NULL, "at most in a window" },
  { "tokens", COUNT, NULL, "at most in a window" },
  { "window", DURATION, NULL, "whole seconds" },
}},
{ "data_file", policy_data_file_keys, "[\"file\"]", {
  { "file", TEXT, NULL, "YAML or JSON: a mapping" },
  { "key", TEXT, NULL, "the value is the row for this field, such as identity.person" },
}},
{ "data_redis", policy_data_redis_keys, "[\"redis\"]", {
  { "redis", TEXT, NULL, "key of a hash" },
  { "ttl", DURATION, NULL, "a value is used that long" },
  { "on_failure", WORDS(policy_data_failure_words), "deny: 503; skip: no value" },
}},
{ "data_url", policy_data_url_keys, "[\"url\"]", {
  { "url", TEXT, NULL, "of a JSON document" },
  { "ttl", DURATION, NULL, "a value is used that long" },
  { "timeout", DURATION, NULL, "for one fetch" },
  { "on_failure", WORDS(policy_data_failure_words), "deny: 503; skip: no value" },
  { "token_file", TEXT, NULL, "file with a bearer token to send" },
  { "ca_file", TEXT, NULL, "certificates to trust" },
}},
};

/* What is no mapping with a list of keys. */
static const struct { const char *name, *json; } others[] = {
	{ "texts", EITHER(TEXT, LIST(TEXT)) },
	{ "data", "\"anyOf\":[{" REF("data_file") "},{" REF("data_redis") "},{" REF("data_url") "}]" },
	{ "class_value", "\"anyOf\":[{" TEXTS "},{" REF("class") "},{\"type\":\"object\","
	  "\"properties\":{\"score\":{" SCORE "}},\"required\":[\"score\"],\"additionalProperties\":false}]" },
	{ "one_target", EITHER(TEXT, REF("target")) },
	{ "targets", EITHER(REF("one_target"), LIST(REF("one_target"))) },
};
/* clang-format on */

enum {
	NSHAPES = sizeof(shapes) / sizeof(shapes[0]),
	NOTHERS = sizeof(others) / sizeof(others[0])
};

static const struct row *
row_of(const struct shape *s, const char *key)
{
	for (size_t i = 0; i < ROWS && s->rows[i].key; i++)
		if (!strcmp(s->rows[i].key, key))
			return &s->rows[i];
	return NULL;
}

static bool
listed(const char *const *keys, const char *key)
{
	for (; *keys; keys++)
		if (!strcmp(*keys, key))
			return true;
	return false;
}

static void
put_words(struct buf *out, const char *const *words)
{
	buf_str(out, "\"enum\":[");
	for (size_t i = 0; words[i]; i++) {
		buf_str(out, i ? "," : "");
		buf_json_str(out, span_str(words[i]));
	}
	buf_putc(out, ']');
}

static void
put_property(struct buf *out, const char *key, const char *help, const char *type,
	const char *const *words, bool first)
{
	buf_str(out, first ? "\n      " : ",\n      ");
	buf_json_str(out, span_str(key));
	buf_str(out, ": {\"description\":");
	buf_json_str(out, span_str(help));
	/* Beside $ref draft-07 ignores what else there is. */
	if (words) {
		buf_putc(out, ',');
		put_words(out, words);
	} else if (type[0]) {
		bool ref = !strncmp(type, "\"$ref\"", 6);
		buf_printf(out, ref ? ",\"allOf\":[{%s}]" : ",%s", type);
	}
	buf_putc(out, '}');
}

static void
put_shape(struct buf *out, const struct shape *s, const char **lacks)
{
	buf_str(out, "\"type\":\"object\",\"additionalProperties\":false");
	if (strcmp(s->required, "[]") != 0)
		buf_printf(out, ",\"required\":%s", s->required);
	buf_str(out, ",\"properties\":{");
	for (size_t i = 0; s->keys[i]; i++) {
		const struct row *r = row_of(s, s->keys[i]);
		if (r)
			put_property(out, r->key, r->help, r->type, r->words, i == 0);
		else if (!*lacks)
			*lacks = s->keys[i];
	}
	for (size_t i = 0; i < ROWS && s->rows[i].key; i++)
		if (!listed(s->keys, s->rows[i].key) && !*lacks)
			*lacks = s->rows[i].key;
	buf_putc(out, '}');
}

/* An entry of `identity`: one kind, and what it is given. */
static void
put_identity(struct buf *out)
{
	buf_str(out, "\"type\":\"object\",\"minProperties\":1,\"maxProperties\":1,"
		     "\"additionalProperties\":false,\"properties\":{");
	for (size_t i = 0; policy_identity_kinds[i]; i++)
		buf_printf(out, "%s\"%s\":{\"$ref\":\"#/$defs/%s\"}", i ? "," : "",
			policy_identity_kinds[i], policy_identity_kinds[i]);
	buf_putc(out, '}');
}

static void
head(struct buf *out, const char *title)
{
	buf_printf(out,
		"{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
		"  \"title\": \"%s\",\n",
		title);
}

bool
schema_policy(struct buf *out, const char **lacks)
{
	*lacks = NULL;
	head(out, "tollgate: a policy, or a file that one includes");
	buf_str(out, "  \"$ref\": \"#/$defs/policy\",\n  \"$defs\": {\n    \"identity\": {");
	put_identity(out);
	buf_putc(out, '}');
	for (size_t i = 0; i < NOTHERS; i++)
		buf_printf(out, ",\n    \"%s\": {%s}", others[i].name, others[i].json);
	for (size_t i = 0; i < NSHAPES; i++) {
		buf_printf(out, ",\n    \"%s\": {", shapes[i].name);
		put_shape(out, &shapes[i], lacks);
		buf_putc(out, '}');
	}
	buf_str(out, "\n  }\n}\n");
	return !*lacks && !buf_failed(out);
}

/* ---- tollgate.yaml ---- */

static const char *
type_of(enum option_kind k)
{
	static const char *const types[] = {
		[OPT_TEXT] = TEXT,
		[OPT_PATH] = TEXT,
		[OPT_NODE] = TEXT,
		[OPT_NAMES] = TEXTS,
		[OPT_REDIS] = TEXT,
		[OPT_BOOL] = BOOL,
		[OPT_DURATION] = DURATION,
		[OPT_SIZE] = SIZE,
		[OPT_U64] = COUNT,
		[OPT_UNSIGNED] = COUNT,
		[OPT_WORKERS] = EITHER(ONE("\"auto\""), COUNT),
		[OPT_ADDRS] = TEXTS,
		[OPT_UNIX] = TEXT,
		[OPT_TCP] = TEXT,
		[OPT_FORMAT] = ONE("\"logfmt\",\"json\""),
		[OPT_LEVEL] = ONE("\"error\",\"warn\",\"info\",\"debug\""),
	};

	return types[k];
}

bool
schema_config(struct buf *out)
{
	const char *section = "";
	size_t len = 0;
	bool first = true;

	head(out, "tollgate.yaml");
	buf_printf(out,
		"  \"$defs\": {\"texts\": {%s}},\n  \"type\": \"object\",\n"
		"  \"additionalProperties\": false,\n  \"properties\": {",
		others[0].json);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		const char *dot = strchr(o->name, '.');
		size_t n = dot ? (size_t)(dot - o->name) : 0;
		bool same = n == len && !strncmp(o->name, section, n);
		if (!same && len)
			buf_str(out, "}}");
		if (!same && n) {
			buf_printf(out,
				"%s\n    \"%.*s\": {\"type\":\"object\","
				"\"additionalProperties\":false,\"properties\":{",
				first ? "" : ",", (int)n, o->name);
			first = true;
		}
		section = o->name;
		len = n;
		put_property(
			out, dot ? dot + 1 : o->name, o->help, type_of(o->kind), NULL, first);
		first = false;
	}
	buf_str(out, len ? "}}" : "");
	buf_str(out, "\n  }\n}\n");
	return !buf_failed(out);
}

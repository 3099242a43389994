/* Texts that a provider sealed: random bytes in the members where providers, clients and other
 * gateways keep signatures of reasoning are forwarded without a search, and what somebody can read
 * there is found. SEED=N selects other bytes; make check-long uses the day's date. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/scoped.h"
#include "scan/detect/info.h"
#include "scan/text/sealed.h"
#include "support/fidelity_docs.h"
#include "support/run_cmd.h"

enum { SEED = 7, LEAST_BYTES = 40, MOST_BYTES = 8000, BLOBS = 4000, PER_PLACE = 4 };

static uint64_t random_state;

static size_t
below(size_t n)
{
	return (size_t)(docs_random(&random_state) % n);
}

static void
put_random(struct buf *b, size_t n)
{
	while (n--)
		buf_putc(b, (char)docs_random(&random_state));
}

/* Encodes bytes in base64 with one of the alphabets, with or without padding. */
static void
put_base64(struct buf *out, struct span in, bool url, bool pad)
{
	const char *ends = url ? "-_" : "+/";
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < in.n || have; i++) {
		bits = bits << 8 | (i < in.n ? (unsigned char)in.p[i] : 0);
		for (have += 8; have >= 6; n++) {
			unsigned v = bits >> (have -= 6) & 63;
			buf_putc(out, v < 26 ? (char)('A' + v)
				      : v < 52 ? (char)('a' + v - 26)
				      : v < 62 ? (char)('0' + v - 52)
					       : ends[v - 62]);
			if (i >= in.n) {
				have = 0;
				n++;
				break;
			}
		}
	}
	for (; pad && n % 4; n++)
		buf_putc(out, '=');
}

static void
seed(void)
{
	const char *from = getenv("SEED");

	random_state = from ? strtoull(from, NULL, 10) : SEED;
}

/* ---- what is sealed ---- */

static void
random_bytes_are_sealed(void **state)
{
	size_t missed = 0;

	(void)state;
	seed();
	for (size_t i = 0; i < BLOBS; i++) {
		SCOPED_BUF(bytes, 0);
		SCOPED_BUF(text, 0);
		SCOPED_BUF(readable, 0);
		put_random(&bytes, LEAST_BYTES + below(MOST_BYTES - LEAST_BYTES));
		put_base64(&text, buf_view(&bytes), i & 1, i & 2);
		if (sealed_reads(buf_view(&text), &readable) && !readable.n)
			continue;
		missed++;
		print_message("%zu bytes: %.*s\n", bytes.n, SPAN_ARG(buf_view(&readable)));
	}
	assert_int_equal(missed, 0);
}

/* ---- the members ---- */

#define CHAT(members)                                                                          \
	"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"," members    \
	"},{\"role\":\"user\",\"content\":\"go on\"}]}"
#define PART(members)                                                                          \
	"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":[" members         \
	"]},{\"role\":\"user\",\"content\":\"go on\"}]}"
#define TOOL(members)                                                                          \
	CHAT("\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":"     \
	     "\"f\",\"arguments\":\"{}\"}," members "}]")
#define INPUT(item)                                                                            \
	"{\"model\":\"m\",\"input\":[" item ",{\"role\":\"user\",\"content\":\"go on\"}]}"
#define CLAUDE(block)                                                                          \
	"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"assistant\","             \
	"\"content\":[" block "]},{\"role\":\"user\",\"content\":\"go on\"}]}"
#define GEMINI(part)                                                                           \
	"{\"contents\":[{\"role\":\"model\",\"parts\":[" part                                  \
	"]},{\"role\":\"user\",\"parts\":[{\"text\":\"go on\"}]}]}"
#define BEDROCK(block)                                                                         \
	"{\"messages\":[{\"role\":\"assistant\",\"content\":[" block                           \
	"]},{\"role\":\"user\",\"content\":[{\"text\":\"go on\"}]}]}"
#define CHAT_PATH    "/v1/chat/completions"
#define GEMINI_PATH  "/v1beta/models/m:generateContent"
#define BEDROCK_PATH "/model/m/converse"

/* @ is the text. `member` is what the message of a denial names; NULL: the text is in a signed
 * block, which on_failure.signed is about. */
static const struct place {
	const char *path, *body, *member;
} places[] = {
	{ CHAT_PATH, CHAT("\"signature\":\"@\""), "messages.signature" },
	{ CHAT_PATH, CHAT("\"encrypted_content\":\"@\""), "messages.encrypted_content" },
	{ CHAT_PATH, CHAT("\"reasoning_opaque\":\"@\""), "messages.reasoning_opaque" },
	{ CHAT_PATH, CHAT("\"extra_content\":{\"google\":{\"thought_signature\":\"@\"}}"),
		"messages.extra_content.*.thought_signature" },
	{ CHAT_PATH, CHAT("\"provider_specific_fields\":{\"thought_signatures\":[\"@\"]}"),
		"messages.provider_specific_fields.thought_signatures" },
	{ CHAT_PATH, CHAT("\"reasoning\":{\"encrypted_content\":\"@\"}"),
		"messages.reasoning.encrypted_content" },
	{ CHAT_PATH,
		CHAT("\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":\"@\"}]"),
		NULL },
	{ CHAT_PATH,
		CHAT("\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"t\","
		     "\"signature\":\"@\"}]"),
		NULL },
	{ CHAT_PATH, TOOL("\"extra_content\":{\"google\":{\"thought_signature\":\"@\"}}"),
		"messages.tool_calls.extra_content.*.thought_signature" },
	{ CHAT_PATH, TOOL("\"provider_specific_fields\":{\"thought_signature\":\"@\"}"),
		"messages.tool_calls.provider_specific_fields.thought_signature" },
	{ CHAT_PATH,
		PART("{\"type\":\"text\",\"text\":\"x\",\"providerOptions\":{\"anthropic\":{"
		     "\"signature\":\"@\"}}}"),
		"messages.content.providerOptions.*.signature" },
	{ CHAT_PATH,
		PART("{\"type\":\"text\",\"text\":\"x\",\"providerMetadata\":{\"openai\":{"
		     "\"reasoningEncryptedContent\":\"@\"}}}"),
		"messages.content.providerMetadata.*.reasoningEncryptedContent" },
	{ "/v1/responses",
		INPUT("{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"@\"}"),
		"input.encrypted_content" },
	{ "/v1/responses",
		INPUT("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\","
		      "\"arguments\":\"{}\",\"provider_specific_fields\":{"
		      "\"thought_signature\":\"@\"}}"),
		"input.provider_specific_fields.thought_signature" },
	{ "/v1/messages",
		CLAUDE("{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"@\"}"), NULL },
	{ "/v1/messages", CLAUDE("{\"type\":\"redacted_thinking\",\"data\":\"@\"}"), NULL },
	{ "/v1/messages",
		CLAUDE("{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{},"
		       "\"provider_specific_fields\":{\"signature\":\"@\"}}"),
		"messages.content.provider_specific_fields.signature" },
	{ GEMINI_PATH, GEMINI("{\"text\":\"x\",\"thoughtSignature\":\"@\"}"),
		"contents.parts.thoughtSignature" },
	{ GEMINI_PATH,
		GEMINI("{\"functionCall\":{\"name\":\"f\",\"args\":{}},\"thought_signature\":"
		       "\"@\"}"),
		"contents.parts.thought_signature" },
	{ BEDROCK_PATH,
		BEDROCK("{\"reasoningContent\":{\"reasoningText\":{\"text\":\"t\","
			"\"signature\":\"@\"}}}"),
		NULL },
};

static const char policy[] =
	"tollgate: 1\nname: t\ndefault: permit\nidentity: [{none: {person: nobody}}]\n"
	"detectors: {names: all}\n"
	"routes:\n"
	" - {name: o, match: {path_prefix: /v1/chat}, dialect: openai}\n"
	" - {name: r, match: {path_prefix: /v1/responses}, dialect: openai}\n"
	" - {name: a, match: {path: /v1/messages}, dialect: anthropic}\n"
	" - {name: g, match: {path_prefix: /v1beta}, dialect: gemini}\n"
	" - {name: b, match: {path_prefix: /model}, dialect: bedrock}\n"
	"rules:\n"
	" - {name: all, when: 'size(prompt.entities) > 0', redact: {entities: [";

static int
setup(void **state)
{
	struct buf errors;

	if (temp_dir_make(state) != 0)
		return -1;
	buf_init(&errors, 0);
	struct detect_rules *rules = (void *)(uintptr_t)detect_load(NULL, &errors);
	buf_free(&errors);
	SCOPED_BUF(b, 0);
	buf_str(&b, policy);
	for (size_t i = 0; i < detect_entity_count(rules); i++)
		buf_printf(&b, "%s%s", i ? ", " : "", detect_entity_name(rules, i));
	buf_str(&b, "]}}\n");
	buf_putc(&b, '\0');
	put("policy.yaml", b.p);
	detect_free(&rules);
	return 0;
}

static int
teardown(void **state)
{
	static const char *const made[] = { "policy.yaml", "in", "out", "err" };

	(void)state;
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		unlink(path(made[i]));
	return rmdir(dir);
}

/* Writes the body with the text in the place of @. */
static void
put_body(struct buf *b, const struct place *p, struct span text)
{
	const char *at = strchr(p->body, '@');

	buf_put(b, p->body, (size_t)(at - p->body));
	buf_span(b, text);
	buf_str(b, at + 1);
	buf_putc(b, '\0');
}

/* Returns the decision on the body. */
static json_t *
decide(const char *path_, const char *body)
{
	json_t *in = json_pack("{sssss{ss}ss}", "method", "POST", "path", path_, "headers",
		"content-type", "application/json", "body", body);
	char *text = json_dumps(in, 0);
	char file[256];

	snprintf(file, sizeof(file), "%s", path("policy.yaml"));
	tollgate(text, "decide", "--policy", file, NULL);
	json_t *out = json_loads(cmd_out, 0, NULL);
	if (!out)
		print_message("%s%s\n", cmd_out, cmd_err);
	assert_non_null(out);
	free(text);
	json_decref(in);
	return out;
}

static const char *
word(const json_t *d, const char *name)
{
	const char *s = json_string_value(json_object_get(d, name));

	return s ? s : "";
}

static void
sealed_texts_are_forwarded_whole(void **state)
{
	(void)state;
	seed();
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) * PER_PLACE; i++) {
		const struct place *p = &places[i / PER_PLACE];
		SCOPED_BUF(bytes, 0);
		SCOPED_BUF(text, 0);
		SCOPED_BUF(body, 0);
		put_random(&bytes, LEAST_BYTES + below(MOST_BYTES - LEAST_BYTES));
		put_base64(&text, buf_view(&bytes), i & 1, i & 2);
		put_body(&body, p, buf_view(&text));
		json_t *d = decide(p->path, body.p);
		if (strcmp(word(d, "decision"), "permit") ||
			json_array_size(json_object_get(d, "findings")) ||
			(*word(d, "body") && strcmp(word(d, "body"), body.p))) {
			print_message("%s\n%s\n", body.p, cmd_out);
			fail();
		}
		json_decref(d);
	}
}

/* ---- readable texts ---- */

static const char *const secrets[] = {
	"the card is 4111 1111 1111 1111 until 12/29, please book it",
	"AKIA2E0A8F3B244C9986",
	"write to jane.roe@corp.example.net about the invoice of May",
	"DB_PASSWORD=q8Zr4vLw2nXk7T and GITHUB_TOKEN=ghp_16C7e42F292c6912E7710c838347Ae178B4a",
	"\xe8\xaf\xb7\xe5\x8f\x91\xe9\x82\xae\xe4\xbb\xb6\xe8\x87\xb3 jane.roe@example.com",
};

enum coding { WHOLE, HEX, TWICE, AFTER, BEFORE, AMONG, ZLIB, CODINGS };

static void
put_hex(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_printf(b, "%02x", (unsigned char)s.p[i]);
}

/* Writes a text that holds the secret. */
static void
put_readable(struct buf *out, struct span secret, enum coding how, bool url)
{
	SCOPED_BUF(bytes, 0);
	uLongf n = 4096;
	char packed[4096];

	if (how == AFTER || how == AMONG)
		put_random(&bytes, 60 + below(600));
	switch (how) {
	case HEX: put_hex(out, secret); return;
	case TWICE: put_base64(&bytes, secret, url, true); break;
	case ZLIB:
		compress((Bytef *)packed, &n, (const Bytef *)secret.p, secret.n);
		buf_put(&bytes, packed, n);
		break;
	default: buf_span(&bytes, secret);
	}
	if (how == BEFORE || how == AMONG) {
		buf_putc(&bytes, '\0');
		put_random(&bytes, 400 + below(2000));
	}
	put_base64(out, buf_view(&bytes), url, true);
}

static void
readable_texts_are_found(void **state)
{
	size_t missed = 0, all = sizeof(places) / sizeof(places[0]) * CODINGS;

	(void)state;
	seed();
	for (size_t i = 0; i < all; i++) {
		const struct place *p = &places[i / CODINGS];
		size_t k = below(sizeof(secrets) / sizeof(secrets[0]));
		SCOPED_BUF(secret, 0);
		SCOPED_BUF(text, 0);
		SCOPED_BUF(body, 0);
		buf_str(&secret, secrets[k]);
		if (i % CODINGS == ZLIB)
			for (size_t n = 0; n < 5; n++)
				buf_printf(&secret, "\n%zu: %s", n, secrets[k]);
		put_readable(&text, buf_view(&secret), i % CODINGS, below(2));
		put_body(&body, p, buf_view(&text));
		json_t *d = decide(p->path, body.p);
		bool denied = !strcmp(word(d, "decision"), "deny");
		bool gone = *word(d, "body") &&
			    !memmem(word(d, "body"), strlen(word(d, "body")), text.p, text.n);
		bool named = p->member && strstr(word(d, "reason"), p->member);
		if (denied ? p->member && !named : !gone) {
			print_message("coding %zu: %s\n%s\n", i % CODINGS, body.p, cmd_out);
			missed++;
		}
		json_decref(d);
	}
	assert_int_equal(missed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_bytes_are_sealed),
		cmocka_unit_test(sealed_texts_are_forwarded_whole),
		cmocka_unit_test(readable_texts_are_found),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

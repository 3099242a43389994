/* Styles of redaction: the replacement of each, the rule that selects it, and the redacted
 * request in body, number, key, query and path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/keyfile.h"
#include "policy/rule.h"
#include "scan/text/placeholder.h"
#include "scan/text/style.h"
#include "support/policy_fix.h"
#include "support/run_cmd.h"

/* ---- one value ---- */

static void
style_writes_its_replacement(void **state)
{
	static const struct {
		enum redact_style style;
		const char *entity, *value, *want;
		bool named;
	} rows[] = {
		{ STYLE_MASK, "EMAIL_ADDRESS", "a@b.de", "******", false },
		{ STYLE_MASK, "EMAIL_ADDRESS", "\xc3\xa9@b.de", "******", false },
		{ STYLE_MASK, "CREDIT_CARD", "4111 1111 1111 1111", "*******************",
			true },
		{ STYLE_REMOVE, "EMAIL_ADDRESS", "a@b.de", "", false },
		{ STYLE_REMOVE, "EMAIL_ADDRESS", "a@b.de", "<EMAIL_ADDRESS_1>", true },
		{ STYLE_LAST4, "CREDIT_CARD", "4111 1111 1111 1111", "**** **** **** 1111",
			false },
		{ STYLE_LAST4, "CREDIT_CARD", "4111-1111-1111-1111", "****-****-****-1111",
			false },
		{ STYLE_LAST4, "CREDIT_CARD", "4111111111111111", "************1111", false },
		{ STYLE_LAST4, "PHONE_NUMBER", "+1 (212) 555-0143", "+* (***) ***-0143",
			false },
		{ STYLE_LAST4, "IBAN_CODE", "GB82 WEST 1234 5698 7654 32",
			"**** **** **** **** **54 32", false },
		{ STYLE_LAST4, "CREDIT_CARD",
			"4111\xc2\xa0"
			"1111\xe2\x80\x93"
			"1111 1111",
			"****\xc2\xa0****\xe2\x80\x93**** 1111", false },
		{ STYLE_LAST4, "CREDIT_CARD",
			"4111\xe2\x80\x8b"
			"1111 1111 1111",
			"<CREDIT_CARD_1>", false },
		/* too short to hide the rest, or not of the expected form */
		{ STYLE_LAST4, "PHONE_NUMBER", "555-0143", "<PHONE_NUMBER_1>", false },
		{ STYLE_LAST4, "CREDIT_CARD", "NDExMTExMTExMTExMTExMQ==", "<CREDIT_CARD_2>",
			false },
		{ STYLE_LAST4, "CREDIT_CARD",
			"\xef\xbc\x94"
			"111 1111 1111 1111",
			"<CREDIT_CARD_3>", false },
		{ STYLE_LAST4, "US_SSN", "308-63-0237", "<US_SSN_1>", false },
		{ STYLE_PLACEHOLDER, "EMAIL_ADDRESS", "a@b.de", "<EMAIL_ADDRESS_1>", false },
		{ STYLE_HASH, "EMAIL_ADDRESS", "a@b.de", "<EMAIL_ADDRESS:", false },
	};
	unsigned char key[STYLE_KEY_BYTES] = { 1 };
	struct arena a;

	(void)state;
	arena_init(&a, 0, true);
	struct redactor *r = redactor_new(&a, key);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span got = redactor_get(r, rows[i].style, span_str(rows[i].entity),
			span_str(rows[i].value), true, rows[i].named);
		bool ok = rows[i].style == STYLE_HASH
				  ? span_starts(got, span_str(rows[i].want)) &&
					    got.n == strlen(rows[i].want) + 17
				  : span_is(got, rows[i].want);
		if (!got.p || !ok)
			fail_msg("%s: %.*s", rows[i].value, SPAN_ARG(got));
	}
	arena_reset(&a);
}

static struct span
hash_of(struct arena *a, const unsigned char *key, const char *entity, const char *value,
	bool fold)
{
	return redactor_get(redactor_new(a, key), STYLE_HASH, span_str(entity), span_str(value),
		fold, false);
}

static void
hash_depends_on_key_entity_and_folded_value(void **state)
{
	static const unsigned char one[STYLE_KEY_BYTES] = { 1 }, two[STYLE_KEY_BYTES] = { 2 };
	struct arena a;

	(void)state;
	arena_init(&a, 0, true);
	struct span h = hash_of(&a, one, "PHONE_NUMBER", "212-555-0143", true);
	/* equals the output of openssl dgst -mac HMAC */
	assert_true(span_is(h, "<PHONE_NUMBER:a9d8024931329d0b>"));
	assert_true(span_eq(h, hash_of(&a, one, "PHONE_NUMBER", "(212) 555 0143", true)));
	assert_false(span_eq(h, hash_of(&a, one, "PHONE_NUMBER", "(212) 555 0143", false)));
	assert_false(span_eq(h, hash_of(&a, one, "PHONE_NUMBER", "212-555-0144", true)));
	assert_false(span_eq(h, hash_of(&a, two, "PHONE_NUMBER", "212-555-0143", true)));
	assert_false(span_eq(span_cut(h, 14, 30),
		span_cut(hash_of(&a, one, "XXXXX_NUMBER", "212-555-0143", true), 14, 30)));
	/* Without a key anyone could compute the hash, so it is not written. */
	assert_true(span_is(hash_of(&a, NULL, "PHONE_NUMBER", "1", true), "<PHONE_NUMBER_1>"));
	arena_reset(&a);
}

static void
numbers_in_the_text_are_skipped(void **state)
{
	struct arena a;
	char text[64], want[64];

	(void)state;
	arena_init(&a, 0, false);
	struct placeholders *p = placeholders_new(&a);
	placeholders_taken(
		p, SPAN_LIT("<<E_1> <E_3> <E_02> <E_> <E_4 <e_5> <_5> <E_99999999999>"));
	static const char *const given[] = { "<E_2>", "<E_4>", "<E_6>" };
	for (size_t i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "v%zu", i);
		assert_true(span_is(
			placeholder_get(p, SPAN_LIT("E"), span_str(text), false), given[i]));
	}
	/* Found too late: the value keeps its number, and the next one is different. */
	placeholders_taken(p, SPAN_LIT("<E_7>"));
	assert_true(span_is(placeholder_get(p, SPAN_LIT("E"), SPAN_LIT("v0"), false), "<E_2>"));
	assert_true(span_is(placeholder_get(p, SPAN_LIT("E"), SPAN_LIT("v9"), false), "<E_8>"));
	/* More numbers than are remembered individually. */
	for (int i = 9; i < 30000; i++) {
		snprintf(text, sizeof(text), "<E_%d>", i);
		placeholders_taken(p, span_str(text));
	}
	snprintf(want, sizeof(want), "<E_%d>", 30000);
	assert_true(span_is(placeholder_get(p, SPAN_LIT("E"), SPAN_LIT("x"), false), want));
	assert_true(
		span_is(placeholder_get(p, SPAN_LIT("F"), SPAN_LIT("x"), false), "<F_30000>"));
	assert_false(arena_failed(&a));
	arena_reset(&a);
}

static void
key_file_must_be_private_and_long_enough(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		int ok;
	} rows[] = {
		{ "0123456789abcdef0123456789abcdef\n", 0600, 1 },
		{ "0123456789abcdef0123456789abcdef", 0400, 1 },
		{ "0123456789abcdef0123456789abcdef", 0640, 0 },
		{ "0123456789abcdef0123456789abcdef", 0604, 0 },
		{ "0123456789abcdef0123456789abcde \n", 0600, 0 },
		{ "", 0600, 0 },
	};
	unsigned char key[2][KEYFILE_BYTES];
	struct buf why;

	(void)state;
	buf_init(&why, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put("k", rows[i].text);
		assert_int_equal(chmod(path("k"), rows[i].mode), 0);
		buf_clear(&why);
		int err = keyfile_load(path("k"), key[i > 0], &why);
		if ((err == 0) != rows[i].ok || (err != 0) != (why.n > 0))
			fail_msg("row %zu: %d %.*s", i, err, SPAN_ARG(buf_view(&why)));
		if (i == 1) /* the end of the line does not count */
			assert_memory_equal(key[0], key[1], sizeof(key[0]));
	}
	assert_true(keyfile_load(dir, key[0], &why) < 0);
	assert_true(keyfile_load(path("none"), key[0], &why) < 0);
	buf_free(&why);
}

/* ---- the policy ---- */

static void
first_rule_that_names_an_entity_decides(void **state)
{
	static const char text[] = POLICY_HEAD
		"rules:\n"
		"  - {name: no, when: 'false', redact: {classes: [pii], with: remove}}\n"
		"  - {name: dry, mode: shadow, redact: {entities: [US_SSN], with: mask}}\n"
		"  - {name: a, redact: {entities: [CREDIT_CARD], with: last4}}\n"
		"  - {name: b, redact: {classes: [pii], with: hash}}\n"
		"  - {name: c, redact: {entities: [US_SSN, EMAIL_ADDRESS], with: mask}}\n"
		"default: permit\n";
	struct identity id = { .method = "jwt", .verified = true };
	struct entity_set found = { { 0 } };
	struct policy_verdict v;
	struct policy_fix f;
	struct body body = { 0 };
	struct config cfg = fix_config;
	int card, ssn;

	(void)state;
	cfg.redact_key_file = "k";
	if (!fix_load(&f, &cfg, text))
		fail_msg("%.*s", SPAN_ARG(buf_view(&f.d.text)));
	assert_true(f.p->hashes);
	card = detect_entity_find(detect_fix()->rules, SPAN_LIT("CREDIT_CARD"));
	ssn = detect_entity_find(detect_fix()->rules, SPAN_LIT("US_SSN"));
	found.bit[card / 64] |= 1ull << (card % 64);
	found.bit[ssn / 64] |= 1ull << (ssn % 64);
	struct policy_facts facts = { .identity = &id,
		.route = &f.p->routes[0],
		.whole = true,
		.body = &body,
		.model = body.model,
		.rules = detect_fix()->rules,
		.entities = &found };
	assert_int_equal(policy_decide(f.p, &facts, &f.a, &v), 0);
	assert_int_equal(v.ruled.effect, RULE_REDACT);
	assert_string_equal(v.ruled.rule->name, "a");
	assert_int_equal(v.redact.with[card], STYLE_LAST4);
	assert_int_equal(v.redact.with[ssn], STYLE_HASH);
	assert_true(v.ruled.shadowed); /* the shadow rule would have masked it */
	fix_done(&f);
}

static void
style_is_part_of_the_version(void **state)
{
	static const char *const rules[] = { "[{name: a, redact: {classes: pii}}]",
		"[{name: a, redact: {classes: pii, with: mask}}]",
		"[{name: a, redact: {classes: pii, with: remove}}]" };
	char version[3][65];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct policy_fix f;
		char text[1024];
		snprintf(text, sizeof(text), POLICY_HEAD "rules: %s\n", rules[i]);
		assert_non_null(fix_load(&f, NULL, text));
		memcpy(version[i], f.p->version, 65);
		fix_done(&f);
	}
	assert_string_not_equal(version[0], version[1]);
	assert_string_not_equal(version[1], version[2]);
}

static void
hash_needs_a_key_in_the_configuration(void **state)
{
	static const char text[] =
		POLICY_HEAD "rules:\n  - {name: a, redact: {classes: pii, with: hash}}\n";
	struct policy_fix f;
	struct config cfg = fix_config;

	(void)state;
	assert_null(fix_load(&f, &cfg, text));
	if (!strstr(buf_view(&f.d.text).p,
		    "t.yaml:6:44: with: hash needs redact.key_file in tollgate.yaml"))
		fail_msg("%.*s", SPAN_ARG(buf_view(&f.d.text)));
	fix_done(&f);
	cfg.redact_key_file = "k";
	assert_non_null(fix_load(&f, &cfg, text));
	fix_done(&f);
	assert_non_null(fix_load(&f, NULL, text)); /* decide --policy */
	fix_done(&f);
}

/* ---- a request ---- */

static void
write_policy(const char *with)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"tollgate: 1\nname: t\nidentity: [{none: {}}]\n"
		"routes:\n"
		"  - {name: chat, match: {path: /v1/chat/completions}, dialect: openai, "
		"backend: o}\n"
		"  - {name: api, match: {path_prefix: /api}, dialect: rest, backend: b}\n"
		"rules: [{name: r, redact: {classes: [pii], with: %s}}]\ndefault: permit\n",
		with);
	put("p.yaml", text);
}

/* clang-format off */
#define BODY(text) "{\"path\":\"/api/x\",\"body\":\"" text "\"}"
static const struct {
	const char *with, *in, *body, *target; /* NULL: not rewritten */
} requests[] = {
	{ "mask", BODY("{\\\"a\\\":\\\"to a@b.de\\\"}"), "{\"a\":\"to ******\"}", NULL },
	{ "remove", BODY("{\\\"a\\\":\\\"to a@b.de\\\"}"), "{\"a\":\"to \"}", NULL },
	{ "remove", BODY("a@b.de"), "", NULL },
	/* an escaped value is replaced with its escapes */
	{ "mask", BODY("{\\\"a\\\":\\\"\\\\u0061@b.de\\\"}"), "{\"a\":\"******\"}", NULL },
	/* numbers become strings */
	{ "placeholder", BODY("{\\\"card\\\":4716379142021968}"), "{\"card\":\"<CREDIT_CARD_1>\"}", NULL },
	{ "remove", BODY("{\\\"card\\\":4716379142021968}"), "{\"card\":\"\"}", NULL },
	{ "last4", BODY("{\\\"card\\\":4716379142021968}"), "{\"card\":\"************1968\"}", NULL },
	{ "mask", BODY("{\\\"card\\\":4716379142021968}"), "{\"card\":\"****************\"}", NULL },
	/* a key of an object stays a name */
	{ "remove", BODY("{\\\"a@b.de\\\":1,\\\"b\\\":\\\"c@d.de\\\"}"), "{\"<EMAIL_ADDRESS_1>\":1,\"b\":\"\"}", NULL },
	/* the target */
	{ "mask", "{\"path\":\"/api/a@b.de?q=c@dd.de\",\"method\":\"GET\"}", NULL, "/api/%2A%2A%2A%2A%2A%2A?q=%2A%2A%2A%2A%2A%2A%2A" },
	{ "remove", "{\"path\":\"/api/a@b.de?q=c@d.de&r=1\",\"method\":\"GET\"}", NULL, "/api/%3CEMAIL_ADDRESS_1%3E?q=&r=1" },
	{ "placeholder", "{\"path\":\"/api/a@b.de\",\"body\":\"c@d.de a@b.de\"}", "<EMAIL_ADDRESS_2> <EMAIL_ADDRESS_1>", "/api/%3CEMAIL_ADDRESS_1%3E" },
	/* numbers in the caller's own text are not assigned */
	{ "placeholder", BODY("<EMAIL_ADDRESS_1> is a@b.de"), "<EMAIL_ADDRESS_1> is <EMAIL_ADDRESS_2>", NULL },
	/* across messages; a placeholder that the model repeats is one of ours */
	{ "placeholder", "{\"path\":\"/v1/chat/completions\",\"body\":\"{\\\"model\\\":\\\"m\\\",\\\"messages\\\":["
	  "{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"a@b.de c@d.de\\\"},"
	  "{\\\"role\\\":\\\"assistant\\\",\\\"content\\\":\\\"<EMAIL_ADDRESS_2>?\\\"},"
	  "{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"c@d.de e@f.de\\\"}]}\"}",
	  "{\"model\":\"m\",\"messages\":["
	  "{\"role\":\"user\",\"content\":\"<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_2>\"},"
	  "{\"role\":\"assistant\",\"content\":\"<EMAIL_ADDRESS_2>?\"},"
	  "{\"role\":\"user\",\"content\":\"<EMAIL_ADDRESS_2> <EMAIL_ADDRESS_3>\"}]}", NULL },
};
/* clang-format on */

static void
request_is_rewritten_in_the_style(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		write_policy(requests[i].with);
		int code = tollgate(requests[i].in, "decide", "--policy", path("p.yaml"), NULL);
		json_t *o = json_loads(cmd_out, 0, NULL);
		const char *body = json_string_value(json_object_get(o, "body"));
		const char *target = json_string_value(json_object_get(o, "path"));
		const char *with = json_string_value(json_object_get(
			json_array_get(json_object_get(o, "findings"), 0), "with"));
		if (code || (body != NULL) != (requests[i].body != NULL) ||
			(target != NULL) != (requests[i].target != NULL) ||
			(body && strcmp(body, requests[i].body)) ||
			(target && strcmp(target, requests[i].target)) || !with ||
			strcmp(with, requests[i].with))
			fail_msg("%s, %s: %s", requests[i].with, requests[i].in, cmd_out);
		json_decref(o);
	}
}

/* Two keys that would become equal are denied in every style. */
static void
colliding_keys_are_denied(void **state)
{
	(void)state;
	write_policy("mask");
	assert_int_equal(tollgate(BODY("{\\\"a@b.de\\\":1,\\\"c@d.de\\\":2}"), "decide",
				 "--policy", path("p.yaml"), NULL),
		1);
	assert_non_null(strstr(cmd_out, "\"status\": 403"));
	assert_null(strstr(cmd_out, "@b.de"));
	write_policy("placeholder");
	assert_int_equal(tollgate(BODY("{\\\"a@b.de\\\":1,\\\"c@d.de\\\":2}"), "decide",
				 "--policy", path("p.yaml"), NULL),
		0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(style_writes_its_replacement),
		cmocka_unit_test(hash_depends_on_key_entity_and_folded_value),
		cmocka_unit_test(numbers_in_the_text_are_skipped),
		cmocka_unit_test(key_file_must_be_private_and_long_enough),
		cmocka_unit_test(first_rule_that_names_an_entity_decides),
		cmocka_unit_test(style_is_part_of_the_version),
		cmocka_unit_test(hash_needs_a_key_in_the_configuration),
		cmocka_unit_test(request_is_rewritten_in_the_style),
		cmocka_unit_test(colliding_keys_are_denied),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}

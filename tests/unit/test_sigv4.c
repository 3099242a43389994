/* Signature Version 4: a row for each case of the public suite that applies to header
 * signatures of this profile (the path is normalized, the hash of a body is sent), and the
 * fields of a request to a model. The signatures were computed twice, independently of this
 * code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "gate/auth/sigv4.h"

#define SECRET	"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define SESSION "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
#define LONG_SESSION                                                                           \
	"AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeM"   \
	"icRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZa"   \
	"mpKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr"   \
	"7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR"   \
	"/oLxBA=="
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define VANILLA	   "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
#define POSTED	   "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
#define FORM_HASH  "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"

/* 2015-08-30T12:36:00Z and 2026-11-20T12:00:00Z */
enum { SUITE_S = 1440938160, BEDROCK_S = 1795176000 };

/* "name:value" lines; each request also has host and x-amz-date. */
static const struct row {
	const char *name, *method, *path, *query, *fields, *body, *want;
} rows[] = {
	{ "a request with nothing in it", "GET", "/", "", "", "", VANILLA },
	{ "a name given twice and once more", "GET", "/", "",
		"My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\n", "",
		"c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
	{ "blanks in a row are one", "GET", "/", "", "My-Header1:value1   value2\t  value3\n",
		"", "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd" },
	{ "values of one name keep their order", "GET", "/", "",
		"My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2\n",
		"", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01" },
	{ "values are trimmed, quotes are no quotes", "GET", "/", "",
		"My-Header1: value1\nMy-Header2: \"a   b   c\"\n", "",
		"acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
	{ "two dots take a segment", "GET", "/example/..", "", "", "", VANILLA },
	{ "two dots take two segments", "GET", "/example1/example2/../..", "", "", "",
		VANILLA },
	{ "a dot is nothing", "GET", "/./", "", "", "", VANILLA },
	{ "two slashes are one", "GET", "//", "", "", "", VANILLA },
	{ "a dot before a segment is nothing", "GET", "/./example", "", "", "",
		"ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5" },
	{ "slashes at both ends", "GET", "//example//", "", "", "",
		"9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84" },
	{ "a blank in the path", "GET", "/example space/", "", "", "",
		"652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741" },
	{ "what needs no escape has none", "GET", "/" UNRESERVED, "", "", "",
		"07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
	{ "UTF-8 in the path", "GET", "/\xe1\x88\xb4", "", "", "",
		"8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
	{ "a parameter", "GET", "/", "Param1=value1", "", "",
		"a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
	{ "parameters are sorted by their encoded names", "GET", "/",
		"Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "", "",
		"371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac" },
	{ "parameters are sorted", "GET", "/", "Param2=value2&Param1=value1", "", "",
		"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
	{ "of a parameter too what needs no escape has none", "GET", "/",
		UNRESERVED "=" UNRESERVED, "", "",
		"9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
	{ "UTF-8 in the query", "GET", "/", "\xe1\x88\xb4=bar", "", "",
		"2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04" },
	{ "a session's token", "GET", "/", "", "X-Amz-Security-Token:" SESSION "\n", "",
		"07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8" },
	{ "a POST", "POST", "/", "", "", "", POSTED },
	{ "names are sorted", "POST", "/", "", "My-Header1:value1\n", "",
		"c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c" },
	{ "a value keeps its case", "POST", "/", "", "My-Header1:VALUE1\n", "",
		"cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d" },
	{ "a long token of a session", "POST", "/", "",
		"x-amz-security-token:" LONG_SESSION "\n", "",
		"85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead" },
	{ "a POST with a parameter", "POST", "/", "Param1=value1", "", "",
		"28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11" },
	{ "a form with parameters of its type", "POST", "/", "",
		"Content-Type:application/x-www-form-urlencoded; charset=utf-8\n"
		"Content-Length:13\nX-Amz-Content-Sha256:" FORM_HASH "\n",
		"Param1=value1",
		"328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422" },
	{ "a form", "POST", "/", "",
		"Content-Type:application/x-www-form-urlencoded\n"
		"Content-Length:13\nX-Amz-Content-Sha256:" FORM_HASH "\n",
		"Param1=value1",
		"d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b" },
};

static void
signatures_equal_those_of_the_public_suite(void **state)
{
	static const struct sigv4_scope scope = { "us-east-1", "service", SUITE_S };
	const struct sigv4_keys keys = { .secret = SPAN_LIT(SECRET) };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];
		struct http_field fields[SIGV4_FIELDS] = {
			{ SPAN_LIT("X-Amz-Date"), SPAN_LIT("20150830T123600Z") },
			{ SPAN_LIT("Host"), SPAN_LIT("example.amazonaws.com") }
		};
		struct sigv4_request q = { span_str(r->method), span_str(r->path),
			span_str(r->query), fields, 2, { 0 } };
		struct span lines = span_str(r->fields), names;
		char got[SIGV4_HEX];
		struct arena a;

		arena_init(&a, 0, true);
		while (lines.n) {
			struct span value = span_next(&lines, '\n');
			fields[q.nfields].name = span_next(&value, ':');
			fields[q.nfields++].value = value;
		}
		sha256(span_str(r->body), q.body);
		assert_int_equal(sigv4_signature(&a, &keys, &scope, &q, got, &names), 0);
		if (strcmp(got, r->want))
			fail_msg("%s: %s, want %s", r->name, got, r->want);
		arena_reset(&a);
	}
}

/* The head as the relay has it, and the fields that are signed. */
static void
request_to_bedrock_is_signed_like_by_its_sdk(void **state)
{
	static const struct {
		const char *name, *path, *token, *want, *names;
	} models[] = {
		{ "an inference profile, keys of a session",
			"/model/us.anthropic.claude-x-v1%3A0/converse", "TOKEN",
			"1d730b15e564335ec72825995e237c1896ea79d4e7bd45150fa5d9b33cfc85b7",
			"content-type;host;x-amz-content-sha256;x-amz-date;"
			"x-amz-security-token" },
		{ "an ARN with its slash, long-term keys",
			"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3A"
			"inference-profile%2Fus.anthropic.claude-x-v1%3A0/converse-stream",
			"", "c3a6d23c1d66fae04b3fd4b37f628dfb6b5b53f38d0084c1338f60a80aaac3d9",
			"content-type;host;x-amz-content-sha256;x-amz-date" },
	};
	static const struct sigv4_scope scope = { "us-east-1", "bedrock", BEDROCK_S };
	/* One of these is signed; other fields of a caller are not. */
	struct http_field fields[] = { { SPAN_LIT("user-agent"), SPAN_LIT("aws-sdk-js/3") },
		{ SPAN_LIT("Content-Type"), SPAN_LIT("application/json") },
		{ SPAN_LIT("x-amzn-bedrock-trace"), SPAN_LIT("ENABLED") },
		{ SPAN_LIT("x-amzn-trace-id"), SPAN_LIT("1") } };
	unsigned char body[SHA256_BYTES];
	char want[512];

	(void)state;
	sha256(SPAN_LIT("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}"),
		body);
	for (size_t i = 0; i < COUNT_OF(models); i++) {
		const struct http_head head = { .method = SPAN_LIT("POST"),
			.path = span_str(models[i].path),
			.fields = fields,
			.nfields = COUNT_OF(fields) };
		const struct sigv4_keys keys = { SPAN_LIT("AKIDEXAMPLE"), SPAN_LIT(SECRET),
			span_str(models[i].token) };
		struct sigv4_headers out;
		struct arena a;

		arena_init(&a, 0, true);
		assert_int_equal(sigv4_headers(&a, &keys, &scope, &head,
					 SPAN_LIT("bedrock-runtime.us-east-1.amazonaws.com"),
					 body, &out),
			0);
		snprintf(want, sizeof(want),
			"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/us-east-1/bedrock/"
			"aws4_request, SignedHeaders=%s, Signature=%s",
			models[i].names, models[i].want);
		if (!span_is(out.authorization, want))
			fail_msg("%s: %.*s, want %s", models[i].name,
				SPAN_ARG(out.authorization), want);
		assert_true(span_is(out.date, "20261120T120000Z"));
		assert_true(span_is(out.content_sha256, "c3335e07d6e89650bf94cb98664be69f8774d"
							"bc3198df221f113db0a59ea14f0"));
		assert_true(span_is(out.token, models[i].token));
		arena_reset(&a);
	}
}

static void
unsignable_request_is_refused(void **state)
{
	static const struct sigv4_scope scope = { "us-east-1", "bedrock", BEDROCK_S };
	const struct sigv4_keys keys = { SPAN_LIT("AKIDEXAMPLE"), SPAN_LIT(SECRET),
		{ NULL, 0 } };
	struct sigv4_keys none = keys;
	struct http_field two[] = { { SPAN_LIT("content-type"), SPAN_LIT("a/b") },
		{ SPAN_LIT("Content-type"), SPAN_LIT("c/d") } };
	struct http_head head = { .method = SPAN_LIT("POST"), .path = SPAN_LIT("/") };
	unsigned char body[SHA256_BYTES] = { 0 };
	struct sigv4_headers out;
	struct buf many;
	struct arena a;

	(void)state;
	arena_init(&a, 0, true);
	none.secret.n = 0;
	assert_int_equal(
		sigv4_headers(&a, &none, &scope, &head, SPAN_LIT("h"), body, &out), ERR_LIMIT);
	head.fields = two;
	head.nfields = 2;
	assert_int_equal(sigv4_headers(&a, &keys, &scope, &head, SPAN_LIT("h"), body, &out),
		ERR_AMBIGUOUS);
	head.nfields = 1;
	buf_init(&many, 0);
	for (int i = 0; i < 300; i++)
		buf_str(&many, "a=1&");
	head.query = buf_view(&many);
	assert_int_equal(
		sigv4_headers(&a, &keys, &scope, &head, SPAN_LIT("h"), body, &out), ERR_LIMIT);
	buf_free(&many);
	arena_reset(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_equal_those_of_the_public_suite),
		cmocka_unit_test(request_to_bedrock_is_signed_like_by_its_sdk),
		cmocka_unit_test(unsignable_request_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mcp/: results of tools and their schemas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "scan/mcp/output.h"

#define MAIL "ann@example.com"
#define GONE "<EMAIL_ADDRESS>"

/* clang-format off */
static const struct {
	const char *name, *schema, *was; /* `was`: structuredContent, in which MAIL is replaced */
	bool fits;
} outputs[] = {
	{ "any text", "{\"properties\":{\"m\":{\"type\":\"string\"}}}", "{\"m\":\"" MAIL "\"}", true },
	{ "nothing is said of it", "{\"type\":\"object\"}", "{\"m\":[\"" MAIL "\"]}", true },
	{ "a format", "{\"properties\":{\"m\":{\"type\":\"string\",\"format\":\"email\"}}}", "{\"m\":\"" MAIL "\"}", false },
	{ "of a member that stays", "{\"properties\":{\"d\":{\"format\":\"date\"}}}", "{\"m\":\"" MAIL "\",\"d\":\"2026-01-01\"}", true },
	{ "a pattern", "{\"properties\":{\"m\":{\"pattern\":\"@\"}}}", "{\"m\":\"" MAIL "\"}", false },
	{ "of any text", "{\"properties\":{\"m\":{\"pattern\":\"^.+$\"}}}", "{\"m\":\"" MAIL "\"}", true },
	{ "one of some", "{\"properties\":{\"m\":{\"enum\":[\"" MAIL "\",\"x\"]}}}", "{\"m\":\"" MAIL "\"}", false },
	{ "which it is", "{\"properties\":{\"m\":{\"enum\":[\"" GONE "\"]}}}", "{\"m\":\"" MAIL "\"}", true },
	{ "one alone", "{\"properties\":{\"m\":{\"const\":\"" MAIL "\"}}}", "{\"m\":\"" MAIL "\"}", false },
	{ "longer than it may be", "{\"properties\":{\"m\":{\"maxLength\":14}}}", "{\"m\":\"" MAIL "\"}", false },
	{ "not longer", "{\"properties\":{\"m\":{\"maxLength\":15}}}", "{\"m\":\"" MAIL "\"}", true },
	{ "shorter", "{\"properties\":{\"m\":{\"minLength\":16}}}", "{\"m\":\"" MAIL "\"}", false },
	{ "measured in letters", "{\"properties\":{\"m\":{\"maxLength\":17}}}", "{\"m\":\"\xc3\xa9\xc3\xa9" MAIL "\"}", true },
	{ "beside a NUL", "{\"properties\":{\"m\":{\"format\":\"email\"}}}", "{\"m\":\"" MAIL "\",\"n\":\"\\u0000\"}", false },
	{ "in a list", "{\"properties\":{\"m\":{\"items\":{\"format\":\"email\"}}}}", "{\"m\":[\"x\",\"" MAIL "\"]}", false },
	{ "at its place in one", "{\"properties\":{\"m\":{\"prefixItems\":[{\"format\":\"email\"},{}]}}}", "{\"m\":[\"x\",\"" MAIL "\"]}", true },
	{ "of members that have no name", "{\"additionalProperties\":{\"format\":\"email\"}}", "{\"m\":\"" MAIL "\"}", false },
	{ "a key that nobody may add", "{\"additionalProperties\":false,\"properties\":{}}", "{\"" MAIL "\":1}", false },
	{ "a key that must be there", "{\"required\":[\"" MAIL "\"]}", "{\"" MAIL "\":1}", false },
	{ "by a reference", "{\"$defs\":{\"a\":{\"format\":\"email\"}},\"properties\":{\"m\":{\"$ref\":\"#/$defs/a\"}}}", "{\"m\":\"" MAIL "\"}", false },
	{ "by one to nowhere", "{\"properties\":{\"m\":{\"$ref\":\"#/$defs/a\"}}}", "{\"m\":\"" MAIL "\"}", true },
	{ "one of two forms holds it", "{\"properties\":{\"m\":{\"anyOf\":[{\"format\":\"email\"},{\"type\":\"string\"}]}}}", "{\"m\":\"" MAIL "\"}", true },
	{ "none does", "{\"properties\":{\"m\":{\"oneOf\":[{\"format\":\"email\"},{\"type\":\"null\"}]}}}", "{\"m\":\"" MAIL "\"}", false },
	{ "not all do", "{\"allOf\":[{},{\"properties\":{\"m\":{\"format\":\"email\"}}}]}", "{\"m\":\"" MAIL "\"}", false },
	{ "one that is itself", "{\"$ref\":\"#\"}", "{\"m\":\"" MAIL "\"}", true },
	{ "many times", "{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "{\"m\":\"" MAIL "\"}", false },
	{ "nothing was replaced", "{\"properties\":{\"m\":{\"format\":\"email\"}}}", "{\"m\":\"x\"}", true },
	{ "no schema", "true", "{\"m\":\"" MAIL "\"}", true },
};
/* clang-format on */

static void
replacement_must_match_the_output_schema(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(outputs); i++) {
		struct buf tool, was, now;
		buf_init(&tool, 0);
		buf_init(&was, 0);
		buf_init(&now, 0);
		buf_printf(&tool, "{\"name\":\"t\",\"outputSchema\":%s}", outputs[i].schema);
		buf_printf(&was, "{\"id\":1,\"result\":{\"structuredContent\":%s}}",
			outputs[i].was);
		struct span rest = buf_view(&was);
		for (const char *at; (at = memmem(rest.p, rest.n, MAIL, strlen(MAIL)));) {
			size_t n = (size_t)(at - rest.p);
			buf_span(&now, span_cut(rest, 0, n));
			buf_str(&now, GONE);
			rest = span_cut(rest, n + strlen(MAIL), rest.n);
		}
		buf_span(&now, rest);
		if (mcp_output_fits(buf_view(&tool), buf_view(&was), buf_view(&now)) !=
			outputs[i].fits)
			fail_msg("%s", outputs[i].name);
		buf_free(&tool);
		buf_free(&was);
		buf_free(&now);
	}
	assert_true(mcp_output_fits(SPAN_LIT("{"), SPAN_LIT("{}"), SPAN_LIT("{}")));
	/* The schema does not apply to a result that reports an error. */
#define FAILED(m) SPAN_LIT("{\"result\":{\"isError\":true,\"structuredContent\":\"" m "\"}}")
	assert_true(mcp_output_fits(SPAN_LIT("{\"outputSchema\":{\"format\":\"email\"}}"),
		FAILED(MAIL), FAILED(GONE)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replacement_must_match_the_output_schema),
	};

	return cmocka_run_group_tests_name("mcp_output", tests, NULL, NULL);
}

/* Checks the parameters of an admin request against the endpoint's row, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/attr.h"
#include "operator/admin/reader.h"

/* The query: names and values, with their lengths if they contain a NUL. */
static struct {
	const char *name, *value;
	size_t name_n, value_n;
} given[80];
static size_t ngiven;

int
MHD_get_connection_values_n(struct MHD_Connection *c UNUSED, enum MHD_ValueKind kind UNUSED,
	MHD_KeyValueIteratorN each, void *arg)
{
	for (size_t i = 0; i < ngiven; i++)
		if (each(arg, MHD_GET_ARGUMENT_KIND, given[i].name, given[i].name_n,
			    given[i].value, given[i].value_n) == MHD_NO)
			break;
	return (int)ngiven;
}

/* clang-format off */
static const struct param params[] = {
	{ "count", PARAM_INTEGER, .min = 1, .max = 256, .text = "" },
	{ "text",  PARAM_TEXT, .min = 2, .max = 4, .text = "" },
	{ "long",  PARAM_TEXT, .text = "" },
	{ "must",  PARAM_TEXT, PARAM_NEEDED, .text = "It must be there." },
	{ "word",  PARAM_CHOICE, .words = "one two", .text = "" },
	{ "yes",   PARAM_BOOLEAN, .text = "" },
	{ "time",  PARAM_TIME, .text = "" },
	{ "for",   PARAM_DURATION, .text = "" },
	{ "many",  PARAM_TEXT, PARAM_MANY, .max = 4, .text = "" },
	{ "list",  PARAM_LIST, .text = "" },
	{ "of",    PARAM_OBJECT, .text = "" }, { .name = NULL },
};
/* clang-format on */
static const struct admin_endpoint row = { .params = params };
static struct buf why;

/* Returns "" or the error. */
static const char *
held(json_t *body)
{
	buf_clear(&why);
	json_t *in = admin_endpoint_params(&row, NULL, body, &why);

	assert_int_equal(in == NULL, why.n > 0);
	json_decref(in);
	buf_putc(&why, '\0');
	return buf_view(&why).p;
}

static void
give(const char *name, const char *value)
{
	given[ngiven].name = name;
	given[ngiven].name_n = strlen(name);
	given[ngiven].value = value;
	given[ngiven++].value_n = strlen(value);
}

static void
query_is_checked_against_its_row(void **state UNUSED)
{
	static char x256[257], x257[258];
	memset(x256, 'x', 256);
	memset(x257, 'x', 257);
	const struct {
		const char *name, *value, *says; /* "": accepted */
	} rows[] = {
		{ "count", "1", "" },
		{ "count", "256", "" },
		{ "count", "0", "count: send a whole number from 1 to 256" },
		{ "count", "257", "count: send a whole number" },
		{ "count", "-1", "count: send a whole number" },
		{ "count", "1x", "count: send a whole number" },
		{ "count", "", "count: send a whole number" },
		{ "count", "99999999999999999999", "count: send a whole number" },
		{ "text", "ab", "" },
		{ "text", "abcd", "" },
		{ "text", "a", "text: send a string of 2 to 4 bytes" },
		{ "text", "abcde", "text: send a string of 2 to 4 bytes" },
		{ "long", x256, "" },
		{ "long", x257, "long: send a string of 0 to 256 bytes" },
		{ "word", "two", "" },
		{ "word", "tw", "word: send one of one two" },
		{ "word", "one two", "word: send one of" },
		{ "word", "", "word: send one of" },
		{ "yes", "1", "" },
		{ "yes", "maybe", "yes: send true or false" },
		{ "time", "24h", "" },
		{ "time", "soon", "time: send a time such as" },
		{ "for", "90d", "" },
		{ "for", "2026-12-01T00:00:00Z", "for: send a duration" },
		{ "many", "abcd", "" },
		{ "many", "abcde", "many: send a string" },
		{ "of", "{}", "of: send an object" },
		{ "list", "[]", "list: send a list" },
		{ "Count", "1", "Count: unknown parameter; accepted: count, text," },
		{ "", "1", ": unknown parameter" },
		{ "text", "a\xff", "text: the value is not UTF-8" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ngiven = 0;
		give("must", "");
		give(rows[i].name, rows[i].value);
		const char *says = held(NULL);
		if (!rows[i].says[0] != !says[0] || !strstr(says, rows[i].says))
			fail_msg("%s=%s: %s", rows[i].name, rows[i].value, says);
	}
}

static void
parameter_may_occur_as_often_as_its_row_states(void **state UNUSED)
{
	ngiven = 0;
	assert_string_equal(held(NULL), "must: this parameter is missing: It must be there.");
	give("must", "");
	give("text", "ab");
	give("text", "ab");
	assert_string_equal(held(NULL), "text: this parameter is repeated; send it once");
	ngiven = 1;
	for (int i = 0; i < 63; i++)
		give("many", "x");
	assert_string_equal(held(NULL), "");
	give("many", "x");
	assert_string_equal(held(NULL), "many: the query has too many parameters or a NUL byte");
	/* A value that is cut at a NUL would be a different one. */
	ngiven = 1;
	give("text", "ab\0x");
	given[1].value_n = 4;
	assert_string_equal(held(NULL), "text: the query has too many parameters or a NUL byte");
	given[1].value_n = 2;
	given[1].name = "text\0x";
	given[1].name_n = 6;
	assert_string_equal(held(NULL), "text: the query has too many parameters or a NUL byte");
}

static void
body_is_checked_against_its_row(void **state UNUSED)
{
	static const struct {
		const char *body, *says;
	} rows[] = {
		{ "{\"must\":\"\"}", "" },
		{ "{\"must\":null}", "must: send a string" },
		{ "{\"must\":\"\",\"text\":null}", "" },
		{ "{\"must\":1}", "must: send a string" },
		{ "{\"must\":\"\",\"count\":1.5}", "count: send a whole number" },
		{ "{\"must\":\"\",\"count\":\"1\"}", "count: send a whole number" },
		{ "{\"must\":\"\",\"many\":[\"a\",\"b\"]}", "" },
		{ "{\"must\":\"\",\"many\":[\"a\",7]}", "many: send a string" },
		{ "{\"must\":\"\",\"text\":[\"ab\"]}", "text: send a string" },
		{ "{\"must\":\"\",\"of\":{}}", "" },
		{ "{\"must\":\"\",\"of\":[]}", "of: send an object" },
		{ "{\"must\":\"\",\"list\":{}}", "list: send a list" },
		{ "{\"must\":\"\",\"yes\":1}", "yes: send true or false" },
		{ "{\"must\":\"\",\"odd\":null}", "odd: unknown parameter" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *says = held(json_loads(rows[i].body, 0, NULL));
		if (!rows[i].says[0] != !says[0] || !strstr(says, rows[i].says))
			fail_msg("%s: %s", rows[i].body, says);
	}
	for (size_t n = 64; n <= 65; n++) {
		json_t *body = json_pack("{s:s,s:[]}", "must", "", "many");
		for (size_t i = 0; i < n; i++)
			json_array_append_new(json_object_get(body, "many"), json_string("x"));
		assert_string_equal(
			held(body), n > 64 ? "many: send at most 64 values" : "");
	}
}

/* In a child's arguments, each text of the caller is the value of a named option or follows
 * "--". */
static void
callers_text_is_never_a_command_option(void **state UNUSED)
{
	static const struct reader reads = { .step = { { .command = { "audit", "show" } } },
		.operand = "must" };
	static const struct {
		const char *in,
			*args; /* arguments from the third on, each with a bar; NULL: refused */
	} rows[] = {
		{ "{\"must\":\"x\"}", "-c|t.yaml|--|x|" },
		{ "{\"must\":\"--help\",\"text\":\"--x\"}", "-c|t.yaml|--text=--x|--|--help|" },
		{ "{\"must\":\"x\",\"count\":7,\"yes\":true}",
			"-c|t.yaml|--count=7|--yes|--|x|" },
		{ "{\"must\":\"x\",\"yes\":false}", "-c|t.yaml|--|x|" },
		{ "{\"must\":\"x\",\"many\":[\"a\",\"b\"]}",
			"-c|t.yaml|--many=a|--many=b|--|x|" },
		{ "{\"must\":\"x\",\"text\":\"a\\nb\"}", NULL },
		{ "{\"must\":\"x\",\"text\":\"a\\u007f\"}", NULL },
		{ "{\"must\":\"x\",\"text\":\"a\\u0000b\"}", NULL },
		{ "{\"must\":\"x\",\"many\":[\"a\",\"\\u001b\"]}", NULL },
		{ "{\"must\":\"a\\tb\"}", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reading r = { .nargs = 0 };
		struct buf args;
		json_t *in = json_loads(rows[i].in, JSON_ALLOW_NUL, NULL);
		assert_non_null(in);
		buf_init(&args, 0);
		buf_clear(&why);
		bool ok = reading_args(&r, &reads, 0, params, in, "t.yaml", &why);
		for (size_t k = 2; k < r.nargs; k++)
			buf_printf(&args, "%s|", r.args[k]);
		if (ok != (rows[i].args != NULL) ||
			(ok && !span_is(buf_view(&args), rows[i].args)))
			fail_msg("%s: %.*s", rows[i].in, SPAN_ARG(buf_view(&args)));
		assert_int_equal(ok, why.n == 0);
		reading_args_free(&r);
		buf_free(&args);
		json_decref(in);
	}
}

static void
endpoint_is_found_by_path_and_method(void **state UNUSED)
{
	static const struct {
		const char *method, *path;
		bool found, known;
		const char *allow;
	} rows[] = {
		{ "GET", "/status", true, false, "" },
		{ "HEAD", "/status", true, false, "" },
		{ "POST", "/status", false, true, "GET, HEAD" },
		{ "DELETE", "/session", true, false, "GET, HEAD, POST" },
		{ "PUT", "/session", false, true, "GET, HEAD, POST, DELETE" },
		{ "get", "/status", false, true, "GET, HEAD" },
		{ "GET", "/status/", false, false, "" },
		{ "GET", "/statu", false, false, "" },
		{ "GET", "/STATUS", false, false, "" },
		{ "GET", "/console/x.js", true, false, "" },
		{ "GET", "/keys/new", false, true, "POST" },
		{ "GET", "//status", false, false, "" },
		{ "GET", "", false, false, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf allow;
		bool known;
		buf_init(&allow, 256);
		const struct admin_endpoint *e =
			admin_endpoint_find(rows[i].method, rows[i].path, &known, &allow);
		if ((e != NULL) != rows[i].found || (!e && known != rows[i].known) ||
			(!e && !span_is(buf_view(&allow), rows[i].allow)))
			fail_msg("%s %s: %d %d %.*s", rows[i].method, rows[i].path, e != NULL,
				known, SPAN_ARG(buf_view(&allow)));
		buf_free(&allow);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_is_checked_against_its_row),
		cmocka_unit_test(parameter_may_occur_as_often_as_its_row_states),
		cmocka_unit_test(body_is_checked_against_its_row),
		cmocka_unit_test(callers_text_is_never_a_command_option),
		cmocka_unit_test(endpoint_is_found_by_path_and_method),
	};

	buf_init(&why, 4096);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&why);
	return failed;
}

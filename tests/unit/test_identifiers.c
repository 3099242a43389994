/* The identifiers of each form: for every member that a table lists, a body with it is read, and
 * the name in it is an identifier. docs/identifiers.md has the same list: `make reference` writes
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/scoped.h"
#include "scan/dialect/family.h"
#include "scan/text/named.h"

static const struct {
	const char *title, *dialect, *path;
} forms[] = {
	{ "OpenAI's chat", "openai", "/v1/chat/completions" },
	{ "OpenAI's responses", "openai", "/v1/responses" },
	{ "Anthropic's messages", "anthropic", "/v1/messages" },
	{ "Gemini's generate", "gemini", "/v1beta/models/g:generateContent" },
	{ "Gemini's interactions", "gemini", "/v1beta/interactions" },
	{ "Bedrock's converse", "bedrock", "/model/m/converse" },
	{ "Cohere's chat", "cohere", "/v2/chat" },
	{ "Cohere's chat, version 1", "cohere", "/v1/chat" },
	{ "Mistral's chat", "mistral", "/v1/chat/completions" },
	{ "Mistral's conversations", "mistral", "/v1/conversations" },
	{ "Ollama's chat", "ollama", "/api/chat" },
	{ "TGI's generate", "tgi", "/generate" },
	{ "Assistants, agents and other objects that providers keep", "openai", "/v1/assistants" },
	{ "Messages of OpenAI's realtime sessions", "openai", "/v1/realtime" },
	{ "Messages of Gemini's live sessions", "gemini",
		"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent" },
	{ "Messages to MCP servers", "mcp", "/mcp" },
};

static const struct table *
table_of(size_t i)
{
	const struct dialect *d = dialect_find(span_str(forms[i].dialect));
	struct span method = strstr(forms[i].title, "sessions") ? SPAN_LIT("GET") : SPAN_LIT("POST");
	struct endpoint e = dialect_endpoint(d, method, span_str(forms[i].path));

	assert_non_null(e.table);
	return e.table;
}

static const char *const kinds[] = {
	[NAME_WORD] = "the value, and everything in it",
	[NAME_SPEAKER] = "the value, in messages of the model and of tools",
	[NAME_KEYS] = "the keys of the object",
	[NAME_SCHEMA] = "names and permitted values of the schema",
	[NAME_SCHEMAS] = "the keys of the object; its values are schemas",
};

/* Returns what is an identifier at the place of a row, or NAME_NONE. */
static enum name_kind
kind_of_row(const struct row *r)
{
	return (r->flags & F_RESERVED) && (r->types & T_STRING) ? NAME_WORD : NAME_NONE;
}

/* ---- bodies ---- */

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"Read\"],\"properties\":{\"Read\":{\"enum\":[\"Grant\"],"
	"\"default\":\"Grant\",\"description\":\"Page\"},\"other\":{\"default\":\"Page\","
	"\"items\":{\"const\":\"Read\"}}},\"$defs\":{\"Grant\":{}}}";

/* Writes a document with the value at the path. `role` of the message around it, or NULL. */
static void
put_body(struct buf *out, const char *at, const char *value, const char *role)
{
	char ends[64];
	size_t n = 0;
	struct span rest = span_str(at);

	if (*at == '.')
		rest = span_str(at + 1);
	while (rest.n) {
		struct span step = span_next(&rest, '.');
		size_t key = span_chr(step, '[');
		assert_true(n + 4 < sizeof(ends));
		bool message = role && n == 2;
		buf_printf(out, "{%s%s%s\"%.*s\":", message ? "\"role\":\"" : "",
			message ? role : "", message ? "\"," : "", (int)key, step.p);
		ends[n++] = '}';
		for (size_t i = key; i < step.n; i += 3) {
			buf_putc(out, '[');
			ends[n++] = ']';
		}
	}
	buf_str(out, value);
	while (n)
		buf_putc(out, ends[--n]);
}

/* Fails if a segment with the text is not an identifier, or is one although it must not be. */
static void
expect(const char *form, const char *at, const struct body *b, struct span text, bool want)
{
	size_t seen = 0;

	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		if (!span_eq(s->text, text))
			continue;
		seen++;
		if (s->identifier != want)
			fail_msg("%s: %s: %.*s is %s", form, at, SPAN_ARG(text),
				want ? "no identifier" : "an identifier");
	}
	if (!seen)
		fail_msg("%s: %s: %.*s is not read", form, at, SPAN_ARG(text));
}

static void
try_member(size_t form, const char *at, enum name_kind kind, const char *role)
{
	static const char *const values[] = { [NAME_WORD] = "\"Read\"",
		[NAME_SPEAKER] = "\"Read\"",
		[NAME_KEYS] = "{\"Read\":\"Page\"}",
		[NAME_SCHEMA] = schema,
		[NAME_SCHEMAS] = "{\"Read\":{\"enum\":[\"Grant\"],\"description\":\"Page\"}}" };
	struct arena a;
	struct body b;
	struct body_refusal why = { 0 };

	arena_init(&a, 1 << 20, false);
	SCOPED_BUF(raw, 0);
	put_body(&raw, at, values[kind], role);
	if (body_read(table_of(form), SPAN_LIT("application/json"), buf_view(&raw), &a, &b, &why))
		fail_msg("%s: %s: %s\n%.*s", forms[form].title, at, why.why,
			SPAN_ARG(buf_view(&raw)));
	bool user = role && !strcmp(role, "user");
	expect(forms[form].title, at, &b, SPAN_LIT("Read"), kind != NAME_SPEAKER || !user);
	if (kind == NAME_SCHEMA || kind == NAME_SCHEMAS)
		expect(forms[form].title, at, &b, SPAN_LIT("Grant"), true);
	if (kind >= NAME_KEYS)
		expect(forms[form].title, at, &b, SPAN_LIT("Page"), false);
	arena_reset(&a);
}

static void
each_listed_member_is_an_identifier(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		const struct table *t = table_of(i);
		for (const struct name_row *r = t->names; r && r->path; r++) {
			try_member(i, r->path, r->kind,
				r->kind == NAME_SPEAKER ? "assistant" : NULL);
			if (r->kind == NAME_SPEAKER)
				try_member(i, r->path, r->kind, "user");
		}
		for (const struct row *r = t->rows; r && r->path; r++)
			if (kind_of_row(r) && r->read != READ_CAP && r->read != READ_CHOICES)
				try_member(i, r->path, NAME_WORD, NULL);
	}
}

/* ---- the page ---- */

static void
put_row(struct buf *page, const char *at, enum name_kind kind)
{
	if (kind)
		buf_printf(page, "| `%s` | %s |\n", at + (*at == '.'), kinds[kind]);
}

static const char page_file[] = "docs/identifiers.md";
static const char mark[] =
	"<!-- The tables are made by tests/unit/test_identifiers.c: make reference -->\n";

static void
page_lists_the_identifiers_of_each_form(void **state)
{
	static char text[256 << 10];
	FILE *f = fopen(page_file, "r");
	struct buf page = { 0 };

	(void)state;
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	char *made = strstr(text, mark);
	assert_non_null(made);
	made += strlen(mark);
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		const struct table *t = table_of(i);
		buf_printf(&page, "\n## %s\n\n| member | identifiers |\n|---|---|\n",
			forms[i].title);
		for (const struct row *r = t->rows; r && r->path; r++)
			put_row(&page, r->path, kind_of_row(r));
		for (const struct name_row *r = t->names; r && r->path; r++)
			put_row(&page, r->path, r->kind);
	}
	bool same = span_is(buf_view(&page), made);
	if (!same && getenv("MEMBERS") && !strcmp(getenv("MEMBERS"), "write")) {
		f = fopen(page_file, "w");
		assert_non_null(f);
		fprintf(f, "%.*s%.*s", (int)(made - text), text, SPAN_ARG(buf_view(&page)));
		assert_int_equal(fclose(f), 0);
		same = true;
	}
	if (!same)
		fail_msg("%s does not list the identifiers: run make reference", page_file);
	buf_free(&page);
}

/* Requests with calls. A key of the arguments is an identifier if a tool's schema has a property
 * of that name. */
static const struct {
	size_t form;
	const char *body;
} arguments[] = {
	{ 2, "{\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"Chad\":{\"type\":\"integer\"}}}}],\"messages\":[{\"role\":\"assistant\",\"content\":"
	     "[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"Chad\":1,\"Grant\":\"Chad Read\"}}]}]}" },
	{ 3, "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"in\":{\"Chad\":1,\"Grant\":\"Chad Read\"}}}}]}],"
	     "\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"parameters\":{\"type\":\"OBJECT\",\"properties\":{\"in\":{\"type\":\"OBJECT\",\"properties\":{\"Chad\":{\"type\":\"INTEGER\"}}}}}}]}]}" },
	{ 5, "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":\"a\",\"name\":\"f\",\"input\":{\"Chad\":1,\"Grant\":\"Chad Read\"}}}]}],"
	     "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{\"Chad\":{\"type\":\"integer\"}}}}}}]}}" },
};

static void
keys_of_arguments_are_identifiers_if_a_schema_names_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(arguments); i++) {
		const char *form = forms[arguments[i].form].title;
		struct body_refusal why = { 0 };
		struct arena a;
		struct body b;

		arena_init(&a, 1 << 20, false);
		if (body_read(table_of(arguments[i].form), SPAN_LIT("application/json"), span_str(arguments[i].body), &a, &b, &why))
			fail_msg("%s: %s", form, why.why);
		expect(form, "arguments", &b, SPAN_LIT("Chad"), true);
		expect(form, "arguments", &b, SPAN_LIT("Grant"), false);
		expect(form, "arguments", &b, SPAN_LIT("Chad Read"), false);
		arena_reset(&a);
	}
}

/* Libraries make the title of a property of its name. A title with other words is text. */
static void
title_that_spells_the_name_is_an_identifier(void **state)
{
	static const char body[] =
		"{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"title\":\"Root Jordan\",\"type\":\"object\",\"properties\":{"
		"\"ship_to_jordan\":{\"title\":\"Ship To Jordan\"},\"peter\":{\"title\":\"Peter\"},\"a\":{\"title\":\"Georgia\"},\"ann\":{\"title\":\"Ann Lee\"},"
		"\"title\":{\"type\":\"string\",\"description\":\"Title\"},\"in\":{\"items\":{\"title\":\"Items\"}}},\"$defs\":{\"Virginia\":{\"title\":\"Virginia\"}}}}}]}";
	struct body_refusal why = { 0 };
	struct arena a;
	struct body b;

	(void)state;
	arena_init(&a, 1 << 20, false);
	if (body_read(table_of(0), SPAN_LIT("application/json"), span_str(body), &a, &b, &why))
		fail_msg("%s", why.why);
	expect("chat", "title", &b, SPAN_LIT("Ship To Jordan"), true);
	expect("chat", "title", &b, SPAN_LIT("Peter"), true);
	expect("chat", "title", &b, SPAN_LIT("Virginia"), true);
	expect("chat", "title", &b, SPAN_LIT("Georgia"), false);
	expect("chat", "title", &b, SPAN_LIT("Ann Lee"), false);
	expect("chat", "title", &b, SPAN_LIT("Root Jordan"), false);
	expect("chat", "title", &b, SPAN_LIT("Title"), false);
	expect("chat", "title", &b, SPAN_LIT("Items"), false);
	arena_reset(&a);
}

/* Libraries also make a tool's name of the title of its schema. */
static void
title_that_spells_the_tools_name_is_an_identifier(void **state)
{
	static const struct {
		size_t form;
		const char *body;
	} tools[] = {
		{ 0, "{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"jo_peter\",\"parameters\":{\"title\":\"JoPeter\",\"properties\":{\"x\":{\"title\":\"Ann Lee\"}}}}}]}" },
		{ 0, "{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"title\":\"JoPeter\",\"properties\":{\"x\":{\"title\":\"Ann Lee\"}}},\"name\":\"JoPeter\"}}}" },
		{ 2, "{\"tools\":[{\"name\":\"JoPeter\",\"input_schema\":{\"properties\":{\"x\":{\"title\":\"Ann Lee\"}},\"title\":\"JoPeter\"}}]}" },
		{ 5, "{\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"jo-peter\",\"inputSchema\":{\"json\":{\"title\":\"JoPeter\",\"properties\":{\"x\":{\"title\":\"Ann Lee\"}}}}}}]}}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(tools); i++) {
		const char *form = forms[tools[i].form].title;
		struct body_refusal why = { 0 };
		struct arena a;
		struct body b;
		arena_init(&a, 1 << 20, false);
		if (body_read(table_of(tools[i].form), SPAN_LIT("application/json"),
			    span_str(tools[i].body), &a, &b, &why))
			fail_msg("%s: %s", form, why.why);
		expect(form, "title", &b, SPAN_LIT("JoPeter"), true);
		expect(form, "title", &b, SPAN_LIT("Ann Lee"), false);
		arena_reset(&a);
	}
}

/* Texts that are JSON: arguments in a string, with a key that a schema has, and schemas in a
 * string. Chad and "St\303\274tz" are identifiers, Grant and Page are text. */
#define CHAD "{\"type\":\"object\",\"properties\":{\"Chad\":{\"type\":\"integer\"},\"St\303\274tz\":{}}}"
#define SAID "\"{\\\"Grant\\\":\\\"Page \\\\u0041\\\",\\\"in\\\":[{\\\"Chad\\\":1,\\\"St\\\\u00fctz\\\":2}]}\""
#define TOOLS_OF_CHAT "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":" CHAD "}}]"
#define CALLS_OF_CHAT "\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":" SAID "}}]}]"
#define ITEMS "[{\"type\":\"function_call\",\"call_id\":\"a\",\"name\":\"f\",\"arguments\":" SAID "}]"
#define TOOLS_OF_ITEMS "\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":" CHAD "}]"
#define WRITTEN "\"{\\\"properties\\\":{\\\"Chad\\\":{\\\"description\\\":\\\"Page\\\",\\\"enum\\\":[\\\"St\\\\u00fctz\\\"],\\\"default\\\":\\\"Brooke\\\"},\\\"x\\\":{\\\"default\\\":\\\"Grant\\\"}}}\""

static const struct {
	size_t form;
	const char *body;
} texts[] = {
	{ 0, "{" TOOLS_OF_CHAT "," CALLS_OF_CHAT "}" },
	{ 0, "{" CALLS_OF_CHAT "," TOOLS_OF_CHAT "}" },
	{ 0, "{\"functions\":[{\"name\":\"f\",\"parameters\":" CHAD "}],\"messages\":[{\"role\":\"assistant\",\"function_call\":{\"name\":\"f\",\"arguments\":" SAID "}}]}" },
	{ 1, "{" TOOLS_OF_ITEMS ",\"input\":" ITEMS "}" },
	{ 1, "{\"input\":[{\"type\":\"mcp_list_tools\",\"server_label\":\"s\",\"tools\":[{\"name\":\"f\",\"input_schema\":" CHAD "}]},"
	     "{\"type\":\"mcp_call\",\"id\":\"a\",\"server_label\":\"s\",\"name\":\"f\",\"arguments\":" SAID "}]}" },
	{ 6, "{" TOOLS_OF_CHAT "," CALLS_OF_CHAT "}" },
	{ 8, "{" TOOLS_OF_CHAT "," CALLS_OF_CHAT "}" },
	{ 9, "{" TOOLS_OF_CHAT ",\"inputs\":[{\"type\":\"function.call\",\"tool_call_id\":\"a\",\"name\":\"f\",\"arguments\":" SAID "}]}" },
	/* schemas */
	{ 5, "{\"outputConfig\":{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{\"schema\":" WRITTEN "}}}}}" },
	{ 0, "{\"guided_json\":" WRITTEN "}" },
	{ 0, "{\"structured_outputs\":{\"json\":" WRITTEN "}}" },
	{ 11, "{\"parameters\":{\"grammar\":{\"type\":\"json\",\"value\":" WRITTEN "}}}" },
};

/* Returns true if the text is in an identifier of a segment's text. Fails if no segment has it. */
static bool
is_named(const char *form, const struct body *b, const char *text, struct arena *a)
{
	struct named last = { 0 };
	struct span name;
	bool seen = false, is = false;

	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		const char *at = s->text.n ? memmem(s->text.p, s->text.n, text, strlen(text)) : NULL;
		if (!at || !span_starts(s->text, SPAN_LIT("{")))
			continue;
		size_t from = (size_t)(at - s->text.p);
		seen = true;
		is |= named_at(b, s, from, from + strlen(text), a, &last, &name);
	}
	if (!seen)
		fail_msg("%s: no segment has %s", form, text);
	return is;
}

static void
names_inside_texts_of_json_are_identifiers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		const char *form = forms[texts[i].form].title;
		bool written = strstr(texts[i].body, "Brooke");
		struct body_refusal why = { 0 };
		struct arena a;
		struct body b;

		arena_init(&a, 1 << 20, false);
		if (body_read(table_of(texts[i].form), SPAN_LIT("application/json"), span_str(texts[i].body), &a, &b, &why))
			fail_msg("%s: %s", form, why.why);
		if (!is_named(form, &b, "Chad", &a) || !is_named(form, &b, "u00fctz", &a) ||
			(written && !is_named(form, &b, "Brooke", &a)))
			fail_msg("%s: a name is text: %s", form, texts[i].body);
		if (is_named(form, &b, "Grant", &a) || is_named(form, &b, "Page", &a) ||
			is_named(form, &b, "Chad\":", &a))
			fail_msg("%s: a text is a name: %s", form, texts[i].body);
		arena_reset(&a);
	}
}

static void
names_of_a_text_that_ends_early_are_those_before_its_end(void **state)
{
	static const char body[] = "{" TOOLS_OF_ITEMS ",\"input\":[{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{\\\"Chad\\\":[\\\"Pa\"}]}";
	struct body_refusal why = { 0 };
	struct arena a;
	struct body b;

	(void)state;
	arena_init(&a, 1 << 20, false);
	assert_int_equal(body_read(table_of(1), SPAN_LIT("application/json"), span_str(body), &a, &b, &why), 0);
	assert_true(is_named("responses", &b, "Chad", &a));
	assert_false(is_named("responses", &b, "Pa", &a));
	arena_reset(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_listed_member_is_an_identifier),
		cmocka_unit_test(page_lists_the_identifiers_of_each_form),
		cmocka_unit_test(title_that_spells_the_name_is_an_identifier),
		cmocka_unit_test(title_that_spells_the_tools_name_is_an_identifier),
		cmocka_unit_test(keys_of_arguments_are_identifiers_if_a_schema_names_them),
		cmocka_unit_test(names_inside_texts_of_json_are_identifiers),
		cmocka_unit_test(names_of_a_text_that_ends_early_are_those_before_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Writes the JSON Schemas of policies (from policy/section.h) and of tollgate.yaml (from its
 * options). The schemas leave lengths, patterns of names, and checks of the whole policy to
 * `tollgate check`. */
#include "policy/schema.h"

#include <string.h>

#include "base/json_put.h"
#include "policy/config/options.h"
#include "policy/config/rows.h"
#include "policy/section.h"

/* clang-format off */
/* definitions that are not mappings with a list of keys */
static const struct { const char *name, *json; } others[] = {
	{ "texts", EITHER(TEXT, LIST(TEXT)) },
	{ "data", "\"anyOf\":[{" REF("data_file") "},{" REF("data_redis") "},{" REF("data_url") "}]" },
	{ "class_value", "\"anyOf\":[{" TEXTS "},{" REF("class") "},{\"type\":\"object\","
	  "\"properties\":{\"score\":{" SCORE "},\"roles\":{" TEXTS "}},\"required\":[\"score\"],\"additionalProperties\":false}]" },
	{ "one_target", EITHER(TEXT, REF("target")) },
	{ "targets", EITHER(REF("one_target"), LIST(REF("one_target"))) },
};
/* clang-format on */

enum { NOTHERS = COUNT_OF(others) };

/* Writes the schema of a mapping, or of a list of such mappings. */
static void
put_inner(struct buf *out, const struct section *s, bool list)
{
	buf_printf(out, ",%s\"type\":\"object\",\"additionalProperties\":false",
		list ? "\"type\":\"array\",\"items\":{" : "");
	if (s->required)
		buf_printf(out, ",\"required\":%s", s->required);
	buf_str(out, ",\"properties\":{");
	for (const struct field *f = s->fields; f->key; f++)
		buf_printf(out, "%s\"%s\":{%s}", f == s->fields ? "" : ",", f->key, f->schema);
	buf_str(out, list ? "}}" : "}");
}

static void
put_property(struct buf *out, const char *key, const struct field *f, bool first)
{
	buf_str(out, first ? "\n      " : ",\n      ");
	buf_json_str(out, span_str(key));
	buf_str(out, ": {");
	json_put_str(out, "description", f->help);
	if (f->of) {
		put_inner(out, f->of, f->aux != 0);
	} else if (!f->schema) {
		json_put_open(out, "enum", '[');
		for (size_t i = 0; f->words[i]; i++)
			json_put_str(out, NULL, f->words[i]);
		json_put_close(out, ']');
	} else if (f->schema[0]) {
		/* draft-07 ignores other keywords next to $ref */
		bool ref = !strncmp(f->schema, "\"$ref\"", 6);
		buf_printf(out, ref ? ",\"allOf\":[{%s}]" : ",%s", f->schema);
	}
	buf_putc(out, '}');
}

static void
put_schema_head(struct buf *out, const char *title)
{
	buf_printf(out,
		"{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
		"  \"title\": \"%s\",\n",
		title);
}

static void
put_sections(struct buf *out, size_t from, size_t to)
{
	for (const struct section *s = &sections[from]; s < &sections[to]; s++) {
		buf_printf(out,
			",\n    \"%s\": {\"type\":\"object\",\"additionalProperties\":false",
			s->name);
		if (s->required)
			buf_printf(out, ",\"required\":%s", s->required);
		buf_str(out, ",\"properties\":{");
		for (const struct field *f = s->fields; f->key; f++)
			put_property(out, f->key, f, f == s->fields);
		buf_str(out, "}}");
	}
}

bool
schema_policy(struct buf *out)
{
	put_schema_head(out, "tollgate: a policy, or a file that one includes");
	/* an entry of `identity` has one kind as its key */
	buf_str(out, "  \"$ref\": \"#/$defs/policy\",\n  \"$defs\": {\n    \"identity\": {"
		     "\"type\":\"object\",\"minProperties\":1,\"maxProperties\":1,"
		     "\"additionalProperties\":false,\"properties\":{");
	for (size_t i = 0; identity_words[i]; i++)
		json_put_printf(
			out, identity_words[i], "{\"$ref\":\"#/$defs/%s\"}", identity_words[i]);
	buf_str(out, "}}");
	for (size_t i = 0; i < NOTHERS; i++)
		buf_printf(out, ",\n    \"%s\": {%s}", others[i].name, others[i].json);
	put_sections(out, 0, SECTION_PRICES);
	buf_str(out, "\n  }\n}\n");
	return !buf_failed(out);
}

bool
schema_prices(struct buf *out)
{
	put_schema_head(out, "tollgate: a price list");
	buf_printf(out, "  \"$ref\": \"#/$defs/prices\",\n  \"$defs\": {\n    \"texts\": {%s}",
		others[0].json);
	put_sections(out, SECTION_PRICES, SECTION_COUNT);
	buf_str(out, "\n  }\n}\n");
	return !buf_failed(out);
}

bool
schema_config(struct buf *out)
{
	const char *section = "";
	size_t len = 0;
	bool first = true;

	put_schema_head(out, "tollgate.yaml");
	buf_printf(out,
		"  \"$defs\": {\"texts\": {%s}},\n  \"type\": \"object\",\n"
		"  \"additionalProperties\": false,\n  \"properties\": {",
		others[0].json);
	for (const struct field *o = config_options; o < config_options + config_option_count;
		o++) {
		const char *dot = strchr(o->key, '.');
		size_t n = dot ? (size_t)(dot - o->key) : 0;
		bool same = n == len && !strncmp(o->key, section, n);
		if (!same && len)
			buf_str(out, "}}");
		if (!same && n) {
			buf_printf(out,
				"%s\n    \"%.*s\": {\"type\":\"object\","
				"\"additionalProperties\":false,\"properties\":{",
				first ? "" : ",", (int)n, o->key);
			first = true;
		}
		section = o->key;
		len = n;
		put_property(out, dot ? dot + 1 : o->key, o, first);
		first = false;
	}
	buf_str(out, len ? "}}" : "");
	buf_str(out, "\n  }\n}\n");
	return !buf_failed(out);
}

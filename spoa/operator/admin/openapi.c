/* GET /openapi.json: the table of endpoints as OpenAPI 3.1. */
#include <microhttpd.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/json_put.h"
#include "operator/admin/admin.h"
#include "operator/admin/endpoint.h"

static const char *const types[] = {
	[PARAM_TEXT] = "\"type\":\"string\"",
	[PARAM_INTEGER] = "\"type\":\"integer\"",
	[PARAM_BOOLEAN] = "\"type\":\"boolean\"",
	[PARAM_TIME] = "\"type\":\"string\"",
	[PARAM_DURATION] = "\"type\":\"string\"",
	[PARAM_CHOICE] = "\"type\":\"string\"",
	[PARAM_OBJECT] = "\"type\":\"object\"",
	[PARAM_LIST] = "\"type\":\"array\"",
	[PARAM_ANY] = "",
};

static void
put_schema(struct buf *out, const struct param *p)
{
	struct span words = span_str(p->words);

	if (p->flags & PARAM_MANY)
		buf_str(out, "{\"type\":\"array\",\"items\":");
	buf_printf(out, "{%s", types[p->kind]);
	if (p->kind == PARAM_INTEGER)
		buf_printf(out, ",\"minimum\":%lld,\"maximum\":%lld", (long long)p->min,
			(long long)p->max);
	if (p->kind == PARAM_TEXT)
		buf_printf(out, ",\"maxLength\":%lld", (long long)(p->max ? p->max : 256));
	if (p->words)
		json_put_open(out, "enum", '[');
	while (words.n)
		json_put_text(out, NULL, span_next(&words, ' '));
	buf_str(out, p->words ? "]}" : "}");
	if (p->flags & PARAM_MANY)
		buf_putc(out, '}');
}

/* Of a GET or DELETE. */
static void
put_query(struct buf *out, const struct param *params)
{
	json_put_open(out, "parameters", '[');
	for (const struct param *p = params; p->name; p++) {
		json_put_form(out, "{'name':%s,'in':'query'", p->name);
		json_put_bool(out, "required", p->flags & PARAM_NEEDED);
		json_put_str(out, "description", p->text);
		json_put_name(out, "schema");
		put_schema(out, p);
		json_put_close(out, '}');
	}
	json_put_close(out, ']');
}

static void
put_body(struct buf *out, const struct param *params)
{
	bool open = false;

	buf_str(out, ",\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{"
		     "\"schema\":{\"type\":\"object\",\"properties\":{");
	for (const struct param *p = params; p->name; p++) {
		if (!strcmp(p->name, "*")) {
			open = true;
			continue;
		}
		json_put_name(out, p->name);
		buf_str(out, "{\"allOf\":[");
		put_schema(out, p);
		json_put_form(out, "],'description':%t}", span_str(p->text));
	}
	buf_str(out, "},\"required\":[");
	for (const struct param *p = params; p->name; p++)
		if (p->flags & PARAM_NEEDED)
			json_put_str(out, NULL, p->name);
	buf_printf(out, "],\"additionalProperties\":%s}}}}", open ? "true" : "false");
}

/* "keys:array state_key:boolean last:any" as a schema. */
static void
put_shape(struct buf *out, const char *shape)
{
	struct span rest = span_str(shape), all = rest;

	buf_str(out, "{\"type\":\"object\",\"properties\":{");
	while (rest.n) {
		struct span type = span_next(&rest, ' ');
		json_put_member(out, span_next(&type, ':'));
		json_put_open(out, NULL, '{');
		if (!span_is(type, "any"))
			json_put_text(out, "type", type);
		json_put_close(out, '}');
	}
	buf_str(out, "},\"required\":[");
	while (all.n) {
		struct span type = span_next(&all, ' ');
		json_put_text(out, NULL, span_next(&type, ':'));
	}
	buf_str(out, "]}");
}

static void
put_operation(struct buf *out, const struct admin_endpoint *e)
{
	const char *type = e->type ? e->type : "application/json";
	char roles[ROLES_TEXT];

	for (const char *c = e->method; *c; c++)
		buf_putc(out, (char)(*c | 0x20));
	buf_str(out, "\":{\"summary\":");
	buf_json_str(out, span_str(e->summary));
	if (e->role)
		buf_printf(out,
			",\"x-role\":\"%s\",\"security\":[{\"token\":[]},{\"session\":[]}]",
			roles_text(e->role, roles));
	else
		buf_str(out, ",\"security\":[]");
	if (e->params && strcmp(e->method, MHD_HTTP_METHOD_POST) != 0)
		put_query(out, e->params);
	else if (e->params)
		put_body(out, e->params);
	buf_str(out, ",\"responses\":{\"200\":{\"description\":\"done\",\"content\":{");
	buf_json_str(out, span_str(type));
	buf_str(out, ":{\"schema\":");
	if (e->shape)
		put_shape(out, e->shape);
	else
		buf_str(out, "{\"type\":\"string\"}");
	buf_str(out, "}}},\"default\":{\"$ref\":\"#/components/responses/error\"}}}");
}

void
admin_openapi(struct server *s UNUSED, struct buf *out)
{
	const char *last = "";

	buf_str(out,
		"{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"tollgate\",\"version\":"
		"\"" TG_VERSION "\"},\"components\":{\"securitySchemes\":{"
		"\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"},"
		"\"session\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"__Host-"
		"tollgate\"}},"
		"\"responses\":{\"error\":{\"description\":\"it was not done\",\"content\":{"
		"\"application/json\":{\"schema\":{\"type\":\"object\",\"properties\":{"
		"\"error\":{\"type\":\"string\"}}}}}}}},\"paths\":{");
	for (size_t i = 0; i < admin_endpoint_count; i++) {
		const struct admin_endpoint *e = &admin_endpoints[i];
		size_t n = strlen(e->path);
		bool below = n > 1 && e->path[n - 1] == '/';
		if (strcmp(e->path, last) != 0) {
			buf_printf(out, "%s\"%s%s\":{", i ? "}," : "", e->path,
				below ? "{file}" : "");
			if (below)
				buf_str(out,
					"\"parameters\":[{\"name\":\"file\",\"in\":\"path\","
					"\"required\":true,\"schema\":{\"type\":\"string\"}}]"
					",");
			buf_putc(out, '"');
		} else {
			buf_str(out, ",\"");
		}
		put_operation(out, e);
		last = e->path;
	}
	buf_str(out, "}}}\n");
}

/* Writes the table of endpoints as OpenAPI 3.1, for GET /openapi.json. */
#include <microhttpd.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/json_put.h"
#include "operator/admin/admin.h"
#include "operator/admin/endpoint.h"

static const char *const types[] = {
	[PARAM_TEXT] = "string",
	[PARAM_INTEGER] = "integer",
	[PARAM_BOOLEAN] = "boolean",
	[PARAM_TIME] = "string",
	[PARAM_DURATION] = "string",
	[PARAM_CHOICE] = "string",
	[PARAM_OBJECT] = "object",
	[PARAM_LIST] = "array",
	[PARAM_ANY] = NULL,
};

static void
put_schema(struct buf *out, const struct param *p)
{
	struct span words = span_str(p->words);

	if (p->flags & PARAM_MANY)
		json_put_form(out, "{'type':'array','items':");
	json_put_open(out, NULL, '{');
	if (types[p->kind])
		json_put_str(out, "type", types[p->kind]);
	if (p->kind == PARAM_INTEGER) {
		json_put_int(out, "minimum", p->min);
		json_put_int(out, "maximum", p->max);
	}
	if (p->kind == PARAM_TEXT)
		json_put_int(out, "maxLength", p->max ? p->max : 256);
	if (p->words) {
		json_put_open(out, "enum", '[');
		while (words.n)
			json_put_text(out, NULL, span_next(&words, ' '));
		json_put_close(out, ']');
	}
	json_put_close(out, '}');
	if (p->flags & PARAM_MANY)
		json_put_close(out, '}');
}

/* Writes the parameters of a GET or DELETE. */
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

	json_put_form(out, "'requestBody':{'required':true,'content':{'application/json':{"
			   "'schema':{'type':'object','properties':{");
	for (const struct param *p = params; p->name; p++) {
		if (!strcmp(p->name, "*")) {
			open = true;
			continue;
		}
		json_put_name(out, p->name);
		json_put_form(out, "{'allOf':[");
		put_schema(out, p);
		json_put_form(out, "],'description':%t}", span_str(p->text));
	}
	json_put_form(out, "},'required':[");
	for (const struct param *p = params; p->name; p++)
		if (p->flags & PARAM_NEEDED)
			json_put_str(out, NULL, p->name);
	json_put_close(out, ']');
	json_put_bool(out, "additionalProperties", open);
	json_put_form(out, "}}}}");
}

/* Writes a shape such as "keys:array state_key:boolean last:any" as a schema. */
static void
put_shape(struct buf *out, const char *shape)
{
	struct span rest = span_str(shape), all = rest;

	json_put_form(out, "{'type':'object','properties':{");
	while (rest.n) {
		struct span type = span_next(&rest, ' ');
		json_put_member(out, span_next(&type, ':'));
		json_put_open(out, NULL, '{');
		if (!span_is(type, "any"))
			json_put_text(out, "type", type);
		json_put_close(out, '}');
	}
	json_put_form(out, "},'required':[");
	while (all.n) {
		struct span type = span_next(&all, ' ');
		json_put_text(out, NULL, span_next(&type, ':'));
	}
	json_put_form(out, "]}");
}

static void
put_operation(struct buf *out, const struct admin_endpoint *e)
{
	const char *type = e->type ? e->type : "application/json";
	char roles[ROLES_TEXT], method[16];
	size_t n = 0;

	for (; e->method[n] && n + 1 < sizeof(method); n++)
		method[n] = (char)(e->method[n] | 0x20);
	method[n] = '\0';
	json_put_open(out, method, '{');
	json_put_str(out, "summary", e->summary);
	if (e->role)
		json_put_form(out, "'x-role':%s,'security':[{'token':[]},{'session':[]}]",
			roles_text(e->role, roles));
	else
		json_put_form(out, "'security':[]");
	if (e->params && strcmp(e->method, MHD_HTTP_METHOD_POST) != 0)
		put_query(out, e->params);
	else if (e->params)
		put_body(out, e->params);
	json_put_form(
		out, "'responses':{'200':{'description':'done','content':{%s:{'schema':", type);
	if (e->shape)
		put_shape(out, e->shape);
	else
		json_put_form(out, "{'type':'string'}");
	json_put_form(out, "}}},'default':{'$ref':'#/components/responses/error'}}}");
}

void
admin_openapi(struct server *s UNUSED, struct buf *out)
{
	const char *last = "";

	json_put_form(out,
		"{'openapi':'3.1.0','info':{'title':'tollgate','version':'" TG_VERSION
		"'},'components':{'securitySchemes':{"
		"'token':{'type':'http','scheme':'bearer'},"
		"'session':{'type':'apiKey','in':'cookie','name':'__Host-tollgate'}},"
		"'responses':{'error':{'description':'the request was not carried "
		"out','content':{"
		"'application/json':{'schema':{'type':'object','properties':{"
		"'error':{'type':'string'}}}}}}}},'paths':{");
	for (size_t i = 0; i < admin_endpoint_count; i++) {
		const struct admin_endpoint *e = &admin_endpoints[i];
		size_t n = strlen(e->path);
		bool below = n > 1 && e->path[n - 1] == '/';
		if (i && strcmp(e->path, last) != 0)
			json_put_close(out, '}');
		if (strcmp(e->path, last) != 0) {
			json_put_name(out, NULL);
			buf_printf(out, "\"%s%s\":{", e->path, below ? "{file}" : "");
			if (below)
				json_put_form(out,
					"'parameters':[{'name':'file','in':'path',"
					"'required':true,'schema':{'type':'string'}}]");
		}
		put_operation(out, e);
		last = e->path;
	}
	buf_str(out, "}}}\n");
}

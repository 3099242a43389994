/* Finds an endpoint's row and checks a request's parameters against it.
 *
 * admin_openapi() writes the table as OpenAPI 3.1, for GET /openapi.json. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "operator/admin/admin.h"
#include "operator/admin/endpoint.h"
#include "policy/config/read.h"

enum { TEXT_MAX = 256, QUERY_MAX = 64 /* parameters in a query */, MANY_MAX = 64 };

/* ---- responses ---- */

unsigned
calls_error(struct buf *out, unsigned status, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_clear(out);
	json_put_form(out, "{'error':%t}\n", span_str(line));
	return status;
}

unsigned
calls_json(struct buf *out, json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	buf_clear(out);
	buf_printf(out, "%s\n", text ? text : "{}");
	if (text)
		explicit_bzero(text, strlen(text)); /* the text may contain a key */
	free(text);
	json_decref(o);
	return MHD_HTTP_OK;
}

/* ---- rows ---- */

static bool
path_is(const struct admin_endpoint *e, const char *path)
{
	size_t n = strlen(e->path);

	return n > 1 && e->path[n - 1] == '/' ? !strncmp(path, e->path, n)
					      : !strcmp(path, e->path);
}

const struct admin_endpoint *
admin_endpoint_find(const char *method, const char *path, bool *path_known, struct buf *allow)
{
	const char *m = !strcmp(method, MHD_HTTP_METHOD_HEAD) ? MHD_HTTP_METHOD_GET : method;

	*path_known = false;
	for (size_t i = 0; i < admin_endpoint_count; i++) {
		const struct admin_endpoint *e = &admin_endpoints[i];
		if (!path_is(e, path))
			continue;
		if (!strcmp(e->method, m))
			return e;
		*path_known = true;
		buf_printf(allow, "%s%s%s", allow->n ? ", " : "", e->method,
			!strcmp(e->method, MHD_HTTP_METHOD_GET) ? ", HEAD" : "");
	}
	return NULL;
}

/* ---- parameters ---- */

static const struct param *
param_named(const struct admin_endpoint *e, const char *name)
{
	const struct param *p = e->params;

	while (p && p->name && strcmp(p->name, name) != 0 && strcmp(p->name, "*") != 0)
		p++;
	return p && p->name ? p : NULL;
}

static bool
is_word_of(const char *words, struct span word)
{
	struct span all = span_str(words);

	while (all.n)
		if (span_eq(span_next(&all, ' '), word))
			return true;
	return false;
}

/* Returns true if the JSON value fits the parameter. Otherwise *why has what is expected. */
static bool
value_fits(const struct param *p, const json_t *v, struct buf *why)
{
	struct span s = span_of(json_string_value(v), json_string_length(v));
	int64_t n = json_integer_value(v);
	uint64_t us;

	switch (p->kind) {
	case PARAM_ANY: return true;
	case PARAM_OBJECT:
		if (!json_is_object(v))
			buf_str(why, "send an object");
		break;
	case PARAM_LIST:
		if (!json_is_array(v))
			buf_str(why, "send a list");
		break;
	case PARAM_BOOLEAN:
		if (!json_is_boolean(v))
			buf_str(why, "send true or false");
		break;
	case PARAM_INTEGER:
		if (!json_is_integer(v) || n < p->min || n > p->max)
			buf_printf(why, "send a whole number from %lld to %lld",
				(long long)p->min, (long long)p->max);
		break;
	case PARAM_TEXT: {
		int64_t max = p->max ? p->max : TEXT_MAX;
		if (!json_is_string(v))
			buf_str(why, "send a string");
		else if ((int64_t)s.n < p->min || (int64_t)s.n > max)
			buf_printf(why, "send a string of %lld to %lld bytes",
				(long long)p->min, (long long)max);
		break;
	}
	case PARAM_TIME:
		if (!json_is_string(v) ||
			(clock_parse(s.p, s.n, &n) < 0 && duration_parse(s, &us) != 0))
			buf_str(why, "send a time such as 2026-12-01T00:00:00Z, or a duration "
				     "such as 24h, which is counted back from now");
		break;
	case PARAM_DURATION:
		if (!json_is_string(v) || duration_parse(s, &us) < 0)
			buf_str(why, "send a duration such as 24h");
		break;
	case PARAM_CHOICE:
		if (!json_is_string(v) || !is_word_of(p->words, s))
			buf_printf(why, "send one of %s", p->words);
		break;
	}
	return why->n == 0;
}

/* Converts a query's value to the JSON type of its parameter. Returns NULL if memory is
 * exhausted or the value is not UTF-8. */
static json_t *
value_of_query(const struct param *p, const char *text, size_t n)
{
	char *end;

	if (p->kind == PARAM_INTEGER && n > 0 && n < 20) {
		long long i = strtoll(text, &end, 10);
		if (*end == '\0' && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')))
			return json_integer(i);
	}
	if (p->kind == PARAM_BOOLEAN && (!strcmp(text, "true") || !strcmp(text, "1") || !n))
		return json_true();
	if (p->kind == PARAM_BOOLEAN && (!strcmp(text, "false") || !strcmp(text, "0")))
		return json_false();
	return json_stringn(text, n);
}

/* State of reading a query. */
struct query {
	const struct admin_endpoint *e;
	json_t *in;
	struct buf *why;
	unsigned n;
};

static enum MHD_Result
take_query(void *cls, enum MHD_ValueKind kind UNUSED, const char *name, size_t name_n,
	const char *value, size_t n)
{
	struct query *q = cls;
	const struct param *p = param_named(q->e, name);
	json_t *v = value ? value_of_query(
				    p ? p : &(struct param){ .kind = PARAM_ANY }, value, n)
			  : json_true(),
	       *list;

	if (!v || ++q->n > QUERY_MAX || strlen(name) != name_n ||
		(value && strlen(value) != n)) {
		buf_printf(q->why,
			v ? "%.64s: the query has too many parameters or a NUL byte"
			  : "%.64s: the value is not UTF-8",
			name);
	} else if (!p || !(p->flags & PARAM_MANY)) {
		if (json_object_get(q->in, name))
			buf_printf(q->why, "%.64s: this parameter is repeated; send it once",
				name);
		else if (json_object_set(q->in, name, v) < 0)
			buf_printf(q->why, "the name of a parameter is not UTF-8");
	} else {
		list = json_object_get(q->in, name);
		if (!list) {
			list = json_array();
			json_object_set_new(q->in, name, list);
		}
		json_array_append(list, v);
	}
	json_decref(v);
	return q->why->n ? MHD_NO : MHD_YES;
}

static bool
member_fits(const struct admin_endpoint *e, const char *name, const json_t *v, struct buf *why)
{
	const struct param *p = param_named(e, name);
	json_t *one;
	size_t i;

	if (!p) {
		buf_printf(why, "%.64s: unknown parameter", name);
		p = e->params;
		buf_str(why, p && p->name ? "; accepted: "
					  : "; the endpoint has no "
					    "parameters");
		for (; p && p->name; p++)
			buf_printf(why, "%s%s", p == e->params ? "" : ", ", p->name);
		return false;
	}
	if (json_is_null(v) && !(p->flags & PARAM_NEEDED))
		return true;
	SCOPED_BUF(what, 1024);
	if ((p->flags & PARAM_MANY) && json_is_array(v)) {
		if (json_array_size(v) > MANY_MAX)
			buf_printf(&what, "send at most %d values", MANY_MAX);
		json_array_foreach(v, i, one) if (!value_fits(p, one, &what)) break;
	} else {
		value_fits(p, v, &what);
	}
	if (what.n)
		buf_printf(why, "%s: %.*s", name, SPAN_ARG(buf_view(&what)));
	return what.n == 0;
}

json_t *
admin_endpoint_params(
	const struct admin_endpoint *e, struct MHD_Connection *c, json_t *body, struct buf *why)
{
	json_t *in = body ? body : json_object();
	const char *name;
	json_t *v;

	if (!body) {
		struct query q = { .e = e, .in = in, .why = why };
		MHD_get_connection_values_n(c, MHD_GET_ARGUMENT_KIND, take_query, &q);
	}
	if (!why->n)
		json_object_foreach(in, name, v) if (!member_fits(e, name, v, why)) break;
	for (const struct param *p = e->params; p && p->name && !why->n; p++)
		if ((p->flags & PARAM_NEEDED) && !json_object_get(in, p->name))
			buf_printf(why, "%s: this parameter is missing: %s", p->name, p->text);
	if (!why->n)
		return in;
	json_decref(in);
	return NULL;
}

/* ---- OpenAPI ---- */

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

/* Reads one MCP message and compares the headers of its request with it:
 * https://modelcontextprotocol.io/specification, "Base protocol", and
 * https://www.jsonrpc.org/specification 4 and 5.
 *
 * Steps: read_message() walks the top members, read_param() those of params. settle_message()
 * then decides from the members found whether the message is a request, a notification or a
 * response, and finds the method's row and its name. Every value is parsed to its end, even if
 * unused, so that the JSON reader can reject duplicate keys at any depth.
 *
 * The gateway does not know the tools' schemas, which assign Mcp-Param fields to arguments. A
 * field therefore must equal the argument of its name, or, if no argument has this name, any
 * argument. Example: with arguments {"region":"eu","n":5}, "Mcp-Param-Region: eu" and
 * "Mcp-Param-Count: 5" are accepted, "Mcp-Param-Region: us" is refused. */
#include "scan/mcp/message.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/scoped.h"

enum {
	ID_MAX = 256,	 /* bytes of an id as written, quotes included */
	DIGITS_MAX = 15, /* digits of a numeric id; a double holds 15 exactly */
	NAME_MAX_BYTES = 128,
	URI_MAX_BYTES = 8192,
	URIS_MAX = 256, /* in one message */
};

/* ---- methods and revisions ---- */

/* clang-format off */
static const struct method {
	const char *name;
	enum mcp_about about;
	bool lists;
	const char *named_by; /* the member of params that names the subject; NULL: none */
	bool sessions;	      /* not a method of revision 2026-07-28 */
} methods[] = {
	{ "initialize",                MCP_ABOUT_NOTHING,   false, NULL, true },
	{ "ping",                      MCP_ABOUT_NOTHING,   false, NULL, true },
	{ "tools/list",                MCP_ABOUT_TOOLS,     true,  NULL, false },
	{ "tools/call",                MCP_ABOUT_TOOL,      false, "name", false },
	{ "resources/list",            MCP_ABOUT_RESOURCES, true,  NULL, false },
	{ "resources/templates/list",  MCP_ABOUT_RESOURCES, true,  NULL, false },
	{ "resources/read",            MCP_ABOUT_RESOURCE,  false, "uri", false },
	{ "resources/subscribe",       MCP_ABOUT_RESOURCE,  false, "uri", true },
	{ "resources/unsubscribe",     MCP_ABOUT_RESOURCE,  false, "uri", true },
	{ "prompts/list",              MCP_ABOUT_PROMPTS,   true,  NULL, false },
	{ "prompts/get",               MCP_ABOUT_PROMPT,    false, "name", false },
	{ "completion/complete",       MCP_ABOUT_NOTHING,   false, "ref", false },
	{ "logging/setLevel",          MCP_ABOUT_NOTHING,   false, NULL, true },
	{ "tasks/get",                 MCP_ABOUT_NOTHING,   false, NULL, false },
	{ "tasks/result",              MCP_ABOUT_NOTHING,   false, NULL, false },
	{ "tasks/list",                MCP_ABOUT_NOTHING,   false, NULL, false },
	{ "tasks/update",              MCP_ABOUT_NOTHING,   false, NULL, false },
	{ "tasks/cancel",              MCP_ABOUT_NOTHING,   false, NULL, false },
	{ "server/discover",           MCP_ABOUT_NOTHING,   false, NULL, false },
	{ "subscriptions/listen",      MCP_ABOUT_NOTHING,   false, "notifications", false },
	{ "notifications/initialized", MCP_ABOUT_NOTHING,   false, NULL, false },
	{ "notifications/cancelled",   MCP_ABOUT_NOTHING,   false, NULL, false },
	{ "notifications/progress",    MCP_ABOUT_NOTHING,   false, NULL, false },
	{ "notifications/roots/list_changed", MCP_ABOUT_NOTHING, false, NULL, false },
	{ "notifications/tasks/status", MCP_ABOUT_NOTHING,  false, NULL, false },
	{ "notifications/elicitation/complete", MCP_ABOUT_NOTHING, false, NULL, false },
};
/* clang-format on */

static const char *const versions[] = { "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25",
	"2026-07-28" };
const char mcp_versions[] =
	"[\"2026-07-28\",\"2025-11-25\",\"2025-06-18\",\"2025-03-26\",\"2024-11-05\"]";

/* Return true if tollgate supports the revision, and if the revision has no sessions. */
static bool
mcp_version_known(struct span version)
{
	return SPAN_IN(version, versions);
}

/* Returns true if the revision has no sessions. */
static bool
mcp_version_stateless(struct span version)
{
	return version.n == 10 && span_order(version, SPAN_LIT("2026-07-28")) >= 0;
}

/* ---- members ---- */

/* The state of one mcp_read(). The spans point into the body or the arena. */
struct reader {
	struct json *j;
	struct arena *a;
	struct span in;
	struct mcp_message *out;
	struct mcp_error *why;
	/* params.name and params.uri, decoded; NULL: absent or not a string */
	struct span uri, name;
	struct span ref; /* params.ref as written; empty: absent or not an object */
	struct span
		filter; /* params.notifications as written; empty: absent or not an object */
	bool has_result, has_error, has_id, null_id, has_version, is_rpc;
};

static int
refuse_mcp(struct reader *r, enum mcp_code code, size_t at, const char *why)
{
	*r->why = (struct mcp_error){ 400, code, why, at };
	return ERR_SYNTAX;
}

/* Converts the JSON reader's error. */
static int
broken(struct reader *r)
{
	const char *why = NULL;
	size_t at = 0;
	int err = json_error(r->j, &why, &at);

	if (err == ERR_NOMEM || err == 0)
		return ERR_NOMEM;
	if (err == ERR_DUPLICATE)
		return refuse_mcp(r, MCP_CODE_REQUEST, at, "the message has a duplicate key");
	if (err == ERR_LIMIT || err == ERR_RANGE)
		return refuse_mcp(r, MCP_CODE_REQUEST, at, "the message has too many parts");
	return refuse_mcp(r, MCP_CODE_PARSE, at, "the message is not valid JSON");
}

/* Reads the value after a key, including nested values. *ev: its first token; *out: its
 * bytes. */
static int
value(struct reader *r, struct json_event *ev, struct span *out)
{
	struct json_event v;

	if (json_next(r->j, &v) == JSON_ERROR)
		return broken(r);
	*ev = v;
	size_t start = v.tok == JSON_STRING ? v.start - 1 : v.start;
	size_t end = v.tok == JSON_STRING ? v.end + 1 : v.end;
	if (v.tok == JSON_OBJECT || v.tok == JSON_ARRAY) {
		struct json_event last = v;
		for (unsigned depth = 1; depth;) {
			enum json_tok tok = json_next(r->j, &last);
			if (tok == JSON_ERROR || tok == JSON_END)
				return broken(r);
			depth += tok == JSON_OBJECT || tok == JSON_ARRAY;
			depth -= tok == JSON_OBJECT_END || tok == JSON_ARRAY_END;
		}
		end = last.end;
	}
	*out = span_cut(r->in, start, end);
	return 0;
}

static int
text_value(struct reader *r, enum mcp_code code, const char *what, struct span *out)
{
	struct json_event ev;
	struct span raw;
	int err = value(r, &ev, &raw);

	if (err)
		return err;
	if (ev.tok != JSON_STRING)
		return refuse_mcp(r, code, ev.start, what);
	*out = json_text(r->a, r->in, &ev);
	return out->p ? 0 : ERR_NOMEM;
}

static int
object_value(struct reader *r, const char *what, struct span *out)
{
	struct json_event ev;
	int err = value(r, &ev, out);

	if (!err && ev.tok != JSON_OBJECT)
		return refuse_mcp(r, MCP_CODE_PARAMS, ev.start, what);
	return err;
}

/* Reads an id: a string or an integer. JSON-RPC also allows fractions and null, MCP does
 * not. */
static int
read_id(struct reader *r)
{
	struct json_event ev;
	struct span raw;
	int err = value(r, &ev, &raw);

	if (err)
		return err;
	if (ev.tok == JSON_NULL) {
		r->null_id = true;
		return 0;
	}
	struct span digits = raw;
	if (ev.tok == JSON_NUMBER)
		span_take(&digits, '-');
	bool whole = ev.tok == JSON_NUMBER && span_is_digits(digits) &&
		     digits.n <= DIGITS_MAX && !span_is(raw, "-0");
	if ((ev.tok != JSON_STRING && !whole) || raw.n > ID_MAX)
		return refuse_mcp(r, MCP_CODE_REQUEST, ev.start,
			"the id must be an integer or a string of at most 254 bytes");
	r->has_id = true;
	r->out->id = raw;
	return 0;
}

/* Reads members up to the object's end, which becomes *ev. `names` ends with NULL. A key that
 * differs only by case from one of `names` is rejected, because a reader that ignores case
 * would take the key for the name. */
static int
read_mcp_members(struct reader *r, const char *const *names,
	int (*member)(struct reader *r, struct span key), struct json_event *ev)
{
	while (json_next(r->j, ev) == JSON_KEY) {
		struct span key = json_text(r->a, r->in, ev);
		for (const char *const *name = names; *name; name++)
			if (span_ieq(key, span_str(*name)) && !span_is(key, *name))
				return refuse_mcp(r, MCP_CODE_REQUEST, 0,
					"a key differs from a key of MCP only by case");
		int err = member(r, key);
		if (err)
			return err;
	}
	return ev->tok == JSON_OBJECT_END ? 0 : broken(r);
}

/* Reads the value after a key, which must be an object, member by member. *out: its bytes. */
static int
read_mcp_object(struct reader *r, const char *what, const char *const *names,
	int (*member)(struct reader *r, struct span key), struct span *out)
{
	struct json_event ev;

	if (json_next(r->j, &ev) == JSON_ERROR)
		return broken(r);
	size_t start = ev.start;
	if (ev.tok != JSON_OBJECT)
		return refuse_mcp(r, MCP_CODE_PARAMS, start, what);
	int err = read_mcp_members(r, names, member, &ev);
	if (!err)
		*out = span_cut(r->in, start, ev.end);
	return err;
}

static int
read_meta_member(struct reader *r, struct span key)
{
	struct json_event ev;
	struct span raw;

	return span_is(key, "io.modelcontextprotocol/protocolVersion")
		       ? text_value(r, MCP_CODE_PARAMS,
				 "the protocol version in params._meta must be a string",
				 &r->out->version)
		       : value(r, &ev, &raw);
}

static int
read_param(struct reader *r, struct span key)
{
	static const char *const any[] = { NULL };
	struct json_event ev;
	struct span raw;

	if (span_is(key, "_meta"))
		return read_mcp_object(
			r, "params._meta must be an object", any, read_meta_member, &raw);
	if (span_is(key, "arguments"))
		return object_value(
			r, "params.arguments must be an object", &r->out->arguments);
	if (span_is(key, "inputResponses"))
		return object_value(
			r, "params.inputResponses must be an object", &r->out->input_responses);
	int err = value(r, &ev, &raw);
	if (!err && ev.tok == JSON_STRING && span_is(key, "name"))
		r->name = json_text(r->a, r->in, &ev);
	else if (!err && ev.tok == JSON_STRING && span_is(key, "uri"))
		r->uri = json_text(r->a, r->in, &ev);
	else if (!err && ev.tok == JSON_OBJECT && span_is(key, "ref"))
		r->ref = raw;
	else if (!err && ev.tok == JSON_OBJECT && span_is(key, "notifications"))
		r->filter = raw;
	return err;
}

static int
read_member(struct reader *r, struct span key)
{
	static const char *const params[] = { "name", "uri", "arguments", "inputResponses",
		"_meta", "ref", "notifications", NULL };
	struct json_event ev;
	struct span raw;

	if (span_is(key, "id"))
		return read_id(r);
	if (span_is(key, "params"))
		return read_mcp_object(
			r, "params must be an object", params, read_param, &r->out->params);
	if (span_is(key, "method"))
		return text_value(
			r, MCP_CODE_REQUEST, "the method must be a string", &r->out->method);
	int err = value(r, &ev, &raw);
	if (!err && span_is(key, "jsonrpc")) {
		r->is_rpc =
			ev.tok == JSON_STRING && span_is(json_text(r->a, r->in, &ev), "2.0");
		if (!r->is_rpc)
			return refuse_mcp(
				r, MCP_CODE_REQUEST, ev.start, "jsonrpc must be \"2.0\"");
	} else if (!err && span_is(key, "result")) {
		r->has_result = true;
		r->out->result = raw;
	} else if (!err && span_is(key, "error")) {
		r->has_error = true;
		r->out->result = raw;
	}
	return err;
}

/* ---- kind and subject of the message ---- */

static int
settle_response(struct reader *r)
{
	if (r->out->method.p || r->has_result == r->has_error || r->out->params.n)
		return refuse_mcp(r, MCP_CODE_REQUEST, 0,
			"a response must have either result or error, and no method");
	if (!r->has_id && r->has_result)
		return refuse_mcp(r, MCP_CODE_REQUEST, 0, "a response must have an id");
	r->out->kind = MCP_RESPONSE;
	r->out->about = MCP_ABOUT_NOTHING;
	return 0;
}

static int
read_ref_member(struct reader *in, struct span key)
{
	bool is_name = span_is(key, "name");
	struct json_event ev;
	struct span raw;

	return is_name || span_is(key, "uri")
		       ? text_value(in, MCP_CODE_PARAMS,
				 "the name and the uri of params.ref must be strings",
				 is_name ? &in->name : &in->uri)
		       : value(in, &ev, &raw);
}

/* Reads an object of params a second time, member by member. */
static int
reread_object(struct reader *in, struct span object, const char *const *names,
	int (*member)(struct reader *r, struct span key))
{
	struct json_event ev;

	in->in = object;
	if (!(in->j = json_open(in->a, object)) || json_next(in->j, &ev) != JSON_OBJECT)
		return ERR_NOMEM;
	return read_mcp_members(in, names, member, &ev);
}

/* Reads params.ref of a completion, which names a prompt or a resource template. */
static int
settle_ref(struct reader *r)
{
	static const char *const names[] = { "name", "uri", NULL };
	struct reader in = *r;

	if (!r->ref.n)
		return refuse_mcp(r, MCP_CODE_PARAMS, 0, "params.ref must be an object");
	in.name = in.uri = (struct span){ NULL, 0 };
	int err = reread_object(&in, r->ref, names, read_ref_member);
	r->name = in.name;
	r->uri = in.uri;
	if (!err && !r->name.p == !r->uri.p)
		return refuse_mcp(
			r, MCP_CODE_PARAMS, 0, "params.ref must have either a name or a uri");
	r->out->about = r->uri.p ? MCP_ABOUT_RESOURCE : MCP_ABOUT_PROMPT;
	r->out->refers = true;
	return err;
}

static int
read_filter_member(struct reader *in, struct span key)
{
	struct json_event ev;
	struct span raw;
	size_t n = 0;

	if (!span_is(key, "resourceSubscriptions"))
		return value(in, &ev, &raw);
	struct span *v = arena_array(in->a, URIS_MAX, sizeof(*v));
	if (!v)
		return ERR_NOMEM;
	if (json_next(in->j, &ev) != JSON_ARRAY)
		return refuse_mcp(
			in, MCP_CODE_PARAMS, 0, "resourceSubscriptions must be a list");
	while (json_next(in->j, &ev) == JSON_STRING) {
		v[n] = json_text(in->a, in->in, &ev);
		if (!v[n].p)
			return ERR_NOMEM;
		if (n == URIS_MAX - 1 || v[n].n > URI_MAX_BYTES)
			return refuse_mcp(in, MCP_CODE_PARAMS, 0,
				"resourceSubscriptions has too many or too long URIs");
		n++;
	}
	in->out->uris = v;
	in->out->nuris = n;
	return ev.tok == JSON_ARRAY_END ? 0
					: refuse_mcp(in, MCP_CODE_PARAMS, 0,
						  "the URI of a resource must be a string");
}

/* Reads the subscriptions of subscriptions/listen. In revision 2026-07-28, this one request
 * names all resources whose changes the client wants to receive. */
static int
settle_filter(struct reader *r)
{
	static const char *const names[] = { "resourceSubscriptions", NULL };
	struct reader in = *r;

	return r->filter.n ? reread_object(&in, r->filter, names, read_filter_member) : 0;
}

static int
settle_name(struct reader *r, const struct method *m)
{
	struct mcp_message *out = r->out;

	if (!strcmp(m->named_by, "notifications"))
		return settle_filter(r);
	int err = !strcmp(m->named_by, "ref") ? settle_ref(r) : 0;
	bool by_uri = out->about == MCP_ABOUT_RESOURCE;
	struct span name = by_uri ? r->uri : r->name;

	if (err)
		return err;
	if (!name.n)
		return refuse_mcp(r, MCP_CODE_PARAMS, 0,
			by_uri ? "params.uri must be a string"
			       : "params.name must be a string");
	if (name.n > URI_MAX_BYTES)
		return refuse_mcp(r, MCP_CODE_PARAMS, 0, "the name is too long");
	out->name = name;
	/* Names are compared byte by byte: a name that only looks the same is another name. */
	out->plain_name = by_uri || (name.n <= NAME_MAX_BYTES && span_is_alnum(name, "_./-"));
	return 0;
}

static int
settle_message(struct reader *r)
{
	struct mcp_message *out = r->out;
	bool notifies = span_starts(out->method, SPAN_LIT("notifications/"));

	if (!r->is_rpc)
		return refuse_mcp(r, MCP_CODE_REQUEST, 0, "the member jsonrpc is missing");
	if (r->has_result || r->has_error)
		return settle_response(r);
	if (!out->method.n)
		return refuse_mcp(r, MCP_CODE_REQUEST, 0, "the method is missing");
	if (r->null_id || r->has_id == notifies)
		return refuse_mcp(r, MCP_CODE_REQUEST, 0,
			notifies ? "a notification must not have an id"
				 : "a request must have an id");
	out->kind = notifies ? MCP_NOTIFICATION : MCP_REQUEST;
	out->era = mcp_version_stateless(out->version) ? MCP_STATELESS : MCP_SESSIONS;
	const struct method *m = NULL;
	for (size_t i = 0; i < COUNT_OF(methods) && !m; i++)
		if (span_is(out->method, methods[i].name))
			m = &methods[i];
	if (!m || (m->sessions && out->era == MCP_STATELESS))
		return 0;
	out->about = m->about;
	out->lists = m->lists;
	out->begins = m == &methods[0];
	return m->named_by ? settle_name(r, m) : 0;
}

static int
read_message(struct reader *r)
{
	static const char *const names[] = { "jsonrpc", "id", "method", "params", "result",
		"error", NULL };
	struct json_event ev;
	enum json_tok tok = json_next(r->j, &ev);

	if (tok == JSON_ERROR)
		return broken(r);
	if (tok != JSON_OBJECT)
		return refuse_mcp(r, MCP_CODE_REQUEST, 0,
			tok == JSON_ARRAY
				? "batches are not supported; send one message in each request"
				: "the message must be an object");
	int err = read_mcp_members(r, names, read_member, &ev);
	if (err)
		return err;
	if (json_next(r->j, &ev) != JSON_END)
		return broken(r);
	return arena_failed(r->a) ? ERR_NOMEM : settle_message(r);
}

int
mcp_read(struct span body, struct arena *a, struct mcp_message *out, struct mcp_error *why)
{
	struct reader r = { .a = a, .in = body, .out = out, .why = why };

	*out = (struct mcp_message){ 0 };
	*why = (struct mcp_error){ 0 };
	r.j = json_open(a, body);
	int err = r.j ? read_message(&r) : ERR_NOMEM;
	if (why->code == MCP_CODE_PARSE)
		out->id = (struct span){ NULL, 0 };
	return err;
}

/* ---- the headers ---- */

/* bytes of arguments parsed in one request, since each field parses them again */
enum { PARAMS_BYTES = 64 << 20 };

static const struct span begins = { "=?base64?", 9 }, ends = { "?=", 2 };
static const struct span param_prefix = { "mcp-param-", 10 };

static int
refuse_header(struct mcp_error *why, enum mcp_code code, const char *what)
{
	*why = (struct mcp_error){ 400, code, what, 0 };
	return ERR_SYNTAX;
}

/* Decodes "=?base64?…?="; any other value is returned as written. Returns false if the base64
 * is invalid or memory is exhausted. */
static bool
mcp_header_text(struct span value, struct arena *a, struct span *out)
{
	*out = value = span_trim(value, " \t");
	if (!span_starts(value, begins) || !span_ends(value, ends) ||
		value.n < begins.n + ends.n)
		return true;
	struct span coded = span_cut(value, begins.n, value.n - ends.n);
	char *p = arena_alloc(a, coded.n + 1);
	size_t n = 0;
	if (!p || sodium_base642bin((unsigned char *)p, coded.n + 1, coded.p, coded.n, NULL, &n,
			  NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return false;
	*out = span_of(p, n);
	return true;
}

/* Returns true for visible ASCII with inner spaces that does not begin like the base64 form. */
static bool
is_plain_header(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			return false;
	return span_trim(text, " ").n == text.n && !span_starts(text, begins);
}

/* Encodes a text as the value of a field. Empty: no memory. */
static struct span
mcp_header_value(struct span text, struct arena *a)
{
	if (is_plain_header(text))
		return text;
	size_t room = sodium_base64_ENCODED_LEN(text.n, sodium_base64_VARIANT_ORIGINAL);
	char *p = arena_alloc(a, begins.n + room + ends.n);
	if (!p)
		return (struct span){ NULL, 0 };
	memcpy(p, begins.p, begins.n);
	sodium_bin2base64(p + begins.n, room, (const unsigned char *)text.p, text.n,
		sodium_base64_VARIANT_ORIGINAL);
	memcpy(p + begins.n + room - 1, ends.p, ends.n);
	return span_of(p, begins.n + room - 1 + ends.n);
}

/* ---- arguments ---- */

static bool
is_scalar(enum json_tok tok)
{
	return tok == JSON_STRING || tok == JSON_NUMBER || tok == JSON_TRUE ||
	       tok == JSON_FALSE;
}

static struct span
scalar_text(struct arena *a, struct span in, const struct json_event *ev)
{
	return ev->tok == JSON_STRING ? json_text(a, in, ev) : span_cut(in, ev->start, ev->end);
}

/* Compares a value of the arguments with a field's value. Numbers may be written differently:
 * 5.0 equals 5. */
static bool
same_value(struct span text, struct span wanted, enum json_tok tok)
{
	if (span_eq(text, wanted))
		return true;
	if (tok != JSON_NUMBER || text.n > 64 || wanted.n > 64 || !wanted.n ||
		!span_all(wanted, is_number_char))
		return false;
	char x[65], y[65], *end;
	memcpy(x, text.p, text.n);
	memcpy(y, wanted.p, wanted.n);
	x[text.n] = y[wanted.n] = '\0';
	return strtod(x, NULL) == strtod(y, &end) && !*end;
}

enum { NOWHERE = -1 };

/* Returns the index (from 0) of the scalar in the arguments that has the wanted text, or
 * NOWHERE. If an argument with the field's name exists, only this argument can match. */
static int
scalar_with(struct span arguments, struct span name, struct span wanted, struct arena *a)
{
	struct json *j = json_open(a, arguments);
	struct json_event ev;
	struct span key = { NULL, 0 };
	int i = 0, any = NOWHERE, own = NOWHERE;
	bool named = false;

	for (enum json_tok tok; j && (tok = json_next(j, &ev)) > JSON_ERROR;) {
		if (tok == JSON_KEY) {
			key = json_text(a, arguments, &ev);
			continue;
		}
		if (is_scalar(tok)) {
			bool same = same_value(scalar_text(a, arguments, &ev), wanted, tok);
			bool mine = ev.depth == 1 && span_ieq(key, name);
			named |= mine;
			if (same && mine)
				own = i;
			if (same && any == NOWHERE)
				any = i;
			i++;
		}
	}
	return named ? own : any;
}

static struct span
scalar_nth(struct span arguments, int nth, struct arena *a)
{
	struct json *j = json_open(a, arguments);
	struct json_event ev;

	for (enum json_tok tok; j && (tok = json_next(j, &ev)) > JSON_ERROR;)
		if (is_scalar(tok) && nth-- == 0)
			return scalar_text(a, arguments, &ev);
	return (struct span){ NULL, 0 };
}

bool
mcp_is_param(struct span field)
{
	return field.n > param_prefix.n && span_istarts(field, param_prefix);
}

struct span
mcp_param_sent(
	struct span field, struct span value, struct span was, struct span now, struct arena *a)
{
	struct span text, sent = { NULL, 0 }, out = { NULL, 0 };
	SCOPED_ARENA(own, CAP_REQUEST_ARENA, true);

	if (mcp_header_text(value, &own, &text)) {
		int nth =
			scalar_with(was, span_cut(field, param_prefix.n, field.n), text, &own);
		sent = nth == NOWHERE ? sent : scalar_nth(now, nth, &own);
	}
	if (sent.p)
		out = span_eq(sent, text) ? value : mcp_header_value(arena_dup(a, sent), a);
	return out;
}

/* ---- equality ---- */

/* Returns 1 with the decoded value in *out, 0 if the field is absent, or an error. */
static int
header_text(const struct http_head *h, const char *name, struct arena *a, struct span *out,
	struct mcp_error *why)
{
	struct span raw;
	int n = http_field_one(h, name, &raw);

	if (n < 0)
		return refuse_header(
			why, MCP_CODE_HEADER, "an MCP header field occurs more than once");
	if (n > 0 && !mcp_header_text(raw, a, out))
		return refuse_header(
			why, MCP_CODE_HEADER, "an MCP header field is not valid base64");
	return n;
}

static int
check_version(const struct http_head *h, struct mcp_message *m, struct mcp_error *why)
{
	struct span said;
	int n = http_field_one(h, "mcp-protocol-version", &said);

	said = span_trim(said, " \t");
	if (n < 0)
		return refuse_header(
			why, MCP_CODE_HEADER, "MCP-Protocol-Version occurs more than once");
	if (n > 0 && m->version.p && !span_eq(said, m->version))
		return refuse_header(why, MCP_CODE_HEADER,
			"MCP-Protocol-Version differs from the version in the body");
	/* server/discover asks the server for its revisions, so any revision may be sent */
	bool asks = span_is(m->method, "server/discover");
	if (!asks && ((n > 0 && !mcp_version_known(said)) ||
			     (m->version.p && !mcp_version_known(m->version)))) {
		m->version = n > 0 ? said : m->version;
		return refuse_header(why, MCP_CODE_VERSION,
			"the gateway does not support this revision of MCP");
	}
	bool stateless = mcp_version_stateless(n > 0 ? said : m->version);
	if (stateless && n == 0)
		return refuse_header(why, MCP_CODE_HEADER, "MCP-Protocol-Version is missing");
	if (stateless && m->kind == MCP_REQUEST && !m->version.p)
		return refuse_header(why, MCP_CODE_PARAMS,
			"MCP-Protocol-Version names a revision, but params._meta does not");
	m->era = stateless ? MCP_STATELESS : MCP_SESSIONS;
	return 0;
}

/* Checks one Mcp-Param field. The arena is released before the next field. */
static int
check_param(const struct http_field *f, const struct mcp_message *m, struct mcp_error *why)
{
	struct span name = span_cut(f->name, param_prefix.n, f->name.n), text;
	const char *wrong = NULL;
	SCOPED_ARENA(own, CAP_REQUEST_ARENA, true);

	if (!mcp_header_text(f->value, &own, &text))
		wrong = "an MCP header field is not valid base64";
	else if (!m->arguments.n || scalar_with(m->arguments, name, text, &own) == NOWHERE)
		wrong = "a header field Mcp-Param- does not match an argument in the body";
	bool failed = arena_failed(&own);
	return failed ? ERR_NOMEM : wrong ? refuse_header(why, MCP_CODE_HEADER, wrong) : 0;
}

static int
check_params(const struct http_head *h, const struct mcp_message *m, struct mcp_error *why)
{
	size_t read = 0;
	int err = 0;

	for (size_t i = 0; i < h->nfields && !err; i++) {
		const struct http_field *f = &h->fields[i];
		if (!mcp_is_param(f->name))
			continue;
		for (size_t k = 0; k < i; k++)
			if (span_ieq(h->fields[k].name, f->name))
				return refuse_header(why, MCP_CODE_HEADER,
					"a header field Mcp-Param- occurs more than once");
		if ((read += m->arguments.n) > PARAMS_BYTES)
			return refuse_header(why, MCP_CODE_HEADER,
				"the message has too many Mcp-Param- header fields for its "
				"long arguments");
		err = check_param(f, m, why);
	}
	return err;
}

int
mcp_headers(const struct http_head *h, struct mcp_message *m, struct arena *a,
	struct mcp_error *why)
{
	struct span said;
	int err = check_version(h, m, why);

	if (err)
		return err;
	bool needed = m->era == MCP_STATELESS && m->kind != MCP_RESPONSE;
	int n = header_text(h, "mcp-method", a, &said, why);
	if (n < 0)
		return n;
	if (n == 0 && needed)
		return refuse_header(why, MCP_CODE_HEADER, "Mcp-Method is missing");
	if (n > 0 && !span_eq(said, m->method))
		return refuse_header(
			why, MCP_CODE_HEADER, "Mcp-Method differs from the method in the body");
	n = header_text(h, "mcp-name", a, &said, why);
	if (n < 0)
		return n;
	if (n == 0 && needed && m->name.p && !m->refers)
		return refuse_header(why, MCP_CODE_HEADER, "Mcp-Name is missing");
	if (n > 0 && !span_eq(said, m->name))
		return refuse_header(
			why, MCP_CODE_HEADER, "Mcp-Name differs from the name in the body");
	err = check_params(h, m, why);
	return err ? err : arena_failed(a) ? ERR_NOMEM : 0;
}

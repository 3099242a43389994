/* Compares the headers of an MCP request with its message. The gateway does not know the tools'
 * schemas, which assign Mcp-Param fields to arguments. A field therefore must equal the
 * argument of its name, or, if no argument has this name, any argument.
 *
 * Example: with arguments {"region":"eu","n":5}, "Mcp-Param-Region: eu" and "Mcp-Param-Count:
 * 5" are accepted, "Mcp-Param-Region: us" is refused. */
#include "scan/mcp/header.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/among.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/scoped.h"

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

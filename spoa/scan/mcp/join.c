/* Reads the responses that are joined, by JSON-RPC 2.0 and MCP's "Tools" and "Lifecycle"; event
 * streams by the WHATWG's "Server-sent events". */
#include "scan/mcp/join.h"

#include "base/codec/json.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"

const char *const mcp_join_lists[MCP_JOIN_LISTS] = { "tools", "prompts" };

/* A message that is being read. On the stack. */
struct joining {
	struct json *j;
	struct arena *a;
	struct span in, server;
	enum mcp_join_list list;
	struct buf *out;
	struct mcp_joined *is;
};

static bool
next_joined_member(struct joining *r, struct json_member *m, struct json_event *ev, int *err)
{
	return json_member(r->j, r->a, r->in, m, ev, err);
}

/* Passes over the value whose first token was read. */
static int
pass_joined_value(struct joining *r, struct json_event *ev)
{
	return json_skip(r->j, ev) == JSON_ERROR ? json_error(r->j, NULL, NULL) : 0;
}

static int
take_joined_text(struct joining *r, struct json_event *ev, struct span *to)
{
	if (ev->tok != JSON_STRING)
		return pass_joined_value(r, ev);
	*to = json_text(r->a, r->in, ev);
	return to->p ? 0 : ERR_NOMEM;
}

/* Appends one entry with its longer name. */
static int
read_joined_entry(struct joining *r, struct json_event *ev)
{
	size_t start = ev->start, name = 0;
	struct json_member m;
	int err = 0;

	if (ev->tok != JSON_OBJECT)
		return pass_joined_value(r, ev);
	while (!err && next_joined_member(r, &m, ev, &err)) {
		if (span_is(m.key, "name") && ev->tok == JSON_STRING && ev->end > ev->start)
			name = ev->start;
		err = pass_joined_value(r, ev);
	}
	if (err || !name)
		return err;
	if (r->out->n)
		buf_putc(r->out, ',');
	buf_span(r->out, span_cut(r->in, start, name));
	buf_printf(r->out, "%.*s" MCP_JOIN_BETWEEN, SPAN_ARG(r->server));
	buf_span(r->out, span_cut(r->in, name, ev->end));
	r->is->entries++;
	return buf_failed(r->out) ? ERR_NOMEM : 0;
}

static int
read_joined_list(struct joining *r, struct json_event *ev)
{
	int err = 0;

	if (ev->tok != JSON_ARRAY)
		return ERR_SYNTAX;
	while (!err && json_next(r->j, ev) != JSON_ARRAY_END)
		err = ev->tok == JSON_ERROR ? json_error(r->j, NULL, NULL) : read_joined_entry(r, ev);
	return err;
}

static int
read_capabilities(struct joining *r, struct json_event *ev)
{
	struct json_member m;
	int err = 0;

	if (ev->tok != JSON_OBJECT)
		return pass_joined_value(r, ev);
	while (!err && next_joined_member(r, &m, ev, &err)) {
		for (size_t i = 0; i < MCP_JOIN_LISTS; i++)
			r->is->has[i] |= span_is(m.key, mcp_join_lists[i]) &&
					 ev->tok == JSON_OBJECT;
		err = pass_joined_value(r, ev);
	}
	return err;
}

static int
read_joined_result(struct joining *r, struct json_event *ev)
{
	struct json_member m;
	int err = 0;

	if (ev->tok != JSON_OBJECT)
		return ERR_SYNTAX;
	while (!err && next_joined_member(r, &m, ev, &err)) {
		if (span_is(m.key, mcp_join_lists[r->list]))
			err = read_joined_list(r, ev);
		else if (span_is(m.key, "capabilities"))
			err = read_capabilities(r, ev);
		else if (span_is(m.key, "nextCursor"))
			err = take_joined_text(r, ev, &r->is->next);
		else if (span_is(m.key, "protocolVersion"))
			err = take_joined_text(r, ev, &r->is->version);
		else
			err = pass_joined_value(r, ev);
	}
	return err;
}

/* Returns true if the message has this id and a result or an error. */
static int
is_joined_response(struct joining *r, struct span id, bool *result)
{
	struct json *j = json_open(r->a, r->in);
	bool same = false, has = false;
	struct json_member m;
	struct json_event ev;
	int err = 0;

	*result = false;
	if (!j)
		return ERR_NOMEM;
	if (json_next(j, &ev) != JSON_OBJECT)
		return ERR_SYNTAX;
	while (!err && json_member(j, r->a, r->in, &m, &ev, &err)) {
		bool text = ev.tok == JSON_STRING;
		if (span_is(m.key, "id"))
			same = span_eq(span_cut(r->in, ev.start - text, ev.end + text), id);
		has |= span_is(m.key, "result");
		r->is->error |= span_is(m.key, "error");
		if (json_skip(j, &ev) == JSON_ERROR)
			err = json_error(j, NULL, NULL);
	}
	if (!err && json_next(j, &ev) != JSON_END)
		err = ERR_SYNTAX;
	*result = same && has;
	r->is->error &= same;
	return err;
}

static int
read_joined_message(struct joining *r, struct span id)
{
	struct json_member m;
	struct json_event ev;
	bool result;
	int err = is_joined_response(r, id, &result);

	if (err || !result)
		return err;
	if (!(r->j = json_open(r->a, r->in)))
		return ERR_NOMEM;
	r->is->found = true;
	json_next(r->j, &ev);
	while (!err && next_joined_member(r, &m, &ev, &err))
		err = span_is(m.key, "result") ? read_joined_result(r, &ev) : pass_joined_value(r, &ev);
	return err;
}

/* Reads events until one has the response. Several lines of data are one text. */
static int
read_joined_events(struct joining *r, struct span stream, struct span id)
{
	SCOPED_BUF(data, 0);
	int err = 0;

	while (stream.n && !err && !r->is->found && !r->is->error) {
		struct span line = span_trim(span_next(&stream, '\n'), "\r");
		if (span_starts(line, SPAN_LIT("data:"))) {
			if (data.n)
				buf_putc(&data, '\n');
			line = span_cut(line, 5, line.n);
			span_take(&line, ' ');
			buf_span(&data, line);
		}
		if ((line.n && stream.n) || !data.n)
			continue;
		r->in = arena_kept(r->a, &data);
		buf_clear(&data);
		err = r->in.p ? read_joined_message(r, id) : ERR_NOMEM;
	}
	return err;
}

int
mcp_join_read(struct span response, bool events, struct span id, struct span server,
	enum mcp_join_list list, struct arena *a, struct buf *out, struct mcp_joined *is)
{
	struct joining r = { .a = a,
		.in = response,
		.server = server,
		.list = list,
		.out = out,
		.is = is };

	*is = (struct mcp_joined){ 0 };
	return events ? read_joined_events(&r, response, id) : read_joined_message(&r, id);
}

/* ---- the way to the server ---- */

/* Finds the text of params.name, between its quotes. */
static int
find_called_name(struct joining *r, struct json_event *found)
{
	struct json_member m;
	struct json_event ev;
	int err = 0;

	found->tok = JSON_NULL;
	if (!(r->j = json_open(r->a, r->in)))
		return ERR_NOMEM;
	if (json_next(r->j, &ev) != JSON_OBJECT)
		return ERR_SYNTAX;
	while (!err && next_joined_member(r, &m, &ev, &err)) {
		if (!span_is(m.key, "params") || ev.tok != JSON_OBJECT) {
			err = pass_joined_value(r, &ev);
			continue;
		}
		while (!err && next_joined_member(r, &m, &ev, &err)) {
			if (span_is(m.key, "name"))
				*found = ev;
			err = pass_joined_value(r, &ev);
		}
	}
	return err ? err : found->tok == JSON_STRING ? 0 : ERR_SYNTAX;
}

int
mcp_join_unname(struct span message, size_t n, struct arena *a, struct buf *out)
{
	struct joining r = { .a = a, .in = message };
	struct json_event at;
	int err = find_called_name(&r, &at);

	if (err)
		return err;
	struct span name = span_cut(message, at.start, at.end);
	buf_span(out, span_cut(message, 0, at.start));
	buf_span(out, span_cut(message, at.start + json_raw_offset(name, n), message.n));
	return buf_failed(out) ? ERR_NOMEM : 0;
}

struct span
mcp_join_member(struct span object, const char *name, struct arena *a)
{
	struct json *j = object.n ? json_open(a, object) : NULL;
	struct span found = { NULL, 0 };
	struct json_member m;
	struct json_event ev;
	int err = 0;

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return found;
	while (json_member(j, a, object, &m, &ev, &err)) {
		bool text = ev.tok == JSON_STRING;
		if (span_is(m.key, name) && (text || ev.tok == JSON_NUMBER))
			found = span_cut(object, ev.start - text, ev.end + text);
		if (json_skip(j, &ev) == JSON_ERROR)
			break;
	}
	return found;
}

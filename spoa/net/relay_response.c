/* The provider's answer, from its head to its last byte but one: framing is taken
 * off and put on again, x-tollgate-* and hop-by-hop fields stay behind, and
 * an answer that is read goes through its guard. The last byte waits for gate_finish
 * (relay_answer.c). */
#include "base/err.h"
#include "net/relay_conn.h"

/* Room for the size of a chunk whose length is not known yet: hexadecimal with
 * leading zeros (RFC 9112 7.1 allows them), so that all of one read becomes one
 * chunk in place. */
#define CHUNK_LINE   "00000000\r\n"
#define CHUNK_LINE_N (sizeof(CHUNK_LINE) - 1)

static void
protocol_error(struct edge *c, const char *why)
{
	metric_inc(c->relay->metrics, M_RELAY_ERRORS);
	answer_failure(c, END_PROVIDER_ABORT, 503, "provider_error", why);
}

/* What the guard says no to: the caller hears it in its dialect. */
static void
refuse_answer(struct edge *c)
{
	const struct guard_report *r = guard_report(c->guard);
	const struct answer_verdict *v = &r->verdict;

	switch (c->refused) {
	case GUARD_DENIED:
		metric_inc(c->relay->metrics, M_ANSWERS_DENIED);
		answer_failure(c, END_ANSWER_DENIED, v->status, "content_policy_violation",
			v->reason ? v->reason : "the answer is denied by policy");
		break;
	case GUARD_UNREAD:
		metric_inc(c->relay->metrics, M_ANSWERS_UNREAD);
		answer_failure(c, END_ANSWER_DENIED, 503, "classifier_unavailable", r->why);
		break;
	case GUARD_BROKEN:
		metric_inc(c->relay->metrics, M_RELAY_ERRORS);
		answer_failure(c, END_PROVIDER_ABORT, 503, "provider_error", r->why);
		break;
	default:
		answer_failure(c, END_PROVIDER_ABORT, 503, "overloaded",
			r->why ? r->why : "too many bytes are held");
		break;
	}
}

/* ---- the head ---- */

static struct span
field(const struct http_head *h, const char *name)
{
	const struct http_field *f = http_field_nth(h, name, 0);

	return f ? f->value : SPAN_LIT("");
}

/* What no longer says the truth of a body that is edited. */
static void
drop_body_fields(const struct http_message *m, struct http_field *fields)
{
	static const char *const names[] = { "content-encoding", "content-md5", "digest",
		"content-digest", "repr-digest", "etag", "accept-ranges", "content-range" };

	for (size_t i = 0; i < m->head.nfields; i++)
		for (size_t k = 0; k < COUNT_OF(names); k++)
			if (span_ieq(fields[i].name, span_str(names[k])))
				fields[i].name = SPAN_LIT("x-tollgate-");
}

/* Status and fields, without framing. */
static int
put_fields(struct edge *c, const struct http_message *m, struct buf *out)
{
	http_put_status(out, m->head.status);
	int err = http_put_fields(out, &m->head, SPAN_LIT("x-tollgate-"));
	if (err)
		return err;
	buf_span(out, c->relay->ops->response_fields(c->x));
	return buf_failed(out) ? ERR_NOMEM : 0;
}

/* The rest of the head; `length` -1: as c->answer_framing says. */
static void
put_framing(struct edge *c, int64_t length)
{
	struct buf *out = &c->out;

	if (length >= 0)
		buf_printf(out, "content-length: %lld\r\n", (long long)length);
	if (c->answer_framing == HTTP_CHUNKED)
		buf_str(out, "transfer-encoding: chunked\r\n");
	if (c->last_request)
		buf_str(out, "connection: close\r\n");
	buf_str(out, "\r\n");
}

/* The guard of this answer, where it is read. ERR_AUTH: c->refused says why it goes no further.
 */
static int
guard_begin(struct edge *c, const struct http_message *m)
{
	struct guard_head h = { .status = m->head.status,
		.content_type = field(&m->head, "content-type"),
		.content_encoding = field(&m->head, "content-encoding") };

	c->guard = NULL;
	if (!c->plan->reads_answer || m->framing == HTTP_NO_BODY)
		return 0;
	int err = c->relay->ops->answer(c->x, &h, &c->guard);
	if (err || !c->guard)
		return err;
	c->answer_streams = guard_report(c->guard)->streamed;
	c->withheld = c->guard_kept = guard_withholds(c->guard);
	if (guard_edits(c->guard))
		drop_body_fields(m, c->relay->fields);
	c->refused = guard_fields(c->guard, c->relay->fields, m->head.nfields);
	return c->refused ? ERR_AUTH : 0;
}

static int
put_head(struct edge *c, const struct upstream *u, const struct http_message *m)
{
	/* A length without a body is information (RFC 9110 8.6). */
	bool declares = c->answer_framing == HTTP_LENGTH ||
			(c->answer_framing == HTTP_NO_BODY && m->declared >= 0 &&
				(u->to_head || m->head.status == 304));

	c->answer_declared = declares ? m->declared : -1;
	if (c->withheld)
		return put_fields(c, m, &c->head);
	int err = put_fields(c, m, &c->out);
	if (err)
		return err;
	put_framing(c, c->answer_declared);
	return buf_failed(&c->out) ? ERR_NOMEM : 0;
}

static void
begin(struct upstream *u, const struct http_message *m)
{
	struct edge *c = u->edge;
	int err;

	c->result.status = m->head.status;
	c->answer_streams = span_ieq(http_media_type(field(&m->head, "content-type")),
		SPAN_LIT("text/event-stream"));
	err = guard_begin(c, m);
	c->answer_framing = m->framing;
	if (m->framing == HTTP_UNTIL_CLOSE || (m->framing == HTTP_LENGTH && c->guard &&
						      !c->withheld && guard_edits(c->guard)))
		c->answer_framing = HTTP_CHUNKED;
	if (c->answer_framing == HTTP_CHUNKED && c->old_peer)
		c->answer_framing = HTTP_UNTIL_CLOSE;
	if (!c->body.done)
		c->last_request = true;
	u->close = m->close;
	u->head_done = true;
	if (upstream_sent(u)) {
		/* A stream may last minutes: the request need not. */
		buf_free(&u->out);
		u->out_sent = u->swap_sent = 0;
		u->swap = (struct span){ NULL, 0 };
		request_free_whole(c);
	}
	if (c->body.done && c->in.n == 0)
		buf_free(&c->in);
	http_body_init(&u->body, m->framing, m->length);
	c->answer_begun = !c->withheld;
	c->answer_last = '\n';
	c->answer_said = false;
	if (err == ERR_AUTH && c->refused)
		refuse_answer(c);
	else if (err || put_head(c, u, m))
		protocol_error(c, "the response could not be written");
}

/* A HAProxy that was reloaded stays until its connections end, with the configuration it had:
 * its keys, its backends. The shipped rules say so before they look at a request. */
static bool
is_leaving(const struct http_message *m)
{
	return m->head.status == 503 &&
	       http_field_nth(&m->head, "x-tollgate-leaving", 0) != NULL;
}

/* HAProxy's own error, by haproxy/503.http: no provider was reached, or what it sent is no
 * answer. Of a provider's answer the shipped rules drop the field. */
static bool
is_unanswered(const struct http_message *m)
{
	return m->head.status == 503 &&
	       http_field_nth(&m->head, "x-tollgate-unanswered", 0) != NULL;
}

/* Reads one head: 1 done, 0 not whole yet or given up. */
static int
read_head(struct upstream *u)
{
	struct edge *c = u->edge;
	struct http_message m;

	for (;;) {
		ssize_t n = http_parse_response(buf_view(&u->in), &u->scan, c->relay->fields,
			CAP_HEADERS, u->to_head, &m);
		if (n == 0)
			return 0;
		if (n < 0) {
			protocol_error(c, m.why);
			return 0;
		}
		if (m.head.status == 101 ||
			(m.head.status < 200 && ++u->interim > CAP_INTERIM)) {
			protocol_error(c, "an unexpected interim response");
			return 0;
		}
		if (is_leaving(&m) && upstream_moves(u))
			return 0;
		if (is_unanswered(&m)) {
			c->result.status = m.head.status;
			answer_failure(c, END_PROVIDER_ABORT, 503, "provider_unavailable",
				"the provider could not be reached, or did not answer in HTTP");
			return 0;
		}
		if (m.head.status >= 200)
			begin(u, &m);
		if (c->up != u)
			return 0;
		buf_consume(&u->in, (size_t)n);
		u->scan = (struct http_scan){ 0, 0 };
		if (u->head_done)
			return 1;
	}
}

/* ---- the body ---- */

/* Opens a chunk of unknown length; returns where. */
static size_t
chunk_open(struct edge *c)
{
	if (c->answer_framing == HTTP_CHUNKED)
		buf_put(&c->out, CHUNK_LINE, CHUNK_LINE_N);
	return c->out.n;
}

static void
chunk_close(struct edge *c, size_t from)
{
	size_t n = c->out.n - from;

	if (c->answer_framing != HTTP_CHUNKED || buf_failed(&c->out))
		return;
	if (n == 0) {
		/* A chunk of size 0 would be the last one. */
		c->out.n -= CHUNK_LINE_N;
		return;
	}
	char *digits = c->out.p + c->out.start + from - CHUNK_LINE_N;
	for (size_t i = 8; i-- > 0; n >>= 4)
		digits[i] = "0123456789abcdef"[n & 15];
	buf_str(&c->out, "\r\n");
}

/* 0, an error of the framing, or ERR_AUTH: c->refused says why not. */
static int
put_payload(struct edge *c, struct span payload, struct buf *to)
{
	metric_add(c->relay->metrics, M_RELAY_BYTES_DOWN, payload.n);
	c->result.response_bytes += payload.n;
	c->result.output_begun =
		c->result.output_begun || (payload.n && c->result.status / 100 == 2);
	if (payload.n)
		c->answer_last = payload.p[payload.n - 1];
	if (!c->guard) {
		buf_span(to, payload);
		return buf_failed(to) ? ERR_NOMEM : 0;
	}
	bool room =
		!c->withheld || c->relay->ops->hold(c->x, payload.n) || guard_let_go(c->guard);
	size_t before = to->n;
	c->refused = room ? guard_feed(c->guard, payload, to) : GUARD_NO_MEMORY;
	c->answer_said |= to->n > before;
	return c->refused ? ERR_AUTH : 0;
}

static void
say_cost(struct edge *c)
{
	struct usage u = guard_usage(c->guard);

	buf_span(&c->out, c->relay->ops->cost_field(c->x, &u));
}

/* All of it is known, or that it need not be: the head goes, with what came out since. */
static void
let_out(struct edge *c, bool whole)
{
	c->withheld = false;
	c->guard_kept = whole;
	c->answer_begun = true;
	if (whole)
		c->answer_framing = HTTP_LENGTH;
	buf_span(&c->out, buf_view(&c->head));
	if (whole)
		say_cost(c);
	put_framing(c, whole ? (int64_t)c->spool.n : c->answer_declared);
	size_t from = chunk_open(c);
	buf_span(&c->out, buf_view(&c->spool));
	chunk_close(c, from);
	buf_free(&c->head);
	buf_free(&c->spool);
}

/* Everything in u->in becomes one chunk. 0, or an error as of put_payload(). */
static int
pass_body(struct upstream *u)
{
	struct edge *c = u->edge;
	bool withheld = c->withheld;
	struct buf *to = withheld ? &c->spool : &c->out;
	size_t from = withheld ? 0 : chunk_open(c);
	int err = 0;

	while (u->in.n && !u->body.done && !err) {
		struct span payload;
		ssize_t n = http_body_next(&u->body, buf_view(&u->in), &payload);
		if (n < 0) {
			err = (int)n;
			break;
		}
		if (payload.n)
			err = put_payload(c, payload, to);
		buf_consume(&u->in, (size_t)n);
	}
	if (u->body.done && c->guard && !err) {
		c->refused = guard_end(c->guard, to);
		err = c->refused ? ERR_AUTH : 0;
	}
	if (!withheld)
		chunk_close(c, from);
	else if (!err && (u->body.done || !guard_withholds(c->guard)))
		let_out(c, u->body.done);
	return err ? err : buf_failed(&c->out) || buf_failed(&c->spool) ? ERR_NOMEM : 0;
}

/* False: it failed, and the caller was told. */
static bool
body_passes(struct upstream *u, const char *why)
{
	struct edge *c = u->edge;
	int err = pass_body(u);

	if (err == ERR_AUTH && c->refused)
		refuse_answer(c);
	else if (err)
		protocol_error(c, why);
	return !err;
}

/* ---- the end ---- */

static void
complete(struct upstream *u, bool whole_at_once)
{
	struct edge *c = u->edge;

	if (!c->body.done)
		c->last_request = true;
	c->terminator = c->answer_framing == HTTP_CHUNKED;
	/* What came whole goes out in one write; else its last byte waits. */
	if ((whole_at_once && !c->answer_streams) || c->guard_kept)
		c->held = c->out.n;
	else if (c->answer_framing == HTTP_LENGTH || c->answer_framing == HTTP_UNTIL_CLOSE)
		c->held = c->out.n ? 1 : 0;
	else if (c->answer_framing == HTTP_NO_BODY)
		c->held = c->out.n;
	upstream_release(u, upstream_sent(u) && !u->write_failed && !u->close && u->in.n == 0 &&
				    u->body.framing != HTTP_UNTIL_CLOSE);
	answer_finish(c, END_COMPLETE, NULL);
}

/* Its body has begun and nothing of it may go yet: so the head does not, and what is said of
 * the first event may still have its own status. */
static bool
head_waits(const struct edge *c)
{
	return c->guard && c->answer_streams && guard_edits(c->guard) && !c->answer_said &&
	       !c->answer_sent && c->result.response_bytes;
}

void
response_progress(struct upstream *u)
{
	struct edge *c = u->edge;
	bool in_one_read = !u->head_done;

	if (!u->began) {
		protocol_error(c, "an answer before the request");
		return;
	}
	if (!u->head_done && !read_head(u))
		return;
	if (!body_passes(u, "the response's framing is malformed"))
		return;
	if (u->body.done)
		complete(u, in_one_read);
	if (u->body.done || !head_waits(c))
		edge_flush(c);
}

void
response_eof(struct upstream *u, int err)
{
	struct edge *c = u->edge;

	if (err == 0 && u->head_done && http_body_eof(&u->body) == 0) {
		if (!body_passes(u, "the response could not be read"))
			return;
		complete(u, false);
		edge_flush(c);
		return;
	}
	answer_failure(c, END_PROVIDER_ABORT, 503, "provider_aborted",
		u->heard ? "the provider closed before the end of its response"
			 : "the provider closed before its response");
}

/* Inspects the parts of a response besides its texts, and replaces findings in them.
 *
 * In a frame these are all bytes except the payload: comments, ids and other fields of an SSE
 * event (WHATWG HTML 9.2.6), and the headers of an AWS event stream's message. In the head
 * these are the fields that no table below has. The head is inspected before it is sent. */
#include "answer/guard/guard_private.h"
#include "base/ascii.h"
#include "base/codec/eventstream.h"
#include "base/codec/http.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/push.h"

/* ---- frames ---- */

enum { RETRY_DIGITS = 6 };

static enum guard_result
edit(struct guard *g, struct span text, struct span *now)
{
	struct answer_text t = {
		.kind = KIND_OTHER, .copy = true, .aside = true, .text = text
	};

	*now = text;
	return guard_edit_alone(g, &t, now);
}

/* ---- SSE ---- */

/* Returns true if the line needs no scan: data is read elsewhere, a type or an id is a word,
 * and a retry is digits. */
static bool
is_read(struct span line)
{
	static const char *const words[] = { "event", "id" };
	size_t colon = span_chr(line, ':');
	struct span name = span_cut(line, 0, colon);
	struct span value = span_trim(span_cut(line, colon + 1, line.n), " ");
	bool digits = value.n <= RETRY_DIGITS && span_past(value, 0, is_digit) == value.n;

	return (span_is(name, "data") && colon < line.n) ||
	       (SPAN_IN(name, words) && answer_is_word(value)) ||
	       (span_is(name, "retry") && digits);
}

static enum guard_result
edit_line(struct guard *g, struct span line, struct span *now)
{
	return line.n && !is_read(line) ? edit(g, line, now) : g->failed;
}

enum guard_result
guard_edit_lines(struct guard *g, struct frame *f,
	enum guard_result (*change)(struct guard *g, struct span line, struct span *now))
{
	struct splice *v = NULL;
	size_t n = 0, room = 0;

	for (size_t at = f->bom ? 3 : 0, end; at < f->raw.n; at = end + 1) {
		end = at + sse_line(span_cut(f->raw, at, f->raw.n));
		struct span line = span_cut(f->raw, at, end), now = line;
		if (change(g, line, &now))
			return g->failed;
		struct splice one = { at, end, now };
		if (!span_eq(now, line) && !ARENA_PUSH(&g->work, v, n, room, 8, one))
			return guard_no_memory(g);
	}
	return n ? guard_spliced(g, f->raw, v, n, &f->raw) : g->failed;
}

/* ---- AWS headers ---- */

/* Appends a header. *any is set if the header changed. */
static enum guard_result
header(struct guard *g, const struct eventstream_field *h, struct buf *out, bool *any)
{
	struct span now = h->text;

	if (!answer_is_word(h->name) &&
		guard_unread(g, h->name.n, "a header of an event has an invalid name"))
		return g->failed;
	if (h->is_text && utf8_valid(h->text) && !answer_is_word(h->text) &&
		edit(g, h->text, &now))
		return g->failed;
	if (span_eq(now, h->text)) {
		buf_span(out, h->raw);
		return g->failed;
	}
	*any = true;
	eventstream_put(out, h->name, now);
	return g->failed;
}

static enum guard_result
rewrite(struct guard *g, struct frame *f, struct span headers, struct span payload)
{
	struct eventstream_message m;
	struct buf b;

	buf_init(&b, 0);
	if (eventstream_write(&b, headers, payload))
		guard_no_memory(g);
	if (guard_take(g, &b, &f->raw) || eventstream_read(f->raw, &m))
		return guard_no_memory(g);
	f->data = m.payload;
	f->said = m.error_message;
	return g->failed;
}

static enum guard_result
headers(struct guard *g, struct frame *f)
{
	struct eventstream_message m;
	struct eventstream_field h;
	bool any = false;

	if (eventstream_read(f->raw, &m))
		return guard_fail(g, GUARD_BROKEN, "the stream's framing is malformed");
	SCOPED_BUF(changed, 0);
	for (struct span rest = m.headers;
		rest.n && !g->failed && !eventstream_next(&rest, &h);)
		header(g, &h, &changed, &any);
	if (buf_failed(&changed))
		guard_no_memory(g);
	if (any && !g->failed)
		rewrite(g, f, buf_view(&changed), m.payload);
	return g->failed;
}

enum guard_result
guard_metadata(struct guard *g, struct frame *f)
{
	if (!guard_inspects(g) || !f->raw.n)
		return g->failed;
	switch (g->frames.kind) {
	case FRAMES_SSE: return guard_edit_lines(g, f, edit_line);
	case FRAMES_EVENTSTREAM: return headers(g, f);
	default: return g->failed;
	}
}

/* ---- the head ---- */

/* Fields that pass, because their values are HTTP's words, or numbers, hashes and ids: RFC
 * 9110, W3C, proxies, providers. docs/answers.md lists them. */
static const char *const known[] = { "accept-ranges", "age", "allow", "alt-svc",
	"cache-control", "connection", "content-digest", "content-encoding", "content-language",
	"content-length", "content-md5", "content-range", "content-security-policy",
	"content-security-policy-report-only", "content-type", "cross-origin-embedder-policy",
	"cross-origin-opener-policy", "cross-origin-resource-policy", "date", "digest", "etag",
	"expires", "keep-alive", "last-modified", "mcp-protocol-version", "mcp-session-id",
	"openai-processing-ms", "openai-version", "permissions-policy", "pragma",
	"referrer-policy", "repr-digest", "request-id", "retry-after",
	"strict-transport-security", "timing-allow-origin", "trace-id", "traceparent",
	"tracestate", "transfer-encoding", "upgrade", "vary", "x-cloud-trace-context",
	"x-content-type-options", "x-frame-options", "x-request-id", "x-robots-tag",
	"x-runtime", "x-trace-id", "x-xss-protection" };
/* Beginnings of fields that pass if their value has no space and no @. */
static const char *const families[] = { "access-control-", "anthropic-ratelimit-", "cf-",
	"sec-websocket-", "x-amz-", "x-amzn-", "x-envoy-", "x-goog-", "x-ms-", "x-ratelimit-",
	"x-tollgate-", "x-vercel-" };
/* Except for metadata that people attach to stored objects. */
static const char *const metadata[] = { "x-amz-meta-", "x-goog-meta-", "x-ms-meta-" };

const char *
guard_field_passes(size_t i)
{
	if (i < COUNT_OF(known))
		return known[i];
	i -= COUNT_OF(known);
	return i < COUNT_OF(families) ? families[i] : NULL;
}

static bool
begins_as(struct span name, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_istarts(name, span_str(v[i])))
			return true;
	return false;
}

static bool
passes(struct span name, struct span value)
{
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (span_ieq(name, span_str(known[i])))
			return true;
	bool free = memchr(value.p, ' ', value.n) || memchr(value.p, '\t', value.n) ||
		    memchr(value.p, '@', value.n);
	return !free && begins_as(name, families, COUNT_OF(families)) &&
	       !begins_as(name, metadata, COUNT_OF(metadata));
}

enum guard_result
guard_fields(struct guard *g, struct http_field *v, size_t n)
{
	for (size_t i = 0; i < n && guard_inspects(g) && !g->failed; i++) {
		struct span now;
		if (!v[i].value.n || passes(v[i].name, v[i].value) ||
			edit(g, v[i].value, &now) || span_eq(now, v[i].value))
			continue;
		v[i].value = arena_dup(&g->life, now);
		if (!v[i].value.p)
			guard_no_memory(g);
	}
	arena_reset(&g->work);
	return g->failed;
}

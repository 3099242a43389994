/* The complete requests that the simulated provider received, in a ring: GET /_seen lists them.
 * Tests read there which data left the company, so no part of a request is omitted; bodies that
 * are not UTF-8 are also given as base64. GET /_count sums over all of them, as a provider's
 * bill would. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mock.h"

static struct mock_seen ring[MOCK_SEEN_MAX];
static uint64_t head; /* number of records since the start */
static uint64_t tail; /* the oldest record still kept */
static uint64_t bytes_held;

static struct {
	uint64_t requests, bytes, complete, cut, aborted;
	uint64_t by_status[600]; /* 0: no status from here */
	int64_t in, out;	 /* tokens of the started responses */
} sum;

static double
wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
seen_drop_oldest(void)
{
	struct mock_seen *s = &ring[tail++ % MOCK_SEEN_MAX];

	bytes_held -= s->nbytes;
	free(s->bytes);
	free(s->field_n);
	memset(s, 0, sizeof *s);
}

void
mock_seen_forget(void)
{
	while (tail < head)
		seen_drop_oldest();
	memset(&sum, 0, sizeof sum);
}

void
mock_seen_add(const struct mock_request *r, uint64_t serial, uint64_t connection)
{
	size_t n = r->method.n + r->target.n + r->body.n;

	for (size_t i = 0; i < r->nfields; i++)
		n += r->fields[i].name.n + r->fields[i].value.n;
	while (tail < head &&
		(head - tail >= MOCK_SEEN_MAX || bytes_held + n > MOCK_SEEN_BYTES_MAX))
		seen_drop_oldest();
	struct mock_seen *s = &ring[head % MOCK_SEEN_MAX];
	s->bytes = malloc(n + 1);
	s->field_n = calloc(2 * r->nfields + 1, sizeof *s->field_n);
	if (!s->bytes || !s->field_n)
		abort();
	s->serial = serial;
	s->connection = connection;
	s->nbytes = n;
	s->method_n = r->method.n;
	s->target_n = r->target.n;
	s->body_n = r->body.n;
	s->nfields = r->nfields;
	s->ended = "pending";
	s->status = 0;
	s->in = s->out = 0;
	s->began = wall_s();
	s->ended_at = 0;
	char *p = mempcpy(s->bytes, r->method.p, r->method.n);
	p = mempcpy(p, r->target.p, r->target.n);
	for (size_t i = 0; i < r->nfields; i++) {
		s->field_n[2 * i] = r->fields[i].name.n;
		s->field_n[2 * i + 1] = r->fields[i].value.n;
		p = mempcpy(p, r->fields[i].name.p, r->fields[i].name.n);
		p = mempcpy(p, r->fields[i].value.p, r->fields[i].value.n);
	}
	if (r->body.n)
		memcpy(p, r->body.p, r->body.n);
	bytes_held += n;
	head++;
	sum.requests++;
	sum.bytes += r->body.n;
}

/* NULL: no longer kept. */
static struct mock_seen *
seen_of(uint64_t serial)
{
	for (uint64_t i = head; i > tail; i--) {
		struct mock_seen *s = &ring[(i - 1) % MOCK_SEEN_MAX];
		if (s->serial == serial)
			return s;
		if (s->serial < serial && head - i > 256)
			return NULL;
	}
	return NULL;
}

void
mock_seen_answer(uint64_t serial, const struct mock_answer *a)
{
	struct mock_seen *s = seen_of(serial);

	if (!s)
		return;
	s->status = a->status;
	s->in = a->in;
	s->out = a->out;
	sum.by_status[a->status > 0 && a->status < (int)COUNT_OF(sum.by_status) ? a->status
										: 0]++;
	sum.in += a->in;
	sum.out += a->out;
}

void
mock_seen_end(uint64_t serial, const char *how)
{
	struct mock_seen *s = seen_of(serial);

	if (!s)
		return;
	s->ended = how;
	s->ended_at = wall_s();
	*(!strcmp(how, "complete")    ? &sum.complete
		: !strcmp(how, "cut") ? &sum.cut
				      : &sum.aborted) += 1;
}

void
mock_seen_count(struct buf *out)
{
	const char *sep = "";

	buf_printf(out,
		"{\"requests\":%llu,\"body_bytes\":%llu,\"complete\":%llu,\"cut\":%llu,"
		"\"aborted\":%llu,\"input_tokens\":%lld,\"output_tokens\":%lld,\"status\":{",
		(unsigned long long)sum.requests, (unsigned long long)sum.bytes,
		(unsigned long long)sum.complete, (unsigned long long)sum.cut,
		(unsigned long long)sum.aborted, (long long)sum.in, (long long)sum.out);
	for (size_t i = 0; i < COUNT_OF(sum.by_status); i++)
		if (sum.by_status[i]) {
			buf_printf(out, "%s\"%zu\":%llu", sep, i,
				(unsigned long long)sum.by_status[i]);
			sep = ",";
		}
	buf_str(out, "}}\n");
}

/* Length of the valid UTF-8 sequence at p, 0 if there is none (RFC 3629). */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	unsigned c = p[0];
	size_t len = c < 0x80		     ? 1
		     : c >= 0xc2 && c < 0xe0 ? 2
		     : c >= 0xe0 && c < 0xf0 ? 3
		     : c >= 0xf0 && c < 0xf5 ? 4
					     : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
		(c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* As a JSON string; false if bytes had to be replaced by U+FFFD. */
static bool
put_text(struct buf *out, struct span s)
{
	bool clean = true;

	buf_putc(out, '"');
	for (size_t i = 0; i < s.n;) {
		size_t len, run = i;
		while (run < s.n &&
			(len = utf8_len((const unsigned char *)s.p + run, s.n - run)))
			run += len;
		buf_json(out, span_of(s.p + i, run - i));
		i = run;
		if (i < s.n) {
			buf_str(out, "\xef\xbf\xbd");
			clean = false;
			i++;
		}
	}
	buf_putc(out, '"');
	return clean;
}

void
mock_base64(struct buf *out, struct span s)
{
	static const char a[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		unsigned v = (unsigned)(unsigned char)s.p[i] << 16;
		if (i + 1 < s.n)
			v |= (unsigned)(unsigned char)s.p[i + 1] << 8;
		if (i + 2 < s.n)
			v |= (unsigned char)s.p[i + 2];
		buf_putc(out, a[v >> 18]);
		buf_putc(out, a[v >> 12 & 63]);
		buf_putc(out, i + 1 < s.n ? a[v >> 6 & 63] : '=');
		buf_putc(out, i + 2 < s.n ? a[v & 63] : '=');
	}
}

struct view {
	struct span name, value;
	bool done;
};

/* {name: value or [values]}, in the order of their first appearance. */
static void
put_fields(struct buf *out, struct view *v, size_t n)
{
	const char *sep = "";

	buf_str(out, "\"headers\":{");
	for (size_t i = 0; i < n; i++) {
		size_t same = 0;
		if (v[i].done)
			continue;
		for (size_t j = i; j < n; j++)
			same += span_eq(v[i].name, v[j].name);
		buf_str(out, sep);
		put_text(out, v[i].name);
		buf_str(out, same > 1 ? ":[" : ":");
		for (size_t j = i, k = 0; j < n; j++) {
			if (!span_eq(v[i].name, v[j].name))
				continue;
			if (k++)
				buf_putc(out, ',');
			put_text(out, v[j].value);
			v[j].done = true;
		}
		if (same > 1)
			buf_putc(out, ']');
		sep = ",";
	}
	buf_putc(out, '}');
}

static void
seen_write_one(struct buf *out, const struct mock_seen *s)
{
	const char *p = s->bytes;
	struct view *v = calloc(s->nfields + 1, sizeof *v);

	if (!v)
		abort();
	buf_printf(out, "{\"serial\":%llu,\"connection\":%llu,\"method\":",
		(unsigned long long)s->serial, (unsigned long long)s->connection);
	put_text(out, span_of(p, s->method_n));
	p += s->method_n;
	buf_str(out, ",\"path\":");
	put_text(out, span_of(p, s->target_n));
	p += s->target_n;
	buf_putc(out, ',');
	for (size_t i = 0; i < s->nfields; i++) {
		v[i].name = span_of(p, s->field_n[2 * i]);
		p += s->field_n[2 * i];
		v[i].value = span_of(p, s->field_n[2 * i + 1]);
		p += s->field_n[2 * i + 1];
	}
	put_fields(out, v, s->nfields);
	free(v);
	buf_str(out, ",\"body\":");
	if (!put_text(out, span_of(p, s->body_n))) {
		buf_str(out, ",\"body_base64\":\"");
		mock_base64(out, span_of(p, s->body_n));
		buf_putc(out, '"');
	}
	buf_printf(out,
		",\"ended\":\"%s\",\"began\":%.6f,\"ended_at\":%.6f,\"status\":%d,"
		"\"input_tokens\":%lld,\"output_tokens\":%lld}",
		s->ended, s->began, s->ended_at, s->status, (long long)s->in,
		(long long)s->out);
}

void
mock_seen_write(struct buf *out, size_t last)
{
	uint64_t from = head - tail > last ? head - last : tail;

	buf_putc(out, '[');
	for (uint64_t i = from; i < head; i++) {
		if (i > from)
			buf_str(out, ",\n");
		seen_write_one(out, &ring[i % MOCK_SEEN_MAX]);
	}
	buf_str(out, "]\n");
}

/* Composes log lines in logfmt and JSON. Example: log_event(LOG_INFO, "started",
 * LI("rules", 3)) writes time=2026-11-28T10:00:00.000000000Z level=info event=started
 * rules=3. */
#include "base/log_private.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/utf8.h"

enum { LINE_MAX_BYTES = 16384 };

static enum log_format fmt = LOG_LOGFMT;
static _Atomic(enum log_level) max_level = LOG_INFO;
const char *const log_level_names[] = { "error", "warn", "info", "debug", NULL };

void
log_setup(enum log_format format, enum log_level level)
{
	fmt = format;
	log_set_level(level);
}

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, level, memory_order_relaxed);
}

enum log_level
log_level(void)
{
	return atomic_load_explicit(&max_level, memory_order_relaxed);
}

bool
log_on(enum log_level level)
{
	return level <= log_level();
}

/* Returns the code point of a character beyond ASCII that a terminal obeys or that reorders
 * text: C1 controls, line ends and bidirectional controls. Returns 0 for any other character. */
static unsigned
control_of(const char *p, size_t len)
{
	unsigned c = len == 2	? ((unsigned)p[0] & 0x1f) << 6 | ((unsigned)p[1] & 0x3f)
		     : len == 3 ? ((unsigned)p[0] & 0xf) << 12 | ((unsigned)p[1] & 0x3f) << 6 |
					  ((unsigned)p[2] & 0x3f)
				: 0;

	return (c >= 0x80 && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
			       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)
		       ? c
		       : 0;
}

static bool
is_plain_log(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\' || s.p[i] == 127)
			return false;
	return s.n > 0;
}

/* Writes a quoted string with JSON's escapes, also in logfmt. No control character is written
 * raw. Bytes that are not UTF-8 are replaced in JSON, which must be UTF-8. */
static void
put_log_text(struct buf *b, struct span s)
{
	size_t from = 0;

	buf_putc(b, '"');
	for (size_t i = 0, len; i < s.n; i += len ? len : 1) {
		len = utf8_sequence(s.p + i, s.n - i);
		unsigned c = control_of(s.p + i, len);
		if (s.p[i] == 127)
			c = 127;
		else if (!len && fmt == LOG_JSON)
			c = 0xfffd;
		if (!c)
			continue;
		buf_json(b, span_cut(s, from, i));
		from = i + (len ? len : 1);
		buf_printf(b, "\\u%04x", c);
	}
	buf_json(b, span_cut(s, from, s.n));
	buf_putc(b, '"');
}

static void
put_log_pair(struct buf *b, bool first, const char *key, struct span s)
{
	if (fmt == LOG_JSON) {
		buf_printf(b, "%c\"%s\":", first ? '{' : ',', key);
		put_log_text(b, s);
		return;
	}
	buf_printf(b, "%s%s=", first ? "" : " ", key);
	if (is_plain_log(s))
		buf_span(b, s);
	else
		put_log_text(b, s);
}

static void
compose(struct buf *b, enum log_level level, const char *event, const struct log_field *fields,
	size_t n)
{
	char when[CLOCK_RFC3339_LEN], num[24];

	clock_rfc3339(clock_wall_ns(), when);
	put_log_pair(b, true, "time", span_str(when));
	put_log_pair(b, false, "level", span_str(log_level_names[level]));
	put_log_pair(b, false, "event", span_str(event));
	for (size_t i = 0; i < n; i++) {
		if (fields[i].kind == LF_STR) {
			put_log_pair(b, false, fields[i].key, fields[i].s);
			continue;
		}
		snprintf(num, sizeof(num), "%lld", (long long)fields[i].i);
		if (fmt == LOG_JSON)
			buf_printf(b, ",\"%s\":%s", fields[i].key, num);
		else
			put_log_pair(b, false, fields[i].key, span_str(num));
	}
	if (fmt == LOG_JSON)
		buf_putc(b, '}');
}

bool
log_compose(struct log_line *out, enum log_level level, const char *event,
	const struct log_field *fields, size_t n)
{
	buf_init(&out->all, 65536);
	log_before(&out->all, level, event);
	out->at = out->all.n;
	compose(&out->all, level, event, fields, n);
	out->n = out->all.n - out->at;
	if (out->n > LINE_MAX_BYTES)
		out->all.failed = true;
	log_after(&out->all, level, event, fields, n);
	return !buf_failed(&out->all);
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	struct log_line l;

	if (log_compose(&l, level, event, fields, n))
		log_out(level, &l);
	buf_free(&l.all);
}

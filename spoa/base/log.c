/* logfmt and JSON log lines. */
#include "base/log_private.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"

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

static bool
plain(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\' || s.p[i] == 127)
			return false;
	return s.n > 0;
}

static void
put(struct buf *b, const char *key, struct span s)
{
	if (fmt == LOG_JSON) {
		buf_str(b, b->n > 1 ? "," : "");
		buf_json_str(b, span_str(key));
		buf_putc(b, ':');
		buf_json_str(b, s);
		return;
	}
	buf_printf(b, "%s%s=", b->n ? " " : "", key);
	if (plain(s))
		buf_span(b, s);
	else
		buf_json_str(b, s);
}

void
log_compose(struct buf *b, enum log_level level, const char *event,
	const struct log_field *fields, size_t n)
{
	char when[CLOCK_RFC3339_LEN], num[24];

	clock_rfc3339(clock_wall_ns(), when);
	if (fmt == LOG_JSON)
		buf_putc(b, '{');
	put(b, "time", span_str(when));
	put(b, "level", span_str(log_level_names[level]));
	put(b, "event", span_str(event));
	for (size_t i = 0; i < n; i++) {
		if (fields[i].kind == LF_STR) {
			put(b, fields[i].key, fields[i].s);
			continue;
		}
		snprintf(num, sizeof(num), "%lld", (long long)fields[i].i);
		if (fmt == LOG_JSON)
			buf_printf(b, ",\"%s\":%s", fields[i].key, num);
		else
			put(b, fields[i].key, span_str(num));
	}
	buf_str(b, fmt == LOG_JSON ? "}\n" : "\n");
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	struct buf b;

	buf_init(&b, 16384);
	log_compose(&b, level, event, fields, n);
	if (!buf_failed(&b))
		log_out(level, buf_view(&b));
	buf_free(&b);
}

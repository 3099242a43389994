/* Writes JSON into a buffer. No state is kept between calls: the last byte of the buffer decides
 * whether a comma is needed. */
#include "base/json_put.h"

#include <inttypes.h>

#include "base/ascii.h"
#include "base/clock.h"

/* Returns true if the buffer ends with a value: a string, an object, an array, a number, or one
 * of the three words. */
static bool
ends_with_value(const struct buf *b)
{
	if (!b->n)
		return false;
	char last = b->p[b->start + b->n - 1];
	return last == '"' || last == '}' || last == ']' || is_alnum(last);
}

void
json_put_name(struct buf *b, const char *name)
{
	if (ends_with_value(b))
		buf_putc(b, ',');
	if (!name)
		return;
	buf_putc(b, '"');
	buf_str(b, name);
	buf_put(b, "\":", 2);
}

void
json_put_member(struct buf *b, struct span name)
{
	json_put_name(b, NULL);
	buf_json_str(b, name);
	buf_putc(b, ':');
}

void
json_put_open(struct buf *b, const char *name, char bracket)
{
	json_put_name(b, name);
	buf_putc(b, bracket);
}

void
json_put_close(struct buf *b, char bracket)
{
	buf_putc(b, bracket);
}

void
json_put_raw(struct buf *b, const char *name, struct span json)
{
	json_put_name(b, name);
	buf_span(b, json);
}

void
json_put_text(struct buf *b, const char *name, struct span value)
{
	json_put_name(b, name);
	buf_json_str(b, value);
}

void
json_put_str(struct buf *b, const char *name, const char *value)
{
	json_put_text(b, name, span_str(value));
}

void
json_put_opt(struct buf *b, const char *name, const char *value)
{
	if (value)
		json_put_str(b, name, value);
	else
		json_put_null(b, name);
}

void
json_put_int(struct buf *b, const char *name, int64_t value)
{
	json_put_name(b, name);
	buf_int(b, value);
}

static void
put_unsigned(struct buf *b, uint64_t v)
{
	if (v <= INT64_MAX)
		buf_int(b, (int64_t)v);
	else
		buf_printf(b, "%" PRIu64, v);
}

void
json_put_uint(struct buf *b, const char *name, uint64_t value)
{
	json_put_name(b, name);
	put_unsigned(b, value);
}

void
json_put_bool(struct buf *b, const char *name, bool value)
{
	json_put_raw(b, name, value ? SPAN_LIT("true") : SPAN_LIT("false"));
}

void
json_put_time(struct buf *b, const char *name, int64_t wall_ns)
{
	char when[CLOCK_RFC3339_LEN];

	clock_rfc3339(wall_ns, when);
	json_put_opt(b, name, wall_ns ? when : NULL);
}

void
json_put_null(struct buf *b, const char *name)
{
	json_put_raw(b, name, SPAN_LIT("null"));
}

void
json_put_printf(struct buf *b, const char *name, const char *fmt, ...)
{
	va_list args;

	json_put_name(b, name);
	va_start(args, fmt);
	buf_vprintf(b, fmt, args);
	va_end(args);
}

static void
put_place(struct buf *b, char place, va_list *args)
{
	switch (place) {
	case 't': buf_json_str(b, va_arg(*args, struct span)); break;
	case 'j': buf_span(b, va_arg(*args, struct span)); break;
	case 'u': put_unsigned(b, va_arg(*args, uint64_t)); break;
	case 'w':
		buf_putc(b, '"');
		buf_span(b, va_arg(*args, struct span));
		buf_putc(b, '"');
		break;
	default:
		buf_putc(b, '"');
		buf_str(b, va_arg(*args, const char *));
		buf_putc(b, '"');
	}
}

void
json_put_vform(struct buf *b, const char *form, va_list args)
{
	va_list at;

	if (*form != '}' && *form != ']')
		json_put_name(b, NULL);
	va_copy(at, args);
	while (*form) {
		size_t n = strcspn(form, "'%");
		buf_put(b, form, n);
		form += n;
		if (*form == '\'')
			buf_putc(b, '"');
		else if (*form)
			put_place(b, *++form, &at);
		form += *form != '\0';
	}
	va_end(at);
}

void
json_put_form(struct buf *b, const char *form, ...)
{
	va_list args;

	va_start(args, form);
	json_put_vform(b, form, args);
	va_end(args);
}

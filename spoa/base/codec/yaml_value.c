/* The values of a tree's scalars, and the list of errors found in one. Separate from yaml.c
 * because libyaml is not needed here. The patterns are those of the core schema (YAML 1.2.2
 * 10.3.2). */
#include "base/codec/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/codec/utf8.h"
#include "base/scoped.h"

void
diag_init(struct diag *d)
{
	d->errors = 0;
	buf_init(&d->text, DIAG_BYTES);
	buf_init(&d->files, DIAG_BYTES);
	buf_init(&d->rotating, DIAG_BYTES);
}

void
diag_free(struct diag *d)
{
	buf_free(&d->text);
	buf_free(&d->files);
	buf_free(&d->rotating);
	d->errors = 0;
}

void
diag_reads(struct diag *d, const char *file)
{
	buf_put(&d->files, file, strlen(file) + 1);
}

void
diag_rotates(struct diag *d, const char *file)
{
	diag_reads(d, file);
	buf_put(&d->rotating, file, strlen(file) + 1);
}

bool
diag_names(struct span files, struct span file)
{
	while (files.n)
		if (span_eq(span_next(&files, '\0'), file))
			return true;
	return false;
}

void
diag_at(struct diag *d, const struct yaml_node *n, const char *fmt, ...)
{
	char text[1024 + 128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->errors++;
	buf_printf(&d->text, "%s:%u:%u: ", n->file ? n->file : "-", n->line, n->column);
	/* One error is one line, whatever a quoted scalar contains. */
	for (const char *p = text; *p; p++)
		buf_putc(&d->text, (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p);
	buf_putc(&d->text, '\n');
}

/* ---- order ---- */

struct diag_entry {
	struct span line; /* includes its newline */
	struct span file;
	size_t file_rank, index;
	uint64_t row, column;
};

/* Removes ":number" from the end of *s. Returns the number. */
static uint64_t
cut_number(struct span *s)
{
	uint64_t v = 0;
	size_t at = span_behind(*s, ':');

	if (at == 0 || span_u64(span_cut(*s, at, s->n), &v) != 0)
		return 0;
	*s = span_cut(*s, 0, at - 1);
	return v;
}

static int
by_position(const void *x, const void *y)
{
	const struct diag_entry *a = x, *b = y;
	const uint64_t ka[] = { a->file_rank, a->row, a->column, a->index };
	const uint64_t kb[] = { b->file_rank, b->row, b->column, b->index };

	for (size_t i = 0; i < 4; i++)
		if (ka[i] != kb[i])
			return ka[i] < kb[i] ? -1 : 1;
	return 0;
}

void
diag_sort(struct diag *d)
{
	struct span rest = buf_view(&d->text);
	size_t n = 0, max = 0;

	for (size_t i = 0; i < rest.n; i++)
		max += rest.p[i] == '\n';
	struct diag_entry *v = calloc(max + 1, sizeof(*v));
	if (!v)
		return; /* the unsorted list is still correct */
	while (rest.n && n < max) {
		struct diag_entry *e = &v[n];
		size_t len = span_chr(rest, '\n') + 1;
		e->line = span_cut(rest, 0, len);
		e->file = span_cut(rest, 0, len);
		const char *colon = memmem(rest.p, len, ": ", 2);
		if (colon)
			e->file.n = (size_t)(colon - rest.p);
		e->column = cut_number(&e->file);
		e->row = cut_number(&e->file);
		e->index = e->file_rank = n;
		for (size_t i = 0; i < n && e->file_rank == n; i++)
			if (span_eq(v[i].file, e->file))
				e->file_rank = v[i].file_rank;
		rest = span_cut(rest, len, rest.n);
		n++;
	}
	qsort(v, n, sizeof(*v), by_position);
	SCOPED_BUF(sorted, DIAG_BYTES);
	for (size_t i = 0; i < n; i++)
		buf_span(&sorted, v[i].line);
	buf_span(&sorted, rest); /* a last line without a line end */
	if (!buf_failed(&sorted)) {
		buf_clear(&d->text);
		buf_move(&d->text, &sorted);
	}
	free(v);
}

/* Returns the source column of character `column` of the text, or 0 if it cannot be determined:
 * several lines, escapes in a double-quoted scalar, a block, an alias. */
static unsigned
source_column(const struct yaml_node *n, unsigned column)
{
	unsigned chars = (unsigned)utf8_count(n->s), before = 0, quotes = 0;

	if (n->width == 0 || column == 0 || column > chars + 1)
		return 0;
	switch (n->style) {
	case YAML_PLAIN: return n->width == chars ? n->column + column - 1 : 0;
	case YAML_DOUBLE: return n->width == chars + 2 ? n->column + column : 0;
	case YAML_SINGLE: break;
	default: return 0;
	}
	/* As in 'it''s': every quote of the text occurs twice in the source. */
	for (size_t i = 0; i < n->s.n; i++) {
		before += ((unsigned char)n->s.p[i] & 0xc0) != 0x80;
		if (before >= column)
			break;
		quotes += n->s.p[i] == '\'';
	}
	return n->column + column + quotes;
}

void
diag_within(struct diag *d, const struct yaml_node *n, unsigned line, unsigned column,
	const char *fmt, ...)
{
	struct yaml_node pos = *n;
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	unsigned at = line == 1 ? source_column(n, column) : 0;
	if (at) {
		pos.column = at;
		diag_at(d, &pos, "%s", text);
	} else {
		diag_at(d, n, "%s (line %u, column %u of this text)", text, line, column);
	}
}

/* Returns true for a scalar without quotes, which may be a number, bool or null. */
static bool
is_plain_scalar(const struct yaml_node *n)
{
	return n->kind == YAML_SCALAR && !n->quoted;
}

bool
yaml_is_null(const struct yaml_node *n)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

	return is_plain_scalar(n) && SPAN_IN(n->s, nulls);
}

bool
yaml_bool(const struct yaml_node *n, bool *out)
{
	static const char *const yes[] = { "true", "True", "TRUE" };
	static const char *const no[] = { "false", "False", "FALSE" };
	bool is_yes = is_plain_scalar(n) && SPAN_IN(n->s, yes);

	if (!is_yes && !(is_plain_scalar(n) && SPAN_IN(n->s, no)))
		return false;
	*out = is_yes;
	return true;
}

/* int = [-+]? [0-9]+ | "0o" [0-7]+ | "0x" [0-9a-fA-F]+ */
bool
yaml_int(const struct yaml_node *n, int64_t *out)
{
	if (!is_plain_scalar(n) || n->s.n == 0)
		return false;
	const char *p = n->s.p, *digits = "0123456789";
	int base = 10;
	if (span_starts(n->s, SPAN_LIT("0o"))) {
		base = 8;
		digits = "01234567";
	} else if (span_starts(n->s, SPAN_LIT("0x"))) {
		base = 16;
		digits = "0123456789abcdefABCDEF";
	}
	if (base != 10)
		p += 2;
	else if (*p == '-' || *p == '+')
		p++;
	if (*p == 0 || strspn(p, digits) != strlen(p))
		return false;
	errno = 0;
	long long v = strtoll(base == 10 ? n->s.p : p, NULL, base);
	if (errno)
		return false;
	*out = v;
	return true;
}

/* float = [-+]? ( "." [0-9]+ | [0-9]+ ( "." [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
 *       | [-+]? ".inf" | ".nan" */
bool
yaml_double(const struct yaml_node *n, double *out)
{
	static const char *const inf[] = { ".inf", ".Inf", ".INF" };
	static const char *const nan_[] = { ".nan", ".NaN", ".NAN" };
	int64_t i;

	if (!is_plain_scalar(n) || n->s.n == 0)
		return false;
	if (yaml_int(n, &i)) {
		*out = (double)i;
		return true;
	}
	bool minus = n->s.p[0] == '-';
	if (SPAN_IN(span_cut(n->s, minus || n->s.p[0] == '+', n->s.n), inf)) {
		*out = minus ? -INFINITY : INFINITY;
		return true;
	}
	if (SPAN_IN(n->s, nan_)) {
		*out = NAN;
		return true;
	}
	char *end;
	double v = strtod(n->s.p, &end);
	/* strtod() also accepts 0x10 and "inf", which are not YAML numbers. */
	if (*end || span_past(n->s, 0, is_number_char) < n->s.n)
		return false;
	*out = v;
	return true;
}

const char *
yaml_found(const struct yaml_node *n)
{
	return n->kind == YAML_SCALAR && n->s.n ? n->s.p : yaml_type_name(n);
}

const char *
yaml_type_name(const struct yaml_node *n)
{
	bool b;
	double v;

	if (n->kind == YAML_SEQUENCE)
		return "a list";
	if (n->kind == YAML_MAPPING)
		return "a mapping";
	if (yaml_is_null(n))
		return "nothing";
	if (yaml_bool(n, &b))
		return "true or false";
	if (yaml_double(n, &v))
		return "a number";
	return "a string";
}

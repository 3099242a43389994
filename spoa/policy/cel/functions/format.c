/* string.format (cel-spec, extensions/strings): %s %d %f %e %b %o %x %X %%, with
 * a precision for %f and %e. The text grows in the evaluation's memory. */
#include "policy/cel/functions/format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/utf8.h"
#include "policy/cel/number.h"
#include "policy/cel/value.h"

#define PRECISION_MAX 100
#define DEPTH_MAX     300

struct text {
	struct cel_ctx *c;
	struct cel_value *out; /* becomes an error where something fails */
	char *p;
	size_t n, size;
	bool failed;
};

static void
put_formatted(struct text *t, const char *p, size_t n)
{
	if (t->failed || !n)
		return;
	if (n > t->size - t->n) {
		size_t size = (t->n + n) * 2;
		char *grown =
			cel_charge(t->c, n / 16, t->out) ? cel_take(t->c, size, t->out) : NULL;
		if (!grown) {
			t->failed = true;
			return;
		}
		if (t->n)
			memcpy(grown, t->p, t->n);
		t->p = grown;
		t->size = size;
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void
put_str(struct text *t, const char *s)
{
	put_formatted(t, s, strlen(s));
}

static void
fail_format(struct text *t, const char *why)
{
	if (!t->failed)
		cel_raise_lit(t->out, why);
	t->failed = true;
}

/* --- %s --- */

static void put_format_value(struct text *t, const struct cel_value *v, unsigned depth);

struct key {
	struct span text;
	const struct cel_value *value;
};

static int
format_by_text(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	struct cel_value vx = cel_string(x->text), vy = cel_string(y->text);

	return cel_order(&vx, &vy);
}

/* Maps in the order of their keys' text. */
static void
put_map(struct text *t, const struct cel_value *v, unsigned depth)
{
	struct key *keys = cel_charge(t->c, v->list.n * 8, t->out)
				   ? cel_take(t->c, v->list.n * sizeof(*keys), t->out)
				   : NULL;

	if (!keys) {
		t->failed = true;
		return;
	}
	for (size_t i = 0; i < v->list.n; i++) {
		struct text one = { .c = t->c, .out = t->out };
		put_format_value(&one, &v->list.v[2 * i], depth + 1);
		t->failed |= one.failed;
		keys[i] = (struct key){ { one.p, one.n }, &v->list.v[2 * i + 1] };
	}
	qsort(keys, v->list.n, sizeof(*keys), format_by_text);
	put_str(t, "{");
	for (size_t i = 0; i < v->list.n; i++) {
		put_str(t, i ? ", " : "");
		put_formatted(t, keys[i].text.p, keys[i].text.n);
		put_str(t, ": ");
		put_format_value(t, keys[i].value, depth + 1);
	}
	put_str(t, "}");
}

static void
put_format_value(struct text *t, const struct cel_value *v, unsigned depth)
{
	char text[CEL_TEXT];

	if (t->failed)
		return;
	if (depth > DEPTH_MAX || !cel_charge(t->c, 1, t->out)) {
		fail_format(t, "format(): nested too deeply");
		return;
	}
	switch (v->type) {
	case CEL_STRING:
	case CEL_TYPE: put_formatted(t, v->s.p, v->s.n); break;
	case CEL_BYTES:
		if (!utf8_valid(v->s))
			fail_format(t, "format(): the bytes are not UTF-8");
		put_formatted(t, v->s.p, v->s.n);
		break;
	case CEL_LIST:
		put_str(t, "[");
		for (size_t i = 0; i < v->list.n && !t->failed; i++) {
			put_str(t, i ? ", " : "");
			put_format_value(t, &v->list.v[i], depth + 1);
		}
		put_str(t, "]");
		break;
	case CEL_MAP: put_map(t, v, depth); break;
	case CEL_DYN:
	case CEL_ERROR: fail_format(t, "format(): not a value"); break;
	default: put_formatted(t, text, cel_write(v, text));
	}
}

/* --- numbers --- */

static void
put_radix(struct text *t, const struct cel_value *v, unsigned shift, bool upper)
{
	char text[65], *p = text + sizeof(text);
	bool negative = v->type == CEL_INT && v->i < 0;
	uint64_t u = negative ? 0 - v->u : v->u; /* the bits are there for an int too */

	if (v->type != CEL_INT && v->type != CEL_UINT) {
		fail_format(t, "format(): an integer is due");
		return;
	}
	do {
		*--p = (upper ? "0123456789ABCDEF"
			      : "0123456789abcdef")[u & ((1u << shift) - 1)];
		u >>= shift;
	} while (u);
	if (negative)
		put_str(t, "-");
	put_formatted(t, p, (size_t)(text + sizeof(text) - p));
}

static void
put_hex(struct text *t, const struct cel_value *v, bool upper)
{
	char two[3];

	if (v->type != CEL_STRING && v->type != CEL_BYTES) {
		put_radix(t, v, 4, upper);
		return;
	}
	for (size_t i = 0; i < v->s.n && !t->failed; i++) {
		snprintf(two, sizeof(two), upper ? "%02X" : "%02x", (unsigned char)v->s.p[i]);
		put_formatted(t, two, 2);
	}
}

/* %f and %e */
static void
put_double(struct text *t, const struct cel_value *v, int precision, bool exponent)
{
	char text[480];
	double d = cel_as_double(v);

	if (!cel_is_number(v->type)) {
		fail_format(t, "format(): a number is due");
		return;
	}
	if (!isfinite(d)) {
		put_formatted(t, text, cel_double_write(d, text));
		return;
	}
	precision = precision < 0 ? 6 : precision;
	int n = exponent ? snprintf(text, sizeof(text), "%.*e", precision, d)
			 : snprintf(text, sizeof(text), "%.*f", precision, d);
	put_formatted(t, text, (size_t)n);
}

static void
put_clause(struct text *t, char verb, int precision, const struct cel_value *v)
{
	switch (verb) {
	case 's': put_format_value(t, v, 0); break;
	case 'd':
		if (v->type == CEL_INT || v->type == CEL_UINT ||
			(v->type == CEL_DOUBLE && !isfinite(v->d)))
			put_format_value(t, v, 0);
		else
			fail_format(t, "format(): %d needs an integer");
		break;
	case 'f':
	case 'e': put_double(t, v, precision, verb == 'e'); break;
	case 'o': put_radix(t, v, 3, false); break;
	case 'x':
	case 'X': put_hex(t, v, verb == 'X'); break;
	case 'b':
		if (v->type == CEL_BOOL)
			put_str(t, v->b ? "1" : "0");
		else
			put_radix(t, v, 1, false);
		break;
	default: fail_format(t, "format(): no such clause");
	}
}

void
cel_format(CEL_ARGS)
{
	struct span f = v[0].s;
	struct text t = { .c = c, .out = out };
	size_t used = 0;

	for (size_t at = 0; at < f.n && !t.failed;) {
		size_t run = span_chr(span_cut(f, at, f.n), '%');
		put_formatted(&t, f.p + at, run);
		at += run;
		if (at == f.n)
			break;
		int precision = -1;
		if (++at < f.n && f.p[at] == '%') {
			put_str(&t, "%");
			at++;
			continue;
		}
		if (at < f.n && f.p[at] == '.')
			for (at++, precision = 0;
				at < f.n && is_digit(f.p[at]) && precision <= PRECISION_MAX;
				at++)
				precision = precision * 10 + (f.p[at] - '0');
		if (precision > PRECISION_MAX)
			fail_format(&t, "format(): the precision is over 100");
		else if (at == f.n)
			fail_format(&t, "format(): a % at the end");
		else if (used == v[1].list.n)
			fail_format(&t, "format(): too few arguments");
		else
			put_clause(&t, f.p[at++], precision, &v[1].list.v[used++]);
	}
	if (!t.failed)
		*out = cel_string(span_of(t.p ? t.p : "", t.n));
}

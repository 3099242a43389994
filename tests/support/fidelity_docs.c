/* The generator of fidelity_docs.h: a reader of values.txt and of templates, the shapes of
 * values, and their check digits. It is separate because the measurement does not need to know
 * how values are generated. */
#include "support/fidelity_docs.h"

#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/sha256.h"

#define FOLDER "tests/data/fidelity"

enum { VALUE_MOST = 2048, NAMED_MOST = 64, LISTS_MOST = 64, SHAPE_TRIES = 4000 };

/* A row of values.txt. */
struct value_row {
	unsigned entity;
	char *labels; /* "a|b"; NULL: the value is found without a label */
	char *shape, *check;
};

/* A value or a label to which a template refers by a name. */
struct named {
	char name[32];
	const struct value_row *row;
	struct span label; /* one of the row's labels */
	char *text;	   /* NULL: the name stands only for the row */
};

static struct {
	bool loaded;
	char *entities[DOCS_VALUES_MAX];
	size_t nentities;
	struct value_row rows[DOCS_VALUES_MAX];
	size_t nrows;
	struct {
		char *name, *words; /* "a|b" */
	} lists[LISTS_MOST];
	size_t nlists;
	struct {
		char *name, *text;
	} kinds[DOCS_KINDS_MAX];
	size_t nkinds;
} docs;

/* The state while one document is made. */
struct making {
	uint64_t random;
	struct docs_document *d;
	struct named named[NAMED_MOST];
	size_t n;
	const char *kind;
};

__attribute__((format(printf, 1, 2))) static _Noreturn void
mistake(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("fidelity: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(2);
}

uint64_t
docs_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static size_t
random_below(struct making *m, size_t n)
{
	return n ? (size_t)(docs_random(&m->random) % n) : 0;
}

/* ---- reading the folder ---- */

static char *
file_text(const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), FOLDER "/%s", name);
	FILE *f = fopen(path, "rb");
	char *text = NULL;
	size_t n = 0;

	if (!f || getdelim(&text, &n, '\0', f) < 0)
		mistake("%s cannot be read", path);
	fclose(f);
	return text;
}

static char *
trimmed(char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	for (size_t n = strlen(s); n && strchr(" \t", s[n - 1]);)
		s[--n] = '\0';
	return s;
}

static unsigned
entity_index(char *name)
{
	size_t i = 0;

	while (i < docs.nentities && strcmp(docs.entities[i], name) != 0)
		i++;
	if (i == docs.nentities)
		docs.entities[docs.nentities++] = name;
	return (unsigned)i;
}

/* line = "list" name "=" word { "|" word }
 *      | entity "  " labels "  " shape [ "  " check ]     columns are separated by two or more
 * spaces */
static void
read_value_line(char *line)
{
	char *column[4] = { NULL, NULL, NULL, NULL };
	size_t n = 0;

	if (!strncmp(line, "list ", 5)) {
		char *equals = strstr(line, " = ");
		if (!equals || docs.nlists == LISTS_MOST)
			mistake("values.txt: %s", line);
		*equals = '\0';
		docs.lists[docs.nlists].name = trimmed(line + 5);
		docs.lists[docs.nlists++].words = trimmed(equals + 3);
		return;
	}
	for (char *at = line; at && n < 4;) {
		char *gap = strstr(at, "  ");
		if (gap)
			*gap++ = '\0';
		column[n++] = at;
		at = gap ? trimmed(gap) : NULL;
	}
	if (n < 3 || docs.nrows == DOCS_VALUES_MAX)
		mistake("values.txt: %s", line);
	docs.rows[docs.nrows++] = (struct value_row){ .entity = entity_index(column[0]),
		.labels = strcmp(column[1], "-") != 0 ? column[1] : NULL,
		.shape = column[2],
		.check = column[3] };
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
load(void)
{
	struct dirent **files;
	char *save = NULL;

	if (docs.loaded)
		return;
	docs.loaded = true;
	for (char *l = strtok_r(file_text("values.txt"), "\n", &save); l;
		l = strtok_r(NULL, "\n", &save))
		if (*l != '#' && *l)
			read_value_line(l);
	int n = scandir(FOLDER, &files, NULL, by_name);
	for (int i = 0; i < n; i++) {
		char *dot = strstr(files[i]->d_name, ".txt");
		if (dot && strcmp(files[i]->d_name, "values.txt") != 0) {
			if (docs.nkinds == DOCS_KINDS_MAX)
				mistake("more than %d kinds", DOCS_KINDS_MAX);
			docs.kinds[docs.nkinds].text = file_text(files[i]->d_name);
			*dot = '\0';
			docs.kinds[docs.nkinds++].name = strdup(files[i]->d_name);
		}
		free(files[i]);
	}
	free(files);
}

size_t
docs_kinds(void)
{
	load();
	return docs.nkinds;
}

const char *
docs_kind(size_t kind)
{
	load();
	return docs.kinds[kind].name;
}

size_t
docs_entities(void)
{
	load();
	return docs.nentities;
}

const char *
docs_entity(size_t entity)
{
	load();
	return docs.entities[entity];
}

/* ---- shapes ---- */

/* Returns one of the alternatives of "a|b|c", which ends at `end`. Brackets within are
 * respected. */
static struct span
alternative(struct making *m, const char *from, const char *end)
{
	struct span found = { NULL, 0 };
	size_t n = 0, depth = 0;

	/* The nth alternative replaces the previous choice with a probability of 1 in n. */
	for (const char *p = from, *begin = from; p <= end; p++) {
		if (p < end && (*p != '|' || depth)) {
			depth += *p == '(';
			depth -= *p == ')';
			continue;
		}
		if (!random_below(m, ++n))
			found = span_of(begin, (size_t)(p - begin));
		begin = p + 1;
	}
	return found;
}

static struct span
list_word(struct making *m, struct span name)
{
	for (size_t i = 0; i < docs.nlists; i++)
		if (span_is(name, docs.lists[i].name))
			return alternative(m, docs.lists[i].words,
				docs.lists[i].words + strlen(docs.lists[i].words));
	mistake("%s: no list %.*s", m->kind, SPAN_ARG(name));
}

/* Returns a character of the set that begins after `[`. */
static char
set_character(struct making *m, const char *p, const char *end)
{
	char all[256];
	size_t n = 0;

	for (; p < end && n < sizeof(all); p++)
		if (p + 2 < end && p[1] == '-') {
			for (int c = p[0]; c <= p[2] && n < sizeof(all); c++)
				all[n++] = (char)c;
			p += 2;
		} else {
			all[n++] = *p;
		}
	return all[random_below(m, n)];
}

/* Reads "{3}" or "{3-5}" at *p and moves *p after it. Without it, returns 1. */
static size_t
repetition(struct making *m, const char **p)
{
	char *end;

	if (**p != '{')
		return 1;
	size_t least = strtoul(*p + 1, &end, 10), most = least;
	if (*end == '-')
		most = strtoul(end + 1, &end, 10);
	*p = end + 1;
	return least + random_below(m, most - least + 1);
}

/* shape = { ( "[" set "]" | "(" shape { "|" shape } ")" | "<" list ">" | "\" any | any )
 *           [ "{" number [ "-" number ] "}" ] }      alternatives hold no parentheses */
static void
put_shape(struct making *m, struct span shape, struct buf *out)
{
	const char *p = shape.p, *end = shape.p + shape.n;

	while (p < end) {
		const char *from = p + 1, *close = p;
		char kind = *p;
		if (kind == '[' || kind == '(' || kind == '<') {
			close = memchr(from,
				kind == '['   ? ']'
				: kind == '(' ? ')'
					      : '>',
				(size_t)(end - from));
			if (!close)
				mistake("values.txt: %.*s", SPAN_ARG(shape));
		} else if (kind == '\\') {
			close = from;
		}
		p = close + 1;
		for (size_t n = p < end ? repetition(m, &p) : 1; n; n--)
			if (kind == '[')
				buf_putc(out, set_character(m, from, close));
			else if (kind == '(')
				put_shape(m, alternative(m, from, close), out);
			else if (kind == '<')
				put_shape(m,
					list_word(m, span_of(from, (size_t)(close - from))),
					out);
			else
				buf_putc(out, *close);
	}
}

/* ---- check digits ---- */

static size_t
digits_of(const char *s, unsigned char *out, size_t most)
{
	size_t n = 0;

	for (; *s; s++)
		if (isdigit((unsigned char)*s) && n < most)
			out[n++] = (unsigned char)(*s - '0');
	return n;
}

static bool
luhn_holds(const char *s, unsigned plus)
{
	unsigned char d[64];
	unsigned sum = plus;
	size_t n = digits_of(s, d, sizeof(d));

	for (size_t i = 0; i < n; i++) {
		unsigned x = d[n - 1 - i] * (i % 2 ? 2u : 1u);
		sum += x > 9 ? x - 9 : x;
	}
	return sum % 10 == 0;
}

/* Checks "sum 1,3,7%11=0": the weights of the digits, the modulus and the remainder. */
static bool
sum_holds(const char *s, const char *rule)
{
	unsigned char d[64];
	size_t n = digits_of(s, d, sizeof(d));
	long sum = 0;
	char *at = (char *)rule;

	for (size_t i = 0; i < n; i++) {
		sum += d[i] * strtol(at, &at, 10);
		at += *at == ',';
	}
	long modulus = strtol(at + 1, &at, 10), rest = strtol(at + 1, NULL, 10);
	return ((sum % modulus) + modulus) % modulus == rest;
}

/* ISO 7064 mod 97-10 as used by ISO 13616: the first four characters are moved to the end. */
static bool
iban_holds(const char *s)
{
	char compact[64];
	size_t n = 0;
	unsigned rest = 0;

	for (; *s && n + 1 < sizeof(compact); s++)
		if (isalnum((unsigned char)*s))
			compact[n++] = *s;
	for (size_t i = 0; i < n; i++) {
		char c = compact[(i + 4) % n];
		unsigned v = isdigit((unsigned char)c) ? (unsigned)(c - '0')
						       : (unsigned)(c - 'A') + 10;
		rest = (rest * (v > 9 ? 100 : 10) + v) % 97;
	}
	return rest == 1;
}

/* ISO 3779 annex and 49 CFR 565: the ninth character is the check digit. */
static bool
vin_holds(const char *s)
{
	static const char digits[] = "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ";
	static const int weights[] = { 8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2 };
	int sum = 0;

	for (size_t i = 0; i < 17; i++)
		sum += (int)((strchr(digits, s[i]) - digits) % 10) * weights[i];
	return s[8] == (sum % 11 == 10 ? 'X' : '0' + sum % 11);
}

static bool
dea_holds(const char *s)
{
	unsigned char d[8];

	if (digits_of(s, d, sizeof(d)) != 7)
		return false;
	return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6];
}

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char base64url[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Sets the last six characters to the CRC-32 of those between the prefix and them. */
static void
set_crc62(char *s)
{
	char *from = strchr(s, '_') + 1;
	size_t n = strlen(from) - 6;
	unsigned long crc = crc32(0, (const unsigned char *)from, (unsigned)n);

	for (size_t i = 6; i; i--, crc /= 62)
		from[n + i - 1] = base62[crc % 62];
}

static void
put_base64url(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.n; i += 3) {
		unsigned v = 0;
		size_t have = s.n - i < 3 ? s.n - i : 3;
		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (k < have ? (unsigned char)s.p[i + k] : 0u);
		for (size_t k = 0; k <= have; k++)
			buf_putc(out, base64url[v >> (18 - 6 * k) & 63]);
	}
}

/* RFC 7515 section 7.1: a header, claims, and 32 or 64 random bytes. */
static void
put_jwt(struct making *m, struct buf *out)
{
	static const char *const headers[] = { "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
		"{\"alg\":\"RS256\",\"kid\":\"a1\"}", "{\"typ\":\"JWT\",\"alg\":\"ES256\"}" };
	char claims[128], signature[64];
	size_t n = random_below(m, 2) ? 32 : 64;

	put_base64url(out, span_str(headers[random_below(m, 3)]));
	buf_putc(out, '.');
	snprintf(claims, sizeof(claims), "{\"sub\":\"%u\",\"exp\":%u,\"scope\":\"read\"}",
		(unsigned)random_below(m, 900000) + 100000,
		(unsigned)random_below(m, 90000000) + 1700000000);
	put_base64url(out, span_str(claims));
	buf_putc(out, '.');
	for (size_t i = 0; i < n; i++)
		signature[i] = (char)docs_random(&m->random);
	put_base64url(out, span_of(signature, n));
}

/* Base58Check of a version byte, 20 random bytes and the first four of a double SHA-256. */
static void
put_bitcoin(struct making *m, struct buf *out)
{
	static const char base58[] =
		"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
	unsigned char raw[25] = { 0 }, once[SHA256_BYTES], twice[SHA256_BYTES];
	char text[40];
	size_t n = 0;

	for (size_t i = 1; i < 21; i++)
		raw[i] = (unsigned char)docs_random(&m->random);
	raw[1] |= 1; /* one leading zero byte, the version, and no other */
	sha256(span_of((char *)raw, 21), once);
	sha256(span_of((char *)once, sizeof(once)), twice);
	memcpy(raw + 21, twice, 4);
	for (bool any = true; any;) {
		unsigned rest = 0;
		any = false;
		for (size_t i = 0; i < sizeof(raw); i++) {
			rest = rest << 8 | raw[i];
			raw[i] = (unsigned char)(rest / 58);
			rest %= 58;
			any |= raw[i] != 0;
		}
		text[n++] = base58[rest];
	}
	buf_putc(out, '1');
	while (n)
		buf_putc(out, text[--n]);
}

static bool
check_holds(const char *check, char *s)
{
	if (!check)
		return true;
	if (!strcmp(check, "luhn"))
		return luhn_holds(s, 0);
	if (!strcmp(check, "npi"))
		return luhn_holds(s, 24);
	if (!strncmp(check, "sum ", 4))
		return sum_holds(s, check + 4);
	if (!strcmp(check, "iban"))
		return iban_holds(s);
	if (!strcmp(check, "vin"))
		return vin_holds(s);
	if (!strcmp(check, "dea"))
		return dea_holds(s);
	if (!strcmp(check, "crc62"))
		return set_crc62(s), true;
	mistake("values.txt: no check %s", check);
}

/* Returns a new value of the row, NUL-terminated, which the caller frees. */
static char *
value_of(struct making *m, const struct value_row *row)
{
	struct buf b;
	bool holds = false;

	buf_init(&b, VALUE_MOST);
	for (size_t i = 0; !holds; i++) {
		if (i == SHAPE_TRIES)
			mistake("values.txt: %s: no value passes %s", row->shape, row->check);
		buf_clear(&b);
		if (row->check && !strcmp(row->check, "jwt"))
			put_jwt(m, &b);
		else if (row->check && !strcmp(row->check, "bitcoin"))
			put_bitcoin(m, &b);
		else
			put_shape(m, span_str(row->shape), &b);
		buf_putc(&b, '\0');
		holds = !strcmp(row->shape, "-") || check_holds(row->check, b.p);
	}
	char *s = strdup(b.p);
	buf_free(&b);
	return s;
}

/* Appends the same number in another common spelling: with other separators, or without. */
static void
put_respelled(struct buf *out, const char *s)
{
	bool paren = *s == '(', dash = strchr(s, '-') != NULL;

	for (; *s; s++)
		if (paren && strchr("() ", *s)) {
			if (*s == ' ')
				buf_putc(out, '-');
		} else if (*s == ' ' || *s == '-') {
			if (!dash)
				buf_putc(out, '-');
			else
				buf_putc(out, paren ? '-' : ' ');
		} else {
			buf_putc(out, *s);
		}
}

/* ---- templates ---- */

static const struct value_row *
row_of(struct making *m, struct span entity)
{
	const struct value_row *fit[DOCS_VALUES_MAX];
	size_t n = 0;
	bool any = span_is(entity, "ANY"), secret = span_is(entity, "SECRET"),
	     labelled = span_is(entity, "FIELD");

	for (size_t i = 0; i < docs.nrows; i++) {
		const struct value_row *r = &docs.rows[i];
		const char *name = docs.entities[r->entity];
		bool is_secret =
			strstr(name, "KEY") || strstr(name, "TOKEN") || strstr(name, "JWT");
		if (any		   ? !r->labels
			: secret   ? !r->labels && is_secret
			: labelled ? r->labels != NULL
				   : span_is(entity, name) && !r->labels)
			fit[n++] = r;
	}
	if (!n)
		mistake("%s: nothing in values.txt for {{%.*s}}", m->kind, SPAN_ARG(entity));
	return fit[random_below(m, n)];
}

static struct named *
named_of(struct making *m, struct span name, struct span entity)
{
	for (size_t i = 0; i < m->n; i++)
		if (span_is(name, m->named[i].name))
			return &m->named[i];
	if (m->n == NAMED_MOST || name.n >= sizeof(m->named[0].name))
		mistake("%s: too many names", m->kind);
	struct named *k = &m->named[m->n++];
	snprintf(k->name, sizeof(k->name), "%.*s", SPAN_ARG(name));
	k->row = row_of(m, entity);
	k->text = NULL;
	k->label = k->row->labels ? alternative(m, k->row->labels,
					    k->row->labels + strlen(k->row->labels))
				  : SPAN_LIT("");
	return k;
}

static void
put_value(struct making *m, const struct value_row *row, const char *text, bool respelled)
{
	struct docs_document *d = m->d;
	struct docs_label *l = &d->labels[d->n];

	if (d->n == DOCS_LABELS_MAX)
		mistake("%s: more than %d values", m->kind, DOCS_LABELS_MAX);
	*l = (struct docs_label){ .start = d->text.n, .entity = row->entity };
	if (respelled)
		put_respelled(&d->text, text);
	else
		buf_str(&d->text, text);
	l->end = d->text.n;
	d->n++;
}

/* Appends the label of a field: "passport number" in the style that `how` names, which is one
 * of label, Label, label_, LABEL_, labelC. */
static void
put_label(struct making *m, struct span how, struct span label)
{
	bool up = span_is(how, "LABEL_"), title = span_is(how, "Label"),
	     camel = span_is(how, "labelC"), snake = up || span_is(how, "label_");

	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];
		bool begins = !i || label.p[i - 1] == ' ';
		if (c == ' ' && camel)
			continue;
		if (c == ' ' && snake)
			c = '_';
		if (up || (begins && (title || (camel && i))))
			c = (char)toupper((unsigned char)c);
		buf_putc(&m->d->text, c);
	}
}

static void
put_filler(struct making *m, struct span what, struct span arg)
{
	struct buf *out = &m->d->text;
	char number[16];
	size_t n = strtoul(
		span_is(what, "num") || span_is(what, "hex")
			? (snprintf(number, sizeof(number), "%.*s", SPAN_ARG(arg)), number)
			: "0",
		NULL, 10);

	if (span_is(what, "pick"))
		put_shape(m, alternative(m, arg.p, arg.p + arg.n), out);
	else if (span_is(what, "num"))
		for (size_t i = 0; i < n; i++)
			buf_putc(out,
				(char)('0' + (i ? 0 : 1) + (char)random_below(m, i ? 10 : 9)));
	else if (span_is(what, "hex"))
		for (size_t i = 0; i < n; i++)
			buf_putc(out, "0123456789abcdef"[random_below(m, 16)]);
	else if (span_is(what, "esc"))
		buf_putc(out, '\x1b');
	else if (span_is(what, "cr"))
		buf_putc(out, '\r');
	else if (span_is(what, "tab"))
		buf_putc(out, '\t');
	else
		put_shape(m, list_word(m, what), out);
}

/* slot = label " " name | "value " name | ENTITY [ ":" name [ "~" ] ] | filler [ " " argument ]
 */
static void
put_slot(struct making *m, struct span slot)
{
	struct span arg = slot, what = span_next(&arg, ' ');

	if (!strncasecmp(what.p, "label", 5)) {
		put_label(m, what, named_of(m, arg, SPAN_LIT("FIELD"))->label);
		return;
	}
	if (span_is(what, "value")) {
		const struct value_row *row = named_of(m, arg, SPAN_LIT("FIELD"))->row;
		char *text = value_of(m, row);
		put_value(m, row, text, false);
		free(text);
		return;
	}
	if (!isupper((unsigned char)slot.p[0])) {
		put_filler(m, what, arg);
		return;
	}
	struct span name = slot, entity = span_next(&name, ':');
	if (!name.n) {
		const struct value_row *row = row_of(m, entity);
		char *text = value_of(m, row);
		put_value(m, row, text, false);
		free(text);
		return;
	}
	bool respelled = name.p[name.n - 1] == '~';
	name.n -= respelled;
	struct named *k = named_of(m, name, entity);
	if (!k->text)
		k->text = value_of(m, k->row);
	put_value(m, k->row, k->text, respelled);
}

/* Appends the text between `from` and `end` with its slots filled. A line {{rows 2-5}} repeats
 * what follows up to a line {{end}}. */
static void
put_text(struct making *m, const char *from, const char *end)
{
	while (from < end) {
		const char *open = memmem(from, (size_t)(end - from), "{{", 2);
		buf_span(&m->d->text, span_of(from, (size_t)((open ? open : end) - from)));
		if (!open)
			return;
		const char *close = memmem(open, (size_t)(end - open), "}}", 2);
		if (!close)
			mistake("%s: {{ without }}", m->kind);
		struct span slot = span_of(open + 2, (size_t)(close - open - 2));
		from = close + 2;
		if (slot.n < 5 || memcmp(slot.p, "rows ", 5) != 0) {
			put_slot(m, slot);
			continue;
		}
		char *most;
		size_t least = strtoul(slot.p + 5, &most, 10),
		       times = least +
			       (*most == '-' ? random_below(m,
						       strtoul(most + 1, NULL, 10) - least + 1)
					     : 0);
		const char *rows = from + 1, /* after the line's end */
			*last = memmem(rows, (size_t)(end - rows), "{{end}}\n", 8);
		if (!last)
			mistake("%s: {{rows}} without a line {{end}}", m->kind);
		while (times--)
			put_text(m, rows, last);
		from = last + 8;
	}
}

void
docs_make(size_t kind, uint64_t seed, struct docs_document *d)
{
	load();
	struct making m = { .random = seed, .d = d, .kind = docs.kinds[kind].name };
	const char *from = docs.kinds[kind].text, *next;
	size_t count = 0;

	if (!d->labels) {
		buf_init(&d->text, 0);
		d->labels = calloc(DOCS_LABELS_MAX, sizeof(*d->labels));
		if (!d->labels)
			abort();
	}
	buf_clear(&d->text);
	d->n = 0;
	/* The templates of a kind follow lines of "====". */
	for (const char *p = from; (p = strstr(p, "\n====\n")); p += 5)
		count++;
	for (size_t skip = random_below(&m, count) + 1; skip; skip--)
		from = strstr(from, "\n====\n") + 6;
	next = strstr(from - 1, "\n====\n");
	put_text(&m, from, next ? next + 1 : from + strlen(from));
	for (size_t i = 0; i < m.n; i++)
		free(m.named[i].text);
	if (buf_failed(&d->text))
		abort();
}

void
docs_document_free(struct docs_document *d)
{
	buf_free(&d->text);
	free(d->labels);
	d->labels = NULL;
}

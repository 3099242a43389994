/* Reads values of tollgate.yaml and policies, and reports errors that name the accepted values.
 * Both files use these functions, so durations, sizes and unknown keys are reported in the same
 * words. */
#include "policy/config/read.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/price/price.h"

/* ---- did you mean ---- */

enum { NAME_MAX_CHARS = 64, KEY_SHOWN = 24, CAP_LIST = 16384 };

/* Returns the number of edits between two words (Damerau-Levenshtein: insert, delete, replace,
 * swap neighbors). ASCII case is ignored. UINT32_MAX if a word is over NAME_MAX_CHARS. */
static unsigned
edit_distance(struct span x, const char *y)
{
	unsigned rows[3][NAME_MAX_CHARS + 1];
	size_t ny = strlen(y);

	if (x.n > NAME_MAX_CHARS || ny > NAME_MAX_CHARS)
		return UINT32_MAX;
	for (unsigned j = 0; j <= ny; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= x.n; i++) {
		unsigned *now = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= ny; j++) {
			bool same = (x.p[i - 1] | 0x20) == (y[j - 1] | 0x20);
			unsigned best = up[j - 1] + !same;
			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && x.p[i - 1] == y[j - 2] &&
				x.p[i - 2] == y[j - 1] && up2[j - 2] + 1 < best)
				best = up2[j - 2] + 1;
			now[j] = best;
		}
	}
	return rows[x.n % 3][ny];
}

struct nearest
nearest_to(struct span word)
{
	return (struct nearest){ .word = word, .distance = UINT32_MAX };
}

void
nearest_try(struct nearest *n, const char *name)
{
	unsigned d = edit_distance(n->word, name);

	if (d < n->distance) {
		n->distance = d;
		n->best = name;
	}
}

bool
nearest_is(struct nearest *n, const char *name)
{
	nearest_try(n, name);
	return span_is(n->word, name);
}

size_t
nearest_find(struct nearest *n, const void *elements, size_t count, size_t stride)
{
	size_t i = 0;
	const char *name;

	for (; i < count; i++) {
		memcpy(&name, (const char *)elements + i * stride, sizeof(name));
		if (nearest_is(n, name))
			break;
	}
	return i;
}

const char *
nearest_hint(struct nearest *n)
{
	/* one edit for three letters, at least one: "pi" is near pii, "emial" is near email */
	size_t allowed = n->word.n / 3 ? n->word.n / 3 : 1;

	n->hint[0] = 0;
	if (n->best && n->distance <= allowed && n->distance < n->word.n)
		snprintf(n->hint, sizeof(n->hint), ", did you mean %s?", n->best);
	return n->hint;
}

/* ---- structure ---- */

struct span
read_name(const struct yaml_node *n, const char *otherwise)
{
	return n->key ? n->key->s : span_str(otherwise);
}

bool
read_listed(const char *const *names, struct span word)
{
	for (; names && *names; names++)
		if (span_is(word, *names))
			return true;
	return false;
}

enum { NAMES_TEXT = 4096 };

/* Joins the names with commas. Returns "" if there are too many. */
static const char *
join_names(char out[NAMES_TEXT], const char *const *names)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; names[i] && n < NAMES_TEXT; i++)
		n += (size_t)snprintf(out + n, NAMES_TEXT - n, "%s%s", i ? ", " : "", names[i]);
	return n < NAMES_TEXT ? out : "";
}

static void
unknown_key(struct diag *d, const struct yaml_node *key, const char *const *accepted)
{
	struct nearest near = nearest_to(key->s);
	char names[NAMES_TEXT];

	for (const char *const *name = accepted; *name; name++)
		nearest_try(&near, *name);
	/* show only the beginning of the key: a file that is not a policy may contain a
	 * secret */
	struct span shown = span_cut(key->s, 0, utf8_begin(key->s, KEY_SHOWN));
	bool cut = key->s.n > KEY_SHOWN;
	/* YAML reads {tokens: 200,000} as two keys */
	bool number = shown.n && span_past(shown, 0, is_digit) == shown.n;
	diag_at(d, key, "%.*s%s: unknown key%s%s; accepted: %s", SPAN_ARG(shown),
		cut ? "..." : "", nearest_hint(&near),
		number ? " (write numbers without a comma: 200000, 1.25)" : "",
		join_names(names, accepted));
}

bool
read_map(struct diag *d, const struct yaml_node *n, const char *what,
	const char *const *accepted, const char *const *later)
{
	if (n->kind != YAML_MAPPING) {
		/* a word in the place of a mapping (`at_limit: MODEL`): list the keys */
		char names[NAMES_TEXT] = "";
		const char *list =
			n->kind == YAML_SCALAR && accepted ? join_names(names, accepted) : "";
		diag_at(d, n, "%.*s: a mapping is expected, found %s%s%s",
			SPAN_ARG(read_name(n, what)), yaml_type_name(n),
			*list ? "; accepted: " : "", list);
		return false;
	}
	for (const struct yaml_node *c = accepted ? n->child : NULL; c; c = c->next) {
		if (read_listed(accepted, c->key->s))
			continue;
		if (read_listed(later, c->key->s))
			diag_at(d, c->key, "%.*s: not supported by this version of tollgate",
				SPAN_ARG(c->key->s));
		else
			unknown_key(d, c->key, accepted);
	}
	return true;
}

bool
read_list(struct diag *d, const struct yaml_node *n, const char *what)
{
	if (n->kind == YAML_SEQUENCE && n->count > CAP_LIST)
		diag_at(d, n, "%.*s: more than %d entries", SPAN_ARG(read_name(n, what)),
			CAP_LIST);
	else if (n->kind == YAML_SEQUENCE)
		return true;
	else
		diag_at(d, n, "%.*s: a list is expected, found %s",
			SPAN_ARG(read_name(n, what)), yaml_type_name(n));
	return false;
}

const struct yaml_node *
read_needed(struct diag *d, const struct yaml_node *n, const struct yaml_node *at,
	const char *what, const char *key)
{
	const struct yaml_node *c = yaml_get(n, key);

	if (!c)
		diag_at(d, at, "%s%s%s is missing", what ? what : "", what ? ": " : "", key);
	return c;
}

void *
read_array(struct arena *a, struct diag *d, const struct yaml_node *at, size_t n, size_t size)
{
	void *p = arena_array(a, n, size);

	if (!p)
		diag_at(d, at, "out of memory");
	return p;
}

/* ---- scalars ---- */

bool
read_text(struct diag *d, const struct yaml_node *n, const char *what, const char **out)
{
	if (n->kind != YAML_SCALAR || yaml_is_null(n) || n->s.n == 0) {
		diag_at(d, n, "%.*s: a string is expected, found %s",
			SPAN_ARG(read_name(n, what)),
			n->kind == YAML_SCALAR ? "nothing" : yaml_type_name(n));
		return false;
	}
	*out = n->s.p;
	return true;
}

bool
read_bool(struct diag *d, const struct yaml_node *n, bool *out)
{
	if (yaml_bool(n, out))
		return true;
	diag_at(d, n, "%.*s: true or false is expected, found %s",
		SPAN_ARG(read_name(n, "value")), yaml_found(n));
	return false;
}

bool
read_score(struct diag *d, const struct yaml_node *n, double *out)
{
	double v;

	if (yaml_double(n, &v) && v >= 0.0 && v <= 1.0) {
		*out = v;
		return true;
	}
	diag_at(d, n, "%.*s: a score from 0.0 to 1.0 is expected, found %s",
		SPAN_ARG(read_name(n, "score")), yaml_found(n));
	return false;
}

bool
read_uint(struct diag *d, const struct yaml_node *n, uint64_t min, uint64_t max, uint64_t *out)
{
	int64_t v;

	if (yaml_int(n, &v) && v >= 0 && (uint64_t)v >= min && (uint64_t)v <= max) {
		*out = (uint64_t)v;
		return true;
	}
	diag_at(d, n,
		"%.*s: a whole number from %" PRIu64 " to %" PRIu64 " is expected, found %s",
		SPAN_ARG(read_name(n, "value")), min, max, yaml_found(n));
	return false;
}

/* A unit of durations or sizes. */
struct unit {
	const char *name;
	uint64_t factor;
};

/* Reads digits and a unit. `bare`: a number without a unit is accepted. */
static int
with_unit(struct span s, const struct unit *units, size_t nunits, bool bare, uint64_t *out)
{
	size_t digits = span_past(s, 0, is_digit);
	uint64_t v;

	int err = span_u64(span_cut(s, 0, digits), &v);
	if (err)
		return err;
	struct span unit = span_cut(s, digits, s.n);
	if (unit.n == 0 && bare) {
		*out = v;
		return 0;
	}
	for (size_t i = 0; i < nunits; i++)
		if (span_is(unit, units[i].name))
			return __builtin_mul_overflow(v, units[i].factor, out) ? ERR_RANGE : 0;
	return ERR_SYNTAX;
}

static const struct unit time_units[] = {
	{ "ms", 1000 },
	{ "s", 1000000 },
	{ "m", 60000000 },
	{ "h", 3600000000 },
	{ "d", 86400000000 },
};
static const struct unit size_units[] = {
	{ "KB", 1u << 10 },
	{ "MB", 1u << 20 },
	{ "GB", 1u << 30 },
	{ "TB", 1ull << 40 },
	{ "k", 1u << 10 },
	{ "m", 1u << 20 },
	{ "g", 1u << 30 },
};
enum { NTIME = COUNT_OF(time_units), NSIZE = COUNT_OF(size_units) };

int
duration_parse(struct span s, uint64_t *us)
{
	return with_unit(s, time_units, NTIME, false, us);
}

int
size_parse(struct span s, uint64_t *bytes)
{
	return with_unit(s, size_units, NSIZE, true, bytes);
}

static void
format_unit(uint64_t v, const struct unit *units, size_t n, const char *bare, char out[32])
{
	for (size_t i = n; i > 0; i--)
		if (v && v % units[i - 1].factor == 0) {
			snprintf(out, 32, "%" PRIu64 "%s", v / units[i - 1].factor,
				units[i - 1].name);
			return;
		}
	snprintf(out, 32, "%" PRIu64 "%s", v, bare);
}

/* Formats a value for messages, in the largest unit that divides it. */
static void
duration_format(uint64_t us, char out[32])
{
	format_unit(us, time_units, NTIME, us ? "us" : "s", out);
}

static void
size_format(uint64_t bytes, char out[32])
{
	format_unit(bytes, size_units, NSIZE, "", out);
}

/* Reads a value with a unit, from `min` to `max`. `form` describes the accepted form. */
static bool
read_unit(struct diag *d, const struct yaml_node *n, const char *form,
	int (*parse)(struct span s, uint64_t *v), void (*format)(uint64_t v, char out[32]),
	uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v;
	char least[32], most[32];

	if (n->kind == YAML_SCALAR && parse(n->s, &v) == 0 && v >= min && v <= max) {
		*out = v;
		return true;
	}
	format(min, least);
	format(max, most);
	diag_at(d, n, "%.*s: %s from %s to %s is expected, found %s",
		SPAN_ARG(read_name(n, "value")), form, least, most, yaml_found(n));
	return false;
}

bool
read_duration_us(struct diag *d, const struct yaml_node *n, uint64_t min_us, uint64_t max_us,
	uint64_t *out)
{
	return read_unit(d, n, "a duration with its unit (800ms, 30s, 10m, 2h, 1d)",
		duration_parse, duration_format, min_us, max_us, out);
}

bool
read_size(struct diag *d, const struct yaml_node *n, uint64_t min, uint64_t max, uint64_t *out)
{
	if (min == 0 && n->kind == YAML_SCALAR && span_is(n->s, "off")) {
		*out = 0;
		return true;
	}
	return read_unit(d, n, "a size in bytes (65536, 64k, 32m, 1g)", size_parse, size_format,
		min, max, out);
}

bool
read_word(struct diag *d, const struct yaml_node *n, const char *const *words, unsigned *out)
{
	struct nearest near = nearest_to(n->s);
	char names[NAMES_TEXT];

	if (n->kind == YAML_SCALAR)
		for (unsigned i = 0; words[i]; i++)
			if (nearest_is(&near, words[i])) {
				*out = i;
				return true;
			}
	diag_at(d, n, "%.*s: one of %s is expected, found %s%s",
		SPAN_ARG(read_name(n, "value")), join_names(names, words), yaml_found(n),
		nearest_hint(&near));
	return false;
}

bool
read_texts(struct arena *a, struct diag *d, const struct yaml_node *n, const char *what,
	const char ***out, size_t *count)
{
	bool single = n->kind == YAML_SCALAR, ok = true;
	const char **texts;
	size_t taken = 0;

	if (!single && !read_list(d, n, what))
		return false;
	if (!single && n->count == 0) {
		diag_at(d, n, "%.*s: the list is empty", SPAN_ARG(read_name(n, what)));
		return false;
	}
	texts = read_array(a, d, n, single ? 1 : n->count, sizeof(*texts));
	if (!texts)
		return false;
	for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c)) {
		const char *name = n->key ? n->key->s.p : what;
		if (!read_text(d, c, name, &texts[taken])) {
			ok = false;
		} else if (span_find(c->s, texts, taken) < taken) {
			diag_at(d, c, "%s: %s is listed twice", name, c->s.p);
			ok = false;
		} else {
			taken++;
		}
	}
	if (out) {
		*out = texts;
		*count = taken;
	}
	return ok;
}

const struct yaml_node *
read_each(struct arena *a, struct diag *d, const struct yaml_node *n, const char *what,
	const char ***out, size_t *count)
{
	return n && read_texts(a, d, n, what, out, count) ? yaml_first(n) : NULL;
}

/* ---- paths ---- */

const char *
path_beside(struct arena *a, const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');

	if (path[0] == '/' || !slash)
		return arena_strdup(a, path);
	return arena_printf(a, "%.*s%s", (int)(slash - file + 1), file, path).p;
}

bool
read_path(struct arena *a, struct diag *d, const struct yaml_node *n, const char **out)
{
	const char *text;

	if (!read_text(d, n, "path", &text))
		return false;
	*out = path_beside(a, n->file ? n->file : "", text);
	if (!*out)
		diag_at(d, n, "out of memory");
	return *out != NULL;
}

bool
url_leaves_in_clear(const char *url)
{
	static const char *const here[] = { "127.0.0.1", "[::1]", "localhost" };
	struct span rest = span_str(url);

	if (!span_starts(rest, SPAN_LIT("http:")))
		return false;
	rest = span_cut(rest, strlen("http://"), rest.n);
	for (size_t i = 0; i < COUNT_OF(here); i++) {
		size_t n = strlen(here[i]);
		if (span_starts(rest, span_str(here[i])) &&
			(rest.n == n || is_one_of(rest.p[n], ":/")))
			return false;
	}
	return true;
}

size_t
read_patterns(struct arena *a, struct diag *d, const struct yaml_node *n, const char ***out)
{
	size_t variants = price_variants(n->s);
	char pattern[PRICE_PATTERN_MAX + 1];

	if (!variants)
		diag_at(d, n, "model: a group such as {us.,eu.} is expected, found %s", n->s.p);
	*out = arena_array(a, variants, sizeof(**out));
	for (size_t i = 0; i < variants && *out; i++) {
		if (!price_variant(n->s, i, pattern) || !pattern[0]) {
			diag_at(d, n,
				"model: a name or pattern of 1 to %d bytes is expected, found "
				"%s",
				PRICE_PATTERN_MAX, n->s.p);
			return 0;
		}
		if (!((*out)[i] = arena_strdup(a, pattern)))
			return 0;
	}
	return *out ? variants : 0;
}

void *
read_room(struct arena *a, struct diag *d, const struct yaml_node *n, const char *what,
	size_t max, size_t size)
{
	if (!read_list(d, n, what))
		return NULL;
	if (n->count <= max)
		return read_array(a, d, n, n->count + 1, size);
	diag_at(d, n, "%s: more than %zu", what, max);
	return NULL;
}

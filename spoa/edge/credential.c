/* Which lines hold a credential of the person's own: a header that carries one, a value of the
 * environment, a key that is written out, and all of these by way of a variable that another
 * section may have set. */
#include "base/ascii.h"
#include "codec/credentials.h"
#include "edge/judge_private.h"

/* Headers that carry a provider's credential, whatever value a rule gives them. */
static const char *const credential_headers[] = { "authorization", "x-api-key", "api-key",
	"x-goog-api-key" };

/* Rules that write something to the request: the place of the header's name and of the value.
 * Name 0: the rule writes the target. */
static const struct {
	const char *action;
	size_t name, value;
} writers[] = {
	{ "set-header", 2, 3 },
	{ "add-header", 2, 3 },
	{ "replace-header", 2, 4 },
	{ "replace-value", 2, 4 },
	{ "set-path", 0, 2 },
	{ "replace-path", 0, 3 },
	{ "set-uri", 0, 2 },
	{ "set-pathq", 0, 2 },
	{ "set-query", 0, 2 },
	{ "replace-uri", 0, 3 },
	{ "replace-pathq", 0, 3 },
};

size_t
condition_at(const struct haproxy_line *l)
{
	for (size_t i = 2; i < l->n; i++)
		if (span_is(l->word[i], "if") || span_is(l->word[i], "unless"))
			return i;
	return l->n;
}

static bool
holds(struct span s, const char *text)
{
	return s.n && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

/* ---- keys that are written out ---- */

enum { KEY_BYTES = 16, NAMED_KEY_BYTES = 8 }; /* shorter ones are words */

static bool
is_key_char(char c)
{
	return is_word(c) || c == '-' || c == '.';
}

/* The next run of characters of a key in the text of a log-format, %[…] left out. */
static struct span
next_run(struct span *rest)
{
	size_t i = 0, from, depth = 0;

	while (i < rest->n && !is_key_char(rest->p[i])) {
		bool sample = rest->p[i] == '%' && i + 1 < rest->n && rest->p[i + 1] == '[';
		i++;
		if (!sample)
			continue;
		do {
			depth += rest->p[i] == '[';
			depth -= rest->p[i] == ']';
			i++;
		} while (depth && i < rest->n);
	}
	from = i;
	while (i < rest->n && is_key_char(rest->p[i]))
		i++;
	struct span run = span_cut(*rest, from, i);
	*rest = span_cut(*rest, i, rest->n);
	return run;
}

/* The next text that a sample in it writes out: str(TEXT). False: there is none. */
static bool
next_constant(struct span *rest, struct span *text)
{
	const char *p = rest->n ? memmem(rest->p, rest->n, "str(", 4) : NULL;

	if (!p)
		return false;
	*rest = span_cut(*rest, (size_t)(p - rest->p) + 4, rest->n);
	*text = span_cut(*rest, 0, span_chr(*rest, ')'));
	return true;
}

static size_t
key_within(struct span text)
{
	struct span rest = text;

	while (rest.n) {
		struct span run = next_run(&rest);
		bool digit = false;
		for (size_t i = 0; i < run.n; i++)
			digit |= is_digit(run.p[i]);
		if (digit && run.n >= KEY_BYTES && credential_of_provider(run))
			return (size_t)(run.p - text.p);
	}
	return text.n;
}

/* Where what looks like a provider's key begins; text.n: nowhere. */
static size_t
key_at(struct span text)
{
	struct span rest = text, constant;
	size_t at = key_within(text);

	while (at == text.n && next_constant(&rest, &constant)) {
		size_t in = key_within(constant);
		at = in < constant.n ? (size_t)(constant.p - text.p) + in : text.n;
	}
	return at;
}

/* Whether a text has in it what looks like a key of a model provider. */
static bool
holds_key(struct span text)
{
	return key_at(text) < text.n;
}

/* A header whose name says that it carries a secret. */
static bool
named_for_secrets(struct span header)
{
	static const char *const inside[] = { "authorization", "secret", "token", "password",
		"passwd", "credential", "apikey" };
	static const char *const parts[] = { "key", "auth", "jwt", "bearer", "cookie" };

	if (credential_header(header))
		return true;
	for (size_t i = 0; i < COUNT_OF(inside); i++)
		for (size_t k = 0; k + strlen(inside[i]) <= header.n; k++)
			if (span_istarts(span_cut(header, k, header.n), span_str(inside[i])))
				return true;
	while (header.n) {
		size_t n = 0;
		while (n < header.n && header.p[n] != '-' && header.p[n] != '_')
			n++;
		for (size_t i = 0; i < COUNT_OF(parts); i++)
			if (span_ieq(span_cut(header, 0, n), span_str(parts[i])))
				return true;
		header = span_cut(header, n + 1, header.n);
	}
	return false;
}

/* A value that comes from a file, a script or the running process: a place for secrets. */
static bool
is_looked_up(struct span value)
{
	static const char *const places[] = { ",map", "lua.", "var(proc." };

	for (size_t i = 0; i < COUNT_OF(places); i++)
		if (holds(value, places[i]))
			return true;
	return false;
}

static bool
has_long_run(struct span value)
{
	while (value.n)
		if (next_run(&value).n >= NAMED_KEY_BYTES)
			return true;
	return false;
}

/* A value that is written out and long enough to be one. */
static bool
is_written_out(struct span value)
{
	struct span rest = value, constant;

	if (has_long_run(value))
		return true;
	while (next_constant(&rest, &constant))
		if (has_long_run(constant))
			return true;
	return false;
}

/* A target whose query has a parameter of that kind, written out: ?key=… */
static bool
target_holds_key(struct span target, bool query)
{
	size_t mark = span_chr(target, '?');

	target = span_cut(target, mark < target.n ? mark + 1 : query ? 0 : target.n, target.n);
	while (target.n) {
		struct span value = span_next(&target, '&'), name = span_next(&value, '=');
		if (credential_query(name) && is_written_out(value))
			return true;
	}
	return false;
}

/* ---- variables ---- */

/* The name in set-var(NAME) or set-var-fmt(NAME,…) of a rule, or of a line of global. */
static struct span
variable_set(const struct haproxy_line *l)
{
	static const struct span actions[] = { SPAN_LIT("set-var("), SPAN_LIT("set-var-fmt(") };

	if (span_is(l->word[0], "set-var") || span_is(l->word[0], "set-var-fmt"))
		return haproxy_word(l, 1);
	for (size_t i = 1; i < l->n && i < 3; i++)
		for (size_t k = 0; k < COUNT_OF(actions); k++) {
			struct span w = l->word[i];
			size_t n = actions[k].n, end = n;
			if (!span_starts(w, actions[k]))
				continue;
			while (end < w.n && w.p[end] != ',' && w.p[end] != ')')
				end++;
			return span_cut(w, n, end);
		}
	return span_of("", 0);
}

/* The line's own value: of the environment (when HAProxy starts or runs), or a key. */
static bool
has_secret(const struct haproxy_line *l)
{
	size_t end = condition_at(l);

	if (l->environment && l->environment < end)
		return true;
	for (size_t i = 1; i < end; i++)
		if (holds(l->word[i], "env(") || holds_key(l->word[i]))
			return true;
	return false;
}

/* Variables that hold a secret, by name: those of one section are read in another. */
struct secrets {
	struct arena *a;
	struct span *name;
	size_t n, room;
};

static bool
is_secret(const struct secrets *s, struct span name)
{
	for (size_t i = 0; i < s->n; i++)
		if (span_eq(s->name[i], name))
			return true;
	return false;
}

/* Whether a word before the condition reads one of them: var(NAME) or var(NAME,…). */
static bool
reads_secret(const struct secrets *s, const struct haproxy_line *l)
{
	size_t end = s->n ? condition_at(l) : 0;

	for (size_t i = 1; i < end; i++) {
		struct span w = l->word[i];
		const char *p;
		while (w.n && (p = memmem(w.p, w.n, "var(", 4)) != NULL) {
			size_t n = 0;
			w = span_cut(w, (size_t)(p - w.p) + 4, w.n);
			while (n < w.n && w.p[n] != ')' && w.p[n] != ',')
				n++;
			if (is_secret(s, span_cut(w, 0, n)))
				return true;
		}
	}
	return false;
}

static void
add_secret(struct secrets *s, struct span name)
{
	if (is_secret(s, name))
		return;
	struct span *all = arena_grow(s->a, s->name, s->n, &s->room, sizeof(*all), 16);
	if (!all)
		return;
	s->name = all;
	all[s->n++] = name;
}

void
credentials_mark(struct haproxy *h)
{
	struct secrets s = { .a = &h->arena };
	size_t known;

	do { /* a variable may be set from one that is set further down */
		known = s.n;
		for (size_t i = 0; i < h->n; i++)
			for (size_t k = 0; k < h->section[i].n; k++) {
				struct haproxy_line *l = &h->section[i].line[k];
				struct span name = variable_set(l);
				l->secret = l->secret || has_secret(l) || reads_secret(&s, l);
				if (l->secret && name.n)
					add_secret(&s, name);
			}
	} while (s.n > known);
}

/* ---- sections ---- */

static bool
rule_sets_credential(const struct haproxy_line *l)
{
	if (!span_is(l->word[0], "http-request") || l->negated)
		return false;
	for (size_t i = 0; i < COUNT_OF(writers); i++) {
		if (!span_is(haproxy_word(l, 1), writers[i].action))
			continue;
		if (l->secret)
			return true;
		struct span name = haproxy_word(l, 2);
		for (size_t k = 0; writers[i].name && k < COUNT_OF(credential_headers); k++)
			if (span_ieq(name, span_str(credential_headers[k])))
				return true;
		struct span value = haproxy_word(l, writers[i].value);
		if (!writers[i].name)
			return target_holds_key(value, span_is(l->word[1], "set-query"));
		return named_for_secrets(name) &&
		       (is_written_out(value) || is_looked_up(value));
	}
	return false;
}

/* A variable that holds a secret: a later rule sends it. */
static bool
keeps_secret(const struct haproxy_line *l)
{
	return span_is(l->word[0], "http-request") && variable_set(l).n && l->secret;
}

/* A certificate of our own that the server asks for. */
static bool
server_has_certificate(const struct haproxy_line *l)
{
	return (span_is(l->word[0], "server") || span_is(l->word[0], "default-server") ||
		       span_is(l->word[0], "server-template")) &&
	       value_after(l, 1, "crt").n != 0;
}

const struct haproxy_line *
credential_of(const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;

	while ((l = haproxy_next(&w)))
		if (rule_sets_credential(l) ||
			(is_back(s) && (server_has_certificate(l) || keeps_secret(l))))
			return l;
	return NULL;
}

/* ---- what is shown to people ---- */

/* The place of word n of a line as it is written; line.n: there are fewer. */
static size_t
raw_word(struct span line, size_t n)
{
	size_t i = 0;

	for (;; n--) {
		while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
			i++;
		if (n == 0)
			return i;
		while (i < line.n && line.p[i] != ' ' && line.p[i] != '\t')
			i++;
		if (i >= line.n)
			return line.n;
	}
}

static struct span
raw(struct span line, size_t n)
{
	size_t from = raw_word(line, n), to = from;

	while (to < line.n && line.p[to] != ' ' && line.p[to] != '\t' && line.p[to] != '\r')
		to++;
	return span_cut(line, from, to);
}

/* The value of NAME=VALUE, as it is in an environment file; line.n: it is none. */
static size_t
environment_value(struct span line)
{
	size_t i = 0;

	while (i < line.n && is_word(line.p[i]))
		i++;
	bool plain = span_is(span_cut(line, 0, i), "EXTRAOPTS") ||
		     span_is(span_cut(line, 0, i), "CONFIG");
	return i && i + 1 < line.n && line.p[i] == '=' && !plain ? i + 1 : line.n;
}

size_t
secret_at(struct span line)
{
	size_t at = environment_value(line);
	struct span rule = raw(line, 1), value;

	if (at == line.n)
		at = key_at(line);
	if (at < line.n)
		return at;
	if (span_is(raw(line, 0), "user") && span_ends(raw(line, 2), SPAN_LIT("password")))
		return raw_word(line, 3);
	if (span_is(raw(line, 0), "stats") && span_is(rule, "auth"))
		return raw_word(line, 2);
	for (size_t i = 0; i < COUNT_OF(writers); i++) {
		if (!span_is(raw(line, 0), "http-request") || !writers[i].name ||
			!span_is(rule, writers[i].action) || !named_for_secrets(raw(line, 2)))
			continue;
		at = raw_word(line, writers[i].value);
		value = span_cut(line, at, line.n);
		return is_written_out(value) ? at : line.n;
	}
	return line.n;
}

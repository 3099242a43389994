/* Decides which lines hold a credential of the operator's own.
 *
 * A line holds one if it writes a header that carries credentials, a value that looks like a
 * provider's key, the value of an environment variable that is named like a secret, or a
 * looked-up value under such a name. Each of these may also pass through a variable that
 * another section sets, so levels spread from variable to variable until nothing changes. The
 * comment `# tollgate: no credential` exempts a line. */
#include <stdio.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/codec/credentials.h"
#include "base/scoped.h"
#include "operator/edge/judge_private.h"

/* These headers carry a provider's credential, whatever value a rule sets. */
static const char *const credential_headers[] = { "authorization", "x-api-key", "api-key",
	"x-goog-api-key" };

/* Rules that write to the request, with the index of the word that names the header and of the
 * word with the value. Name 0: the rule writes the request target. */
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

/* ---- keys written literally ---- */

/* characters; shorter runs are ordinary words */
enum { KEY_BYTES = 16, NAMED_KEY_BYTES = 8 };

static bool
is_key_char(char c)
{
	return is_word(c) || c == '-' || c == '.';
}

/* Returns the next run of key characters in a log-format text, skipping samples (%[…]). */
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

/* Returns where a text begins that looks like a provider's key, also inside %[…], or text.n if
 * there is none. */
static size_t
key_at(struct span text)
{
	size_t at = key_within(text);

	for (size_t i = 0, from = 0; i <= text.n && at == text.n; i++)
		if (i == text.n || !is_key_char(text.p[i])) {
			struct span run = span_cut(text, from, i);
			if (key_within(run) < run.n)
				at = from;
			from = i + 1;
		}
	return at;
}

/* Returns true if the text contains what looks like a provider's key. */
static bool
holds_key(struct span text)
{
	return key_at(text) < text.n;
}

/* Returns true if the header's name suggests that its value is a secret. */
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

static bool
has_long_run(struct span value)
{
	while (value.n)
		if (next_run(&value).n >= NAMED_KEY_BYTES)
			return true;
	return false;
}

/* Returns true if the value contains a literal run that is long enough to be a key, directly or
 * in str(…). */
static bool
is_written_out(struct span value)
{
	struct span rest = value;
	const char *p;

	if (has_long_run(value))
		return true;
	while (rest.n && (p = memmem(rest.p, rest.n, "str(", 4))) {
		rest = span_cut(rest, (size_t)(p - rest.p) + 4, rest.n);
		if (has_long_run(span_cut(rest, 0, span_chr(rest, ')'))))
			return true;
	}
	return false;
}

/* Returns true if the target's query has a credential parameter (?key=…), literal or looked up.
 */
static bool
target_holds_key(struct span target, bool query, bool looked_up)
{
	size_t mark = span_chr(target, '?');

	target = span_cut(target, mark < target.n ? mark + 1 : query ? 0 : target.n, target.n);
	while (target.n) {
		struct span value = span_next(&target, '&'), name = span_next(&value, '=');
		if (credential_query(name) &&
			(is_written_out(value) || (looked_up && span_holds(value, SPAN_LIT("%[")))))
			return true;
	}
	return false;
}

/* Returns true if the line has the comment that exempts it. */
static bool
exempt_by_comment(const struct haproxy_line *l)
{
	return span_holds(l->source, SPAN_LIT("tollgate: no credential"));
}

/* ---- variables ---- */

/* How certain it is that a value is a secret: LOOKED_UP may be one, since it comes from a file,
 * a script or the running process. */
enum level { NONE, LOOKED_UP, SECRET };

/* A variable of HAProxy and its level. Variables are found by name, because one section reads
 * what another one sets. */
struct variable {
	struct span name;
	enum level level;
};

struct variables {
	struct haproxy *h;
	struct variable *all;
	size_t n, room;
};

static struct variable *
variable_named(const struct variables *v, struct span name)
{
	for (size_t i = 0; i < v->n; i++)
		if (span_eq(v->all[i].name, name))
			return &v->all[i];
	return NULL;
}

/* Raises the variable's level to at least `level`. Returns true if this changed the level. */
static bool
variable_is(struct variables *v, struct span name, enum level level)
{
	struct variable *known = variable_named(v, name);

	if (known) {
		bool more = level > known->level;
		known->level = more ? level : known->level;
		return more;
	}
	struct variable *all =
		arena_grow(&v->h->arena, v->all, v->n, &v->room, sizeof(*all), 64);
	if (!all)
		return false;
	v->all = all;
	all[v->n++] = (struct variable){ arena_dup(&v->h->arena, name), level };
	return true;
}

enum { MAP_BYTES = 4 << 20, MAP_KEY_BYTES = 24 };

/* Returns true for a long run of letters and digits, which is hardly a name. */
static bool
is_opaque(struct span run)
{
	bool digit = false, letter = false;

	for (size_t i = 0; i < run.n; i++) {
		digit |= is_digit(run.p[i]);
		letter |= is_alpha(run.p[i]);
		if (!is_word(run.p[i]))
			return false;
	}
	return run.n >= MAP_KEY_BYTES && digit && letter;
}

bool
map_file(struct span value, char out[MAP_FILE_BYTES])
{
	const char *p = value.n ? memmem(value.p, value.n, ",map", 4) : NULL;
	struct span rest = p ? span_cut(value, (size_t)(p - value.p), value.n) : value;
	struct span name = span_cut(rest, span_chr(rest, '(') + 1, rest.n);

	if (!p || !name.n)
		return false;
	name = span_cut(name, 0, strcspn(name.p, ",)"));
	if (span_chr(name, '@') < name.n) /* opt@FILE, file@FILE */
		name = span_cut(name, span_chr(name, '@') + 1, name.n);
	return snprintf(out, MAP_FILE_BYTES, "%.*s", SPAN_ARG(name)) < MAP_FILE_BYTES;
}

/* Returns true if the map of this value contains keys. A map that cannot be read counts as one
 * without. */
static bool
map_has_keys(struct span value)
{
	char file[MAP_FILE_BYTES];
	bool keys = false;

	if (!map_file(value, file))
		return false;
	SCOPED_BUF(text, MAP_BYTES);
	if (buf_file(&text, file))
		for (struct span lines = buf_view(&text); lines.p && !keys;) {
			struct span line = span_trim(span_next(&lines, '\n'), " \t\r");
			span_next(&line, ' '); /* skip the entry's key */
			keys = key_within(line) < line.n;
			while (line.n && !keys)
				keys = is_opaque(next_run(&line));
		}
	return keys;
}

/* Returns true if the line reads an environment variable with the name of a secret
 * (OPENAI_API_KEY, DB_PASSWORD), as $NAME or ${NAME}. */
static bool
reads_secret(const struct haproxy_line *l)
{
	struct span rest = l->source;
	const char *p;

	while (rest.n && (p = memchr(rest.p, '$', rest.n))) {
		rest = span_cut(rest, (size_t)(p - rest.p) + 1, rest.n);
		if (rest.n && *rest.p == '{')
			rest = span_cut(rest, 1, rest.n);
		size_t n = 0;
		while (n < rest.n && is_word(rest.p[n]))
			n++;
		if (named_for_secrets(span_cut(rest, 0, n)))
			return true;
	}
	return false;
}

/* Returns true if a header's value begins like a credential of HTTP (RFC 9110 11.4). */
static bool
begins_like_one(struct span value)
{
	static const char *const schemes[] = { "Bearer ", "Basic ", "Token ", "ApiKey ",
		"AWS4-HMAC-SHA256 " };

	for (size_t i = 0; i < COUNT_OF(schemes); i++)
		if (span_istarts(value, span_str(schemes[i])))
			return true;
	return false;
}

/* Returns the level of a word: of the environment, file, script or variable that it reads. The
 * unique id counts as a variable. A variable that no line sets is LOOKED_UP, or SECRET if its
 * scope is proc, because only the running process sets it. */
static enum level
word_level(const struct variables *v, struct span word)
{
	static const char *const places[] = { ",map", "lua.", ",b64dec", ",ub64dec", ",aes_",
		"env(" };
	enum level level = NONE;
	struct span rest = word;
	const char *p;

	if (holds_key(word) || map_has_keys(word))
		return SECRET;
	while (rest.n && (p = memmem(rest.p, rest.n, "env(", 4)) != NULL) {
		rest = span_cut(rest, (size_t)(p - rest.p) + 4, rest.n);
		if (named_for_secrets(span_cut(rest, 0, strcspn(rest.p, ",)"))))
			return SECRET;
	}
	rest = word;
	for (size_t i = 0; i < COUNT_OF(places); i++)
		if (span_holds(word, span_str(places[i])))
			level = LOOKED_UP;
	while (rest.n && (p = memmem(rest.p, rest.n, "var(", 4)) != NULL) {
		bool read = p == word.p || p[-1] != '-'; /* skip set-var( */
		rest = span_cut(rest, (size_t)(p - rest.p) + 4, rest.n);
		struct span name = span_cut(rest, 0, strcspn(rest.p, ",)"));
		const struct variable *known = variable_named(v, name);
		enum level of = known					      ? known->level
				: span_starts(name, SPAN_LIT("txn.tollgate")) ? NONE
				: span_starts(name, SPAN_LIT("proc."))	      ? SECRET
									      : LOOKED_UP;
		level = read && of > level ? of : level;
	}
	const struct variable *id = variable_named(v, SPAN_LIT("unique-id"));
	if (id && id->level > level &&
		(span_holds(word, SPAN_LIT("unique-id")) || span_holds(word, SPAN_LIT("%ID"))))
		level = id->level;
	return level;
}

/* Returns the level of the line's own value, without its condition. */
static enum level
line_level(const struct variables *v, const struct haproxy_line *l)
{
	size_t end = condition_at(l);
	bool environment = l->environment && l->environment < end;
	enum level level = !environment ? NONE : reads_secret(l) ? SECRET : LOOKED_UP;

	if (exempt_by_comment(l))
		return NONE;

	for (size_t i = 1; i < end && level < SECRET; i++) {
		enum level word = word_level(v, l->word[i]);
		level = word > level ? word : level;
	}
	return level;
}

/* Gives the variables that the line writes the level of its value. For a variable written
 * inside the condition, the level of that word counts. Returns true if a variable's level
 * changed. */
static bool
mark_written(struct variables *v, const struct haproxy_line *l, enum level level)
{
	struct haproxy_written w = { .word = 0 };
	struct span name;
	bool news = false;

	while (haproxy_written(l, &w, &name))
		news |= variable_is(v, name,
			w.word < condition_at(l) ? level : word_level(v, l->word[w.word]));
	if (span_is(l->word[0], "unique-id-format"))
		news |= variable_is(v, SPAN_LIT("unique-id"), level);
	return news;
}

void
credentials_mark(struct haproxy *h)
{
	struct variables v = { .h = h };
	bool news = true;

	/* Register all variables that lines write, so that the others count as set by the
	 * running process. */
	for (size_t i = 0; i < h->n; i++)
		for (size_t k = 0; k < h->section[i].n; k++)
			mark_written(&v, &h->section[i].line[k], NONE);
	/* Repeat until nothing changes, because a variable may be set from one that is set
	 * further down. */
	while (news) {
		news = false;
		for (size_t i = 0; i < h->n; i++)
			for (size_t k = 0; k < h->section[i].n; k++) {
				struct haproxy_line *l = &h->section[i].line[k];
				enum level level = l->secret ? SECRET : line_level(&v, l);
				l->secret = level == SECRET;
				l->looked_up = level >= LOOKED_UP;
				news |= mark_written(&v, l, level);
			}
	}
}

/* ---- sections ---- */

/* Returns true for the shipped rules that set what the relay adds for a provider. They read
 * variables that no other rule may write (rule_own_variables), so they are no credential of the
 * section's own. */
static bool
sets_ours(const struct haproxy_line *l)
{
	return span_starts(haproxy_word(l, 3), SPAN_LIT("%[var(txn.tollgate.set_")) &&
	       span_ends(haproxy_word(l, 3), SPAN_LIT(")]")) &&
	       span_chr(haproxy_word(l, 3), ')') == haproxy_word(l, 3).n - 2;
}

static bool
rule_sets_credential(const struct haproxy_line *l)
{
	if (!span_is(l->word[0], "http-request") || l->negated || sets_ours(l) ||
		exempt_by_comment(l))
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
			return target_holds_key(
				value, span_is(l->word[1], "set-query"), l->looked_up);
		return begins_like_one(value) ||
		       (named_for_secrets(name) && (is_written_out(value) || l->looked_up));
	}
	return false;
}

/* Returns true if the line stores a secret in a variable, which a later rule can send. */
static bool
keeps_secret(const struct haproxy_line *l)
{
	struct haproxy_written w = { .word = 0 };
	struct span name;

	return span_is(l->word[0], "http-request") && l->secret &&
	       haproxy_written(l, &w, &name);
}

/* Returns true if HAProxy itself adds a header with a credential: the unique id or the server's
 * name. */
static bool
adds_credential(const struct haproxy_section *s, const struct haproxy_line *l)
{
	bool id = span_is(l->word[0], "unique-id-header");
	const struct haproxy_line *format = haproxy_last(s, "unique-id-format", NULL), *server;
	struct span name = haproxy_word(l, 1);
	struct haproxy_walk w = haproxy_walk(s);

	if (l->negated || !(id || span_is(l->word[0], "http-send-name-header")))
		return false;
	for (size_t i = 0; i < COUNT_OF(credential_headers); i++)
		if (span_ieq(name, span_str(credential_headers[i])))
			return true;
	if (id)
		return format &&
		       (format->secret ||
			       (named_for_secrets(name) &&
				       (format->looked_up ||
					       is_written_out(haproxy_word(format, 1)))));
	while ((server = haproxy_next(&w)))
		if (span_is(server->word[0], "server") &&
			(holds_key(haproxy_word(server, 1)) || named_for_secrets(name)))
			return true;
	return false;
}

/* Returns true if the server line sends a client certificate of ours. */
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
		if (rule_sets_credential(l) || adds_credential(s, l) ||
			(is_back(s) && (server_has_certificate(l) || keeps_secret(l))))
			return l;
	return NULL;
}

/* ---- secrets that must not be shown ---- */

/* Returns the position of word n in a written line, or line.n if the line has fewer words. */
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
written_word_at(struct span line, size_t n)
{
	size_t from = raw_word(line, n), to = from;

	while (to < line.n && line.p[to] != ' ' && line.p[to] != '\t' && line.p[to] != '\r')
		to++;
	return span_cut(line, from, to);
}

/* Returns the position of VALUE in a line NAME=VALUE of an environment file, or line.n.
 * EXTRAOPTS and CONFIG are not secret. */
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
	struct span rule = written_word_at(line, 1), value;

	if (at == line.n)
		at = key_at(line);
	if (at < line.n)
		return at;
	if (span_is(written_word_at(line, 0), "user") &&
		span_ends(written_word_at(line, 2), SPAN_LIT("password")))
		return raw_word(line, 3);
	if (span_is(written_word_at(line, 0), "stats") && span_is(rule, "auth"))
		return raw_word(line, 2);
	for (size_t i = 0; i < COUNT_OF(writers); i++) {
		if (!span_is(written_word_at(line, 0), "http-request") || !writers[i].name ||
			!span_is(rule, writers[i].action) ||
			!named_for_secrets(written_word_at(line, 2)))
			continue;
		at = raw_word(line, writers[i].value);
		value = span_cut(line, at, line.n);
		return is_written_out(value) ? at : line.n;
	}
	return line.n;
}

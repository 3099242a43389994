/* Reads HAProxy files and folders into sections, and answers questions about a section's lines.
 *
 * A file is read line by line, and each line is cut into words. A line that begins with a dot
 * changes the stack of .if branches, a section keyword starts a section, and any other line is
 * added to the current section. haproxy_resolve() then links sections to their defaults.
 *
 * Words follow HAProxy's parse_line() (configuration.txt 2.2 and 2.3). A line writes a variable
 * by an action, by a converter in any of its expressions, or by set-var in `global` (2.8,
 * 7.3.1). Converters' arguments may be quoted and escaped a second time, so their names are
 * read without quotes and backslashes.
 *
 * The first section determines what depends on the machine: HAProxy's version, the variables that
 * its files may use, and which files Debian's service loads. */
#include "operator/edge/haproxy_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/scoped.h"
#include "operator/edge/credential.h"

/* ---- version and environment ---- */

bool
haproxy_set_version(struct haproxy *h, struct span text)
{
	size_t i = 0;

	while (i < text.n && !is_digit(text.p[i]))
		i++;
	for (size_t part = 0; part < COUNT_OF(h->version); part++) {
		unsigned v = 0;
		if (i >= text.n || !is_digit(text.p[i]))
			return part >= 2;
		while (i < text.n && is_digit(text.p[i]) && v < 1000)
			v = v * 10 + (unsigned)(text.p[i++] - '0');
		h->version[part] = v;
		if (i >= text.n || text.p[i] != '.')
			return part >= 1;
		i++;
	}
	return true;
}

bool
haproxy_ask_version(struct haproxy *h, const char *binary)
{
	char command[4096], line[256] = "";

	if (binary && strchr(binary, '\''))
		return false;
	snprintf(command, sizeof(command), "'%s' -vv 2>/dev/null", binary ? binary : "haproxy");
	FILE *f = popen(command, "re");
	if (!f)
		return false;
	bool got = fgets(line, sizeof(line), f) != NULL;
	while (getc(f) != EOF)
		/* Read to the end, so that HAProxy is not killed by SIGPIPE and its exit status
		 * counts. */
		;
	return pclose(f) == 0 && got && haproxy_set_version(h, span_str(line));
}

bool
haproxy_version_atleast(const struct haproxy *h, unsigned major, unsigned minor, unsigned patch)
{
	const unsigned want[] = { major, minor, patch };

	if (!h->version[0])
		return false;
	for (size_t i = 0; i < COUNT_OF(want); i++)
		if (h->version[i] != want[i])
			return h->version[i] > want[i];
	return true;
}

/* Returns a variable's value, from the files or from this process' environment; p is NULL if
 * the variable is not set. */
static struct span
haproxy_variable(const struct haproxy *h, struct span name)
{
	char text[256];

	for (size_t i = h->nvariable; i-- > 0;) {
		struct span v = h->variable[i];
		if (v.n > name.n && v.p[name.n] == '=' && span_starts(v, name))
			return span_cut(v, name.n + 1, v.n);
	}
	if (name.n >= sizeof(text))
		return span_of(NULL, 0);
	memcpy(text, name.p, name.n);
	text[name.n] = 0;
	return span_str(getenv(text));
}

void
haproxy_setenv(struct haproxy *h, struct span name, struct span value)
{
	struct span *v = arena_grow(
		&h->arena, h->variable, h->nvariable, &h->variable_room, sizeof(*v), 16);

	if (!v)
		return;
	h->variable = v;
	v[h->nvariable++] =
		arena_printf(&h->arena, "%.*s=%.*s", SPAN_ARG(name), SPAN_ARG(value));
}

void
haproxy_environment(struct haproxy *h, const char *file)
{
	SCOPED_BUF(text, 1 << 20);
	if (buf_file(&text, file)) {
		struct span rest = buf_view(&text);
		while (rest.p) {
			struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
			struct span value = line, name = span_next(&value, '=');
			if (name.n == 0 || !value.p || *name.p == '#')
				continue;
			value = span_trim(value, " \t");
			if (value.n >= 2 && (*value.p == '"' || *value.p == '\'') &&
				value.p[value.n - 1] == *value.p)
				value = span_cut(value, 1, value.n - 1);
			haproxy_setenv(h, name, value);
		}
	}
}

const char *
haproxy_config(const struct haproxy *h)
{
	struct span config = haproxy_variable(h, SPAN_LIT("CONFIG"));

	return config.n ? config.p : "/etc/haproxy/haproxy.cfg";
}

size_t
haproxy_extraopts(
	const struct haproxy *h, struct arena *a, const char **files, size_t n, size_t most)
{
	struct span rest = haproxy_variable(h, SPAN_LIT("EXTRAOPTS"));
	struct span folder = SPAN_LIT("/etc/haproxy");
	const char *config = haproxy_config(h);
	bool debian = false, file = false, named = false, has_config = false;

	for (size_t i = 0; i < n; i++) {
		debian |= span_starts(span_str(files[i]), folder) &&
			  (!files[i][folder.n] || files[i][folder.n] == '/');
		has_config |= !strcmp(files[i], config);
	}
	while (debian && rest.p && n < most) {
		struct span word = span_next(&rest, ' ');
		bool there = false;
		for (size_t i = 0; i < n; i++)
			there |= span_is(word, files[i]);
		named |= file && there;
		if (file && word.n && !there)
			files[n++] = arena_dup(a, word).p;
		file = span_is(word, "-f");
	}
	if (named && !has_config && n < most) {
		memmove(files + 1, files, n++ * sizeof(*files));
		files[0] = arena_strdup(a, config);
	}
	return n;
}

/* ---- words of a line ---- */

static const struct span writers[] = { SPAN_LIT("set-var("), SPAN_LIT("set-var-fmt("),
	SPAN_LIT("do-resolve(") };

/* Finds the first of these writers in a text and returns what follows its opening parenthesis;
 * p is NULL if there is none. "unset-var(" also matches, because it contains "set-var(". */
static struct span
after_writer(struct span text)
{
	struct span first = { NULL, 0 };

	for (size_t i = 0; i < COUNT_OF(writers); i++) {
		const char *p = memmem(text.p, text.n, writers[i].p, writers[i].n);
		size_t at = p ? (size_t)(p - text.p) + writers[i].n : 0;
		if (p && (!first.p || text.p + at < first.p))
			first = span_cut(text, at, text.n);
	}
	return first;
}

bool
haproxy_written(const struct haproxy_line *l, struct haproxy_written *w, struct span *name)
{
	size_t n = 0;

	if (w->word == 0 && w->at == 0 &&
		(span_is(l->word[0], "set-var") || span_is(l->word[0], "set-var-fmt"))) {
		w->word = 1;
		*name = haproxy_word(l, 1);
		return name->n != 0;
	}
	for (; w->word < l->n; w->word++, w->at = 0) {
		struct span word = l->word[w->word];
		struct span rest = after_writer(span_cut(word, w->at, word.n));
		if (!rest.p)
			continue;
		for (; rest.n && *rest.p != ',' && *rest.p != ')';
			rest = span_cut(rest, 1, rest.n))
			if (!strchr("\"'\\ \t", *rest.p) && n < sizeof(w->name))
				w->name[n++] = *rest.p;
		w->at = (size_t)(rest.p - word.p);
		*name = span_of(w->name, n);
		return true;
	}
	return false;
}

bool
haproxy_writes(const struct haproxy_line *l, struct span name)
{
	struct haproxy_written w = { .word = 0 };
	struct span written;

	while (haproxy_written(l, &w, &written))
		if (span_eq(written, name))
			return true;
	return false;
}

/* The state of cutting one line. A word ends at an unquoted space, tab or CR; '...' takes
 * everything literally, "..." resolves escapes and variables, and # outside quotes begins a
 * comment. */

struct words {
	struct haproxy *h;
	struct haproxy_line *line;
	struct span in;
	size_t at;
	char quote; /* the quote that is open; 0: none */
	bool open;  /* a word has begun, possibly an empty one ("") */
	bool failed;
	struct buf out;
	struct span word[HAPROXY_WORDS_MAX];
	size_t n;
};

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char
peek_word(const struct words *w, size_t ahead)
{
	return w->at + ahead < w->in.n ? w->in.p[w->at + ahead] : 0;
}

/* Adds "file:line: text\n" to h->notes, unless HAPROXY_NOTES_BYTES are reached. */
__attribute__((format(printf, 4, 5))) static void
haproxy_note(struct haproxy *h, const char *file, unsigned line, const char *fmt, ...)
{
	va_list ap;
	char text[512];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (h->notes.n + strlen(file) + sizeof(text) + 16 < HAPROXY_NOTES_BYTES)
		buf_printf(&h->notes, "%s:%u: %s\n", file, line, text);
}

static void
word_failed(struct words *w, const char *why)
{
	haproxy_note(
		w->h, w->line->file, w->line->line, "%s: tollgate did not read this line", why);
	w->failed = true;
}

static void
word_end(struct words *w)
{
	if (w->open && w->n == HAPROXY_WORDS_MAX)
		word_failed(w, "more than 256 words");
	else if (w->open)
		w->word[w->n++] = arena_dup(&w->h->arena, buf_view(&w->out));
	buf_clear(&w->out);
	w->open = false;
}

/* Resolves a backslash outside '...'. Only the pairs below and \xHH are escapes; in all other
 * pairs the backslash is kept. */
static void
word_escape(struct words *w)
{
	static const char from[] = " \\#'\"$tnr", to[] = " \\#'\"$\t\n\r";
	const char *which = peek_word(w, 1) ? strchr(from, peek_word(w, 1)) : NULL;

	w->open = true;
	if (which) {
		buf_putc(&w->out, to[which - from]);
		w->at += 2;
	} else if (peek_word(w, 1) == 'x' && is_hex(peek_word(w, 2)) &&
		   is_hex(peek_word(w, 3))) {
		buf_putc(&w->out,
			(char)(hex_value(peek_word(w, 2)) << 4 | hex_value(peek_word(w, 3))));
		w->at += 4;
	} else {
		buf_putc(&w->out, '\\');
		w->at++;
	}
}

/* Returns true for variables that HAProxy sets itself before it reads its files
 * (configuration.txt 2.3). Their values are unknown here and are not secret. */
static bool
set_by_haproxy(struct span name)
{
	static const char *const names[] = { "HAPROXY_BRANCH", "HAPROXY_CFGFILES",
		"HAPROXY_CLI", "HAPROXY_HTTPS_LOG_FMT", "HAPROXY_HTTP_CLF_LOG_FMT",
		"HAPROXY_HTTP_LOG_FMT", "HAPROXY_KEYLOG_BC_LOG_FMT",
		"HAPROXY_KEYLOG_FC_LOG_FMT", "HAPROXY_LOCALPEER", "HAPROXY_MASTER_CLI",
		"HAPROXY_MWORKER", "HAPROXY_STARTUP_VERSION", "HAPROXY_TCP_CLF_LOG_FMT",
		"HAPROXY_TCP_LOG_FMT" };

	return SPAN_IN(name, names) || name.p[0] == '.';
}

/* Replaces $NAME, ${NAME}, ${NAME-default} or ${NAME[*]} inside "..." with its value. A name
 * that begins with a dot is HAProxy's own (.FILE, .LINE, .SECTION). */
static void
word_variable(struct words *w)
{
	bool brace = peek_word(w, 1) == '{', list = false;
	size_t from = w->at + 1 + brace, to = from;
	struct span other = { NULL, 0 };

	while (to < w->in.n && (is_word(w->in.p[to]) || (to == from && w->in.p[to] == '.')))
		to++;
	struct span name = span_cut(w->in, from, to);
	if (name.n == 0) {
		word_failed(w, "\"$\" without the name of a variable");
		return;
	}
	if (brace && span_starts(span_cut(w->in, to, w->in.n), SPAN_LIT("[*]"))) {
		list = true;
		to += 3;
	}
	if (brace && to < w->in.n && w->in.p[to] == '-') {
		struct span rest = span_cut(w->in, to + 1, w->in.n);
		other = span_cut(rest, 0, span_chr(rest, '}'));
		to += 1 + other.n;
	}
	if (brace && (to >= w->in.n || w->in.p[to] != '}')) {
		word_failed(w, "\"${\" without \"}\"");
		return;
	}
	w->at = to + brace;
	struct span value = haproxy_variable(w->h, name);
	if (!value.p && set_by_haproxy(name))
		value = name;
	else if (!value.p && !other.p)
		haproxy_note(w->h, w->line->file, w->line->line,
			"%.*s is not set, so tollgate read it as empty; export the variable "
			"or add it to /etc/default/haproxy",
			SPAN_ARG(name));
	if (!value.p)
		value = other;
	if (!w->line->environment && !set_by_haproxy(name))
		w->line->environment = w->n ? w->n : 1;
	w->open = true;
	if (list) {
		/* ${NAME[*]} becomes one word for each word of the value. */
		for (size_t i = 0; i < value.n && !w->failed; i++)
			if (blank(value.p[i])) {
				word_end(w);
			} else {
				buf_putc(&w->out, value.p[i]);
				w->open = true;
			}
	} else
		buf_span(&w->out, value);
}

static void
word_char(struct words *w)
{
	char c = w->in.p[w->at];

	if (c == 0) {
		word_failed(w, "the line contains a NUL character");
	} else if (w->quote ? c == w->quote : c == '"' || c == '\'') {
		w->quote = w->quote ? 0 : c;
		w->open = true;
		w->at++;
	} else if (c == '\\' && w->quote != '\'') {
		word_escape(w);
	} else if (c == '$' && w->quote == '"') {
		word_variable(w);
	} else if (blank(c) && !w->quote) {
		word_end(w);
		w->at++;
	} else if (c == '#' && !w->quote) {
		w->at = w->in.n;
	} else {
		buf_putc(&w->out, c);
		w->open = true;
		w->at++;
	}
}

bool
haproxy_words(struct haproxy *h, struct haproxy_line *line)
{
	struct words w = { .h = h, .line = line, .in = line->source };

	buf_init(&w.out, HAPROXY_BYTES_MAX);
	while (w.at < w.in.n && !w.failed)
		word_char(&w);
	if (w.quote && !w.failed)
		word_failed(&w, "a quote is not closed");
	word_end(&w);
	buf_free(&w.out);
	if (w.failed || arena_failed(&h->arena))
		return false;
	size_t first = w.n > 1 && (span_is(w.word[0], "no") || span_is(w.word[0], "default"));
	line->negated = first;
	line->environment -= first && line->environment > 1;
	line->n = w.n - first;
	line->word = arena_array(&h->arena, line->n, sizeof(struct span));
	if (line->word && line->n)
		memcpy(line->word, w.word + first, line->n * sizeof(struct span));
	return line->word != NULL;
}

size_t
unquoted_at(struct span s, const char *any)
{
	char quote = 0;
	size_t i = 0;

	for (; i < s.n; i++) {
		char c = s.p[i];
		if (!quote && is_one_of(c, any))
			break;
		if (c == '\\' && quote != '\'')
			i++;
		else if (quote ? c == quote : c == '"' || c == '\'')
			quote = quote ? 0 : c;
	}
	return i < s.n ? i : s.n;
}

/* ---- files and sections ---- */

/* Returns the last `defaults` section with this name among the first `before` sections, as
 * HAProxy does, or NULL. */
static const struct haproxy_section *
defaults_named(const struct haproxy *h, size_t before, struct span name)
{
	for (size_t i = before; i-- > 0;)
		if (h->section[i].kind == HAPROXY_DEFAULTS && span_eq(h->section[i].name, name))
			return &h->section[i];
	return NULL;
}

struct span
value_after(const struct haproxy_line *l, size_t from, const char *word)
{
	for (size_t i = from; i + 1 < l->n; i++)
		if (span_is(l->word[i], word))
			return l->word[i + 1];
	return span_of("", 0);
}

void
haproxy_resolve(struct haproxy *h)
{
	const struct haproxy_section *last = NULL;

	for (size_t i = 0; i < h->n; i++) {
		struct haproxy_section *s = &h->section[i];
		struct span from = value_after(s->head, 1, "from");
		if (span_is(s->name, "from"))
			s->name = span_of("", 0);
		if (s->kind != HAPROXY_GLOBAL && s->kind != HAPROXY_OTHER) {
			s->defaults = from.n			    ? defaults_named(h, i, from)
				      : s->kind == HAPROXY_DEFAULTS ? NULL
								    : last;
			if (from.n && !s->defaults)
				haproxy_note(h, s->head->file, s->head->line,
					"`defaults %.*s` does not exist above this line; "
					"define it earlier or correct the name",
					SPAN_ARG(from));
		}
		if (s->kind == HAPROXY_DEFAULTS)
			last = s;
	}
	credentials_mark(h);
}

const struct haproxy_section *
haproxy_global(const struct haproxy *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->section[i].kind == HAPROXY_GLOBAL)
			return &h->section[i];
	return NULL;
}

struct haproxy_walk
haproxy_walk(const struct haproxy_section *s)
{
	struct haproxy_walk w = { .depth = 0 };

	for (; s && w.depth < COUNT_OF(w.chain); s = s->defaults)
		w.chain[w.depth++] = s;
	return w;
}

const struct haproxy_line *
haproxy_next(struct haproxy_walk *w)
{
	while (w->depth) {
		const struct haproxy_section *s = w->chain[w->depth - 1];
		if (w->at < s->n)
			return &s->line[w->at++];
		w->at = 0;
		w->depth--;
	}
	return NULL;
}

const struct haproxy_line *
haproxy_own(const struct haproxy_section *s, const char *a, const char *b)
{
	for (size_t i = 0; i < s->n; i++)
		if (haproxy_begins(&s->line[i], a, b))
			return &s->line[i];
	return NULL;
}

const struct haproxy_line *
haproxy_last(const struct haproxy_section *s, const char *a, const char *b)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l, *found = NULL;

	while ((l = haproxy_next(&w)))
		if (span_is(l->word[0], a) && (!b || span_is(haproxy_word(l, 1), b)))
			found = l->negated ? NULL : l;
	return found;
}

/* The section keywords of HAProxy 2.6 to 3.3. */
static const struct {
	const char *word;
	enum haproxy_kind kind;
} sections[] = {
	{ "global", HAPROXY_GLOBAL },
	{ "defaults", HAPROXY_DEFAULTS },
	{ "frontend", HAPROXY_FRONTEND },
	{ "backend", HAPROXY_BACKEND },
	{ "listen", HAPROXY_LISTEN },
	{ "acme", HAPROXY_OTHER },
	{ "cache", HAPROXY_OTHER },
	{ "crt-store", HAPROXY_OTHER },
	{ "fcgi-app", HAPROXY_OTHER },
	{ "http-errors", HAPROXY_OTHER },
	{ "log-forward", HAPROXY_OTHER },
	{ "log-profile", HAPROXY_OTHER },
	{ "mailers", HAPROXY_OTHER },
	{ "peers", HAPROXY_OTHER },
	{ "program", HAPROXY_OTHER },
	{ "resolvers", HAPROXY_OTHER },
	{ "ring", HAPROXY_OTHER },
	{ "traces", HAPROXY_OTHER },
	{ "userlist", HAPROXY_OTHER },
};

/* One level of .if: how its current branch is read, and whether an earlier branch was taken. A
 * branch is READ if its condition holds, SKIP if it does not hold or an earlier branch was
 * taken, and MAYBE if this cannot be determined. Lines of a MAYBE branch are read and marked.
 */
struct branch {
	enum { READ, SKIP, MAYBE } now;
	bool taken;  /* an earlier condition was true, so later branches are skipped */
	bool unsure; /* an earlier condition could not be evaluated */
};

/* The state of reading one file. */
struct reading {
	struct haproxy *h;
	const char *file;
	unsigned line;
	struct branch branch[HAPROXY_IF_DEPTH];
	size_t depth;
	unsigned from; /* line of the outermost open .if */
	bool ended;    /* the rest of the file is skipped */
};

void
haproxy_init(struct haproxy *h)
{
	*h = (struct haproxy){ .outside = true };
	arena_init(&h->arena, 0, false);
	buf_init(&h->notes, HAPROXY_NOTES_BYTES);
}

void
haproxy_free(struct haproxy *h)
{
	buf_free(&h->notes);
	arena_reset(&h->arena);
}

/* ---- the condition of .if and .elif ---- */

/* Evaluates the condition of .if and .elif (configuration.txt 2.4). Conditions on HAProxy's
 * version and on variables are evaluated; all others are UNKNOWN, because they depend on the
 * HAProxy binary.
 *
 *   or   = and { "||" and }
 *   and  = term { "&&" term }
 *   term = "!" term | "(" or ")" | number | NAME "(" arguments ")"
 *
 * Three-valued logic applies: UNKNOWN || TRUE is TRUE, UNKNOWN && FALSE is FALSE. */

enum { FALSE = 0, TRUE = 1, UNKNOWN = -1, DEPTH_MAX = 32, ARGUMENTS = 2 };

/* The text that is not yet read, and the nesting depth of ! and ( so far. */
struct condition {
	struct haproxy *h;
	struct span in;
	unsigned depth;
};

static int read_chain(struct condition *c, bool either);

static void
skip_blanks(struct condition *c)
{
	while (c->in.n && (*c->in.p == ' ' || *c->in.p == '\t'))
		c->in = span_cut(c->in, 1, c->in.n);
}

static bool
take_condition_token(struct condition *c, const char *token)
{
	skip_blanks(c);
	if (!span_starts(c->in, span_str(token)))
		return false;
	c->in = span_cut(c->in, strlen(token), c->in.n);
	return true;
}

static int
version_atleast(const struct condition *c, struct span text)
{
	struct haproxy want = { 0 };

	if (!c->h->version[0] || !haproxy_set_version(&want, text))
		return UNKNOWN;
	return haproxy_version_atleast(c->h, want.version[0], want.version[1], want.version[2]);
}

static int
negate(int v)
{
	return v == UNKNOWN ? UNKNOWN : !v;
}

static int
call_predicate(const struct condition *c, struct span name, const struct span *arg)
{
	if (span_is(name, "version_atleast"))
		return version_atleast(c, arg[0]);
	if (span_is(name, "version_before"))
		return negate(version_atleast(c, arg[0]));
	if (span_is(name, "defined"))
		return haproxy_variable(c->h, arg[0]).p != NULL;
	if (span_is(name, "streq"))
		return span_eq(arg[0], arg[1]);
	if (span_is(name, "strneq"))
		return !span_eq(arg[0], arg[1]);
	if (span_is(name, "strstr"))
		return memmem(arg[0].p, arg[0].n, arg[1].p, arg[1].n) != NULL;
	return UNKNOWN; /* feature(), enabled(), openssl_version_atleast() and others */
}

/* Reads one term of an .if condition: !TERM, (CONDITION), a number, or PREDICATE(ARGUMENTS).
 * Returns TRUE, FALSE or UNKNOWN. */
static int
read_term(struct condition *c)
{
	struct span arg[ARGUMENTS] = { { "", 0 }, { "", 0 } };

	if (take_condition_token(c, "!")) {
		if (++c->depth > DEPTH_MAX)
			return UNKNOWN;
		return negate(read_term(c));
	}
	if (take_condition_token(c, "(")) {
		if (++c->depth > DEPTH_MAX)
			return UNKNOWN;
		int v = read_chain(c, true);
		return take_condition_token(c, ")") ? v : UNKNOWN;
	}
	skip_blanks(c);
	size_t n = 0;
	while (n < c->in.n && (is_word(c->in.p[n])))
		n++;
	struct span name = span_cut(c->in, 0, n);
	c->in = span_cut(c->in, n, c->in.n);
	if (n && is_digit(*name.p))
		return span_trim(name, "0").n ? TRUE : FALSE;
	if (n == 0 || !take_condition_token(c, "("))
		return UNKNOWN;
	struct span inner = span_cut(c->in, 0, span_chr(c->in, ')'));
	c->in = span_cut(c->in, inner.n, c->in.n);
	if (!take_condition_token(c, ")"))
		return UNKNOWN;
	for (size_t i = 0; i < ARGUMENTS && inner.p; i++)
		arg[i] = span_trim(span_next(&inner, ','), " \t");
	return call_predicate(c, name, arg);
}

/* Reads a chain of `||` (either: true) or of `&&` (either: false). TRUE decides the former,
 * FALSE decides the latter, whatever the other operands are. */
static int
read_chain(struct condition *c, bool either)
{
	const int decides = either ? TRUE : FALSE;
	int v = either ? read_chain(c, false) : read_term(c);

	while (take_condition_token(c, either ? "||" : "&&")) {
		int other = either ? read_chain(c, false) : read_term(c);
		v = v == decides || other == decides   ? decides
		    : v == UNKNOWN || other == UNKNOWN ? UNKNOWN
						       : negate(decides);
	}
	return v;
}

int
haproxy_condition(struct haproxy *h, struct span text)
{
	struct condition c = { .h = h, .in = text };

	skip_blanks(&c);
	if (c.in.n == 0)
		return FALSE;
	int v = read_chain(&c, true);
	skip_blanks(&c);
	return c.in.n ? UNKNOWN : v;
}

/* ---- .if ---- */

static bool
in_branch(const struct reading *r, int which)
{
	for (size_t i = 0; i < r->depth; i++)
		if ((int)r->branch[i].now == which)
			return true;
	return false;
}

/* Enters the next branch of an .if. `value` is the result of its condition; .else has 1. */
static void
branch_next(struct branch *b, int value)
{
	b->now = b->taken || value == 0 ? SKIP : value < 0 || b->unsure ? MAYBE : READ;
	b->taken |= value > 0;
	b->unsure |= value < 0;
}

static int
branch_condition(struct reading *r, const struct haproxy_line *line)
{
	SCOPED_BUF(text, 1 << 20);
	for (size_t i = 1; i < line->n; i++) {
		buf_span(&text, line->word[i]);
		buf_putc(&text, ' ');
	}
	int value = haproxy_condition(r->h, buf_view(&text));
	if (value < 0)
		haproxy_note(r->h, r->file, r->line,
			"tollgate cannot evaluate this condition; it checks the lines below "
			"as if they may apply");
	return value;
}

static void
block_end(struct reading *r)
{
	struct haproxy *h = r->h;
	struct haproxy_block *all =
		arena_grow(&h->arena, h->block, h->nblock, &h->block_room, sizeof(*all), 8);

	if (!all)
		return;
	h->block = all;
	all[h->nblock++] = (struct haproxy_block){ r->file, r->from, r->line };
}

/* Handles a line that begins with a dot: .if, .elif, .else, .endif, and the directives that
 * only print a message. */
static void
directive(struct reading *r, const struct haproxy_line *line)
{
	struct span word = line->word[0];
	struct branch *b = r->depth ? &r->branch[r->depth - 1] : NULL;

	if (span_is(word, ".if")) {
		if (r->depth == HAPROXY_IF_DEPTH) {
			haproxy_note(r->h, r->file, r->line,
				".if is nested more than 64 levels deep; the rest of this "
				"file was not checked");
			r->ended = true;
			return;
		}
		bool skip = in_branch(r, SKIP);
		if (r->depth == 0)
			r->from = r->line;
		b = &r->branch[r->depth++];
		*b = (struct branch){ .taken = skip };
		branch_next(b, skip ? 0 : branch_condition(r, line));
	} else if (b && span_is(word, ".elif")) {
		branch_next(b, b->taken ? 0 : branch_condition(r, line));
	} else if (b && span_is(word, ".else")) {
		branch_next(b, 1);
	} else if (b && span_is(word, ".endif")) {
		if (--r->depth == 0)
			block_end(r);
	} else if (!span_is(word, ".notice") && !span_is(word, ".warning") &&
		   !span_is(word, ".alert") && !span_is(word, ".diag")) {
		haproxy_note(r->h, r->file, r->line,
			"%.*s: unknown directive; tollgate ignored "
			"the line",
			SPAN_ARG(word));
	}
}

/* ---- sections ---- */

static void
section_begin(struct reading *r, enum haproxy_kind kind, const struct haproxy_line *line)
{
	struct haproxy *h = r->h;
	struct haproxy_section *s =
		arena_grow(&h->arena, h->section, h->n, &h->room, sizeof(*s), 16);
	struct haproxy_line *head = arena_new(&h->arena, struct haproxy_line);

	if (!s || !head)
		return;
	*head = *line;
	h->section = s;
	s[h->n++] = (struct haproxy_section){
		.kind = kind, .name = haproxy_word(line, 1), .head = head
	};
	h->outside = false;
	h->line_room = 0;
}

static void
section_add(struct reading *r, const struct haproxy_line *line)
{
	struct haproxy *h = r->h;

	if (h->outside) {
		if (!h->said)
			haproxy_note(h, r->file, r->line,
				"`%.*s` stands before the first section of this file; "
				"tollgate ignored this line and the next ones up to a section",
				SPAN_ARG(line->word[0]));
		h->said = true;
		return;
	}
	struct haproxy_section *s = &h->section[h->n - 1];
	struct haproxy_line *l =
		arena_grow(&h->arena, s->line, s->n, &h->line_room, sizeof(*l), 32);
	if (!l)
		return;
	s->line = l;
	l[s->n++] = *line;
	/* A variable set in `global` is visible in the lines that follow it. */
	bool preset = span_is(line->word[0], "presetenv");
	if (s->kind == HAPROXY_GLOBAL && line->n >= 2 &&
		(preset ? !haproxy_variable(h, line->word[1]).p
			: span_is(line->word[0], "setenv")))
		haproxy_setenv(h, line->word[1], haproxy_word(line, 2));
}

static void
read_haproxy_line(struct reading *r, struct span source)
{
	struct haproxy_line line = { .file = r->file, .line = r->line, .source = source };
	struct span shown = span_trim(source, " \t\r");

	if (shown.n == 0 || *shown.p == '#')
		return;
	if (in_branch(r, SKIP) && *shown.p != '.')
		return; /* HAProxy does not parse lines of a skipped branch */
	if (!haproxy_words(r->h, &line) || line.n == 0)
		return;
	line.maybe = in_branch(r, MAYBE);
	if (*line.word[0].p == '.') {
		directive(r, &line);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(sections); i++)
		if (span_is(line.word[0], sections[i].word)) {
			section_begin(r, sections[i].kind, &line);
			return;
		}
	section_add(r, &line);
}

int
haproxy_read_text(struct haproxy *h, const char *file, struct span text)
{
	struct reading r = { .h = h, .file = arena_strdup(&h->arena, file) };
	struct span rest = arena_dup(&h->arena, text);

	if (++h->files > HAPROXY_FILES_MAX || (h->bytes += text.n) > HAPROXY_BYTES_MAX)
		return ERR_LIMIT;
	h->outside = h->outside || !h->joined;
	h->said = false;
	while (rest.p && !r.ended) {
		r.line++;
		read_haproxy_line(&r, span_next(&rest, '\n'));
	}
	if (r.depth)
		haproxy_note(h, r.file, r.line, ".if without .endif; add the .endif");
	return arena_failed(&h->arena) ? ERR_NOMEM : 0;
}

void
haproxy_renumber(struct haproxy *h, const char *file,
	unsigned (*origin)(const void *arg, const char *file, unsigned line), const void *arg)
{
	for (size_t i = 0; i < h->n; i++) {
		struct haproxy_section *s = &h->section[i];
		struct haproxy_line *head = arena_new(&h->arena, struct haproxy_line);
		if (!head || strcmp(s->head->file, file) != 0)
			continue;
		*head = *s->head;
		head->line = origin(arg, file, head->line);
		s->head = head;
		for (size_t k = 0; k < s->n; k++)
			s->line[k].line = origin(arg, file, s->line[k].line);
	}
}

/* ---- files ---- */

static int
read_haproxy_file(struct haproxy *h, const char *file)
{
	SCOPED_BUF(text, HAPROXY_BYTES_MAX);

	/* buf_file() has set errno, and the release of `text` does not change it. */
	if (!buf_file(&text, file))
		return buf_failed(&text) ? ERR_LIMIT : ERR_IO;
	return haproxy_read_text(h, file, buf_view(&text));
}

static int
is_cfg(const struct dirent *e)
{
	struct span name = span_str(e->d_name);

	return *name.p != '.' && name.n > 4 && span_ends(name, SPAN_LIT(".cfg"));
}

int
haproxy_folder(struct arena *a, const char *path, const char ***files)
{
	struct dirent **found;
	int n = scandir(path, &found, is_cfg, alphasort);

	if (n < 0)
		return ERR_IO;
	const char **list = arena_array(a, (size_t)n + 1, sizeof(*list));
	for (int i = 0; i < n; i++) {
		if (list)
			list[i] = arena_printf(a, "%s/%s", path, found[i]->d_name).p;
		free(found[i]);
	}
	free(found);
	*files = list;
	return arena_failed(a) ? ERR_LIMIT : n;
}

int
haproxy_read(struct haproxy *h, const char *path)
{
	const char **files;
	struct stat st;
	int err = 0;

	if (stat(path, &st) != 0)
		return ERR_IO;
	if (!S_ISDIR(st.st_mode))
		return read_haproxy_file(h, path);
	int n = haproxy_folder(&h->arena, path, &files);
	if (n < 0)
		return n;
	for (int i = 0; i < n && !err; i++)
		err = read_haproxy_file(h, files[i]);
	return err;
}

/* Cuts a configuration line into words, and finds the variables that a line writes.
 *
 * Words follow HAProxy's parse_line() (configuration.txt 2.2 and 2.3). A line writes a variable
 * by an action, by a converter in any of its expressions, or by set-var in `global` (2.8,
 * 7.3.1). Converters' arguments may be quoted and escaped a second time, so their names are
 * read without quotes and backslashes. */
#include "base/ascii.h"
#include "operator/edge/haproxy_file.h"

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

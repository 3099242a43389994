/* Files and folders, .if, sections and their defaults. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/ascii.h"
#include "base/err.h"
#include "edge/haproxy_file.h"

/* Every section of 2.6 to 3.3; another word begins none. */
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

/* One .if: whether its branch is read, and whether one was surely taken before. */
struct branch {
	enum { READ, SKIP, MAYBE } now;
	bool taken;  /* a branch was true: those after it are skipped */
	bool unsure; /* a branch could not be judged */
};

struct reading {
	struct haproxy *h;
	const char *file;
	unsigned line;
	struct branch branch[HAPROXY_IF_DEPTH];
	size_t depth;
	bool ended; /* the rest of the file is not read */
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

void
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

	snprintf(command, sizeof(command), "'%s' -v 2>/dev/null", binary ? binary : "haproxy");
	if (binary && strchr(binary, '\''))
		return false;
	FILE *f = popen(command, "re");
	if (!f)
		return false;
	bool got = fgets(line, sizeof(line), f) != NULL;
	while (getc(f) != EOF)
		; /* or it dies of the closed pipe */
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

struct span
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
	struct buf text;

	buf_init(&text, 1 << 20);
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
	buf_free(&text);
}

/* ---- .if ---- */

static bool
skipping(const struct reading *r)
{
	for (size_t i = 0; i < r->depth; i++)
		if (r->branch[i].now == SKIP)
			return true;
	return false;
}

static bool
unsure(const struct reading *r)
{
	for (size_t i = 0; i < r->depth; i++)
		if (r->branch[i].now == MAYBE)
			return true;
	return false;
}

/* The next branch of an .if: its condition's value, 1 for .else. */
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
	struct buf text;

	buf_init(&text, 1 << 20);
	for (size_t i = 1; i < line->n; i++) {
		buf_span(&text, line->word[i]);
		buf_putc(&text, ' ');
	}
	int value = haproxy_condition(r->h, buf_view(&text));
	if (value < 0)
		haproxy_note(r->h, r->file, r->line,
			"whether this holds cannot be known here: what follows is read as if "
			"it "
			"may");
	buf_free(&text);
	return value;
}

/* A line that begins with a dot. */
static void
directive(struct reading *r, const struct haproxy_line *line)
{
	struct span word = line->word[0];
	struct branch *b = r->depth ? &r->branch[r->depth - 1] : NULL;

	if (span_is(word, ".if")) {
		if (r->depth == HAPROXY_IF_DEPTH) {
			haproxy_note(r->h, r->file, r->line,
				".if in .if, too deep: the rest of the file was not read");
			r->ended = true;
			return;
		}
		bool skip = skipping(r);
		b = &r->branch[r->depth++];
		*b = (struct branch){ .taken = skip };
		branch_next(b, skip ? 0 : branch_condition(r, line));
	} else if (b && span_is(word, ".elif")) {
		branch_next(b, b->taken ? 0 : branch_condition(r, line));
	} else if (b && span_is(word, ".else")) {
		branch_next(b, 1);
	} else if (b && span_is(word, ".endif")) {
		r->depth--;
	} else if (!span_is(word, ".notice") && !span_is(word, ".warning") &&
		   !span_is(word, ".alert") && !span_is(word, ".diag")) {
		haproxy_note(
			r->h, r->file, r->line, "%.*s: not understood here", SPAN_ARG(word));
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

/* setenv and presetenv of global are there for the lines after them. */
static void
global_environment(struct haproxy *h, const struct haproxy_line *l)
{
	bool preset = span_is(l->word[0], "presetenv");

	if (l->n >= 2 && (span_is(l->word[0], "setenv") || preset) &&
		(!preset || !haproxy_variable(h, l->word[1]).p))
		haproxy_setenv(h, l->word[1], haproxy_word(l, 2));
}

static void
section_add(struct reading *r, const struct haproxy_line *line)
{
	struct haproxy *h = r->h;

	if (h->outside) {
		haproxy_note(h, r->file, r->line, "%.*s: before any section",
			SPAN_ARG(line->word[0]));
		return;
	}
	struct haproxy_section *s = &h->section[h->n - 1];
	struct haproxy_line *l =
		arena_grow(&h->arena, s->line, s->n, &h->line_room, sizeof(*l), 32);
	if (!l)
		return;
	s->line = l;
	l[s->n++] = *line;
	if (s->kind == HAPROXY_GLOBAL)
		global_environment(h, line);
}

static void
read_line(struct reading *r, struct span source)
{
	struct haproxy_line line = { .file = r->file, .line = r->line, .source = source };
	struct span shown = span_trim(source, " \t\r");

	if (shown.n == 0 || *shown.p == '#')
		return;
	if (skipping(r) && *shown.p != '.')
		return; /* HAProxy does not look at it either */
	if (!haproxy_words(r->h, &line) || line.n == 0)
		return;
	line.maybe = unsure(r);
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
	while (rest.p && !r.ended) {
		r.line++;
		read_line(&r, span_next(&rest, '\n'));
	}
	if (r.depth)
		haproxy_note(h, r.file, r.line, ".if without its .endif");
	return arena_failed(&h->arena) ? ERR_NOMEM : 0;
}

/* ---- files ---- */

static int
read_file(struct haproxy *h, const char *file)
{
	struct buf text;
	int err = 0;

	buf_init(&text, HAPROXY_BYTES_MAX);
	if (!buf_file(&text, file))
		err = buf_failed(&text) ? ERR_LIMIT : ERR_IO;
	else
		err = haproxy_read_text(h, file, buf_view(&text));
	int why = errno;
	buf_free(&text);
	errno = why;
	return err;
}

static int
is_cfg(const struct dirent *e)
{
	struct span name = span_str(e->d_name);

	return *name.p != '.' && name.n > 4 && span_ends(name, SPAN_LIT(".cfg"));
}

int
haproxy_read(struct haproxy *h, const char *path)
{
	struct dirent **found;
	struct stat st;
	int err = 0;

	if (stat(path, &st) != 0)
		return ERR_IO;
	if (!S_ISDIR(st.st_mode))
		return read_file(h, path);
	int n = scandir(path, &found, is_cfg, alphasort);
	if (n < 0)
		return ERR_IO;
	for (int i = 0; i < n; i++) {
		char file[4096];
		if (!err && (size_t)snprintf(file, sizeof(file), "%s/%s", path,
				    found[i]->d_name) >= sizeof(file))
			err = ERR_LIMIT;
		if (!err)
			err = read_file(h, file);
		free(found[i]);
	}
	free(found);
	return err;
}

/* ---- what applies ---- */

/* The defaults section of this name, of those before; the last wins. */
static const struct haproxy_section *
defaults_named(const struct haproxy *h, size_t before, struct span name)
{
	for (size_t i = before; i-- > 0;)
		if (h->section[i].kind == HAPROXY_DEFAULTS && span_eq(h->section[i].name, name))
			return &h->section[i];
	return NULL;
}

/* The word after `from` in a section's head; empty: none. */
static struct span
head_from(const struct haproxy_line *head)
{
	for (size_t i = 1; i + 1 < head->n; i++)
		if (span_is(head->word[i], "from"))
			return head->word[i + 1];
	return span_of("", 0);
}

void
haproxy_resolve(struct haproxy *h)
{
	const struct haproxy_section *last = NULL;

	for (size_t i = 0; i < h->n; i++) {
		struct haproxy_section *s = &h->section[i];
		struct span from = head_from(s->head);
		if (span_is(s->name, "from"))
			s->name = span_of("", 0);
		if (s->kind != HAPROXY_GLOBAL && s->kind != HAPROXY_OTHER) {
			s->defaults = from.n			    ? defaults_named(h, i, from)
				      : s->kind == HAPROXY_DEFAULTS ? NULL
								    : last;
			if (from.n && !s->defaults)
				haproxy_note(h, s->head->file, s->head->line,
					"no section `defaults %.*s` comes before",
					SPAN_ARG(from));
		}
		if (s->kind == HAPROXY_DEFAULTS)
			last = s;
	}
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
haproxy_option(const struct haproxy_section *s, const char *name)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l, *on = NULL;

	while ((l = haproxy_next(&w)))
		if (span_is(l->word[0], "option") && span_is(haproxy_word(l, 1), name))
			on = l->negated ? NULL : l;
	return on;
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

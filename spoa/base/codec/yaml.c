/* Loads YAML as a tree with positions, from libyaml's events. libyaml's own document loader gives
 * no positions for keys, expands aliases by reference, and accepts duplicate keys.
 *
 * Aliases share the children of the anchored node. The number of nodes after expansion is
 * counted against CAP_YAML_NODES, so that a "billion laughs" file is refused before any code
 * walks the tree. The patterns of scalars are those of the core schema (YAML 1.2.2, 10.3.2).
 * Every error is one line of a list, with its position. */
#include "base/codec/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/utf8.h"
#include "base/file_set.h"
#include "base/scoped.h"

/* ---- errors ---- */

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

/* ---- loading ---- */

enum { CAP_ANCHORS = 4096 };

/* One anchor of a file. At most CAP_ANCHORS, in the arena. */
struct anchor {
	const char *name;
	struct yaml_node *node;
	size_t total;	 /* nodes of its subtree after expansion */
	unsigned height; /* levels of containers, including the node */
	bool open;	 /* its end has not been read: an alias would recurse */
};

/* One open container. */
struct level {
	struct yaml_node *node;
	struct yaml_node **tail; /* the link for the next child */
	struct yaml_node *key;	 /* mapping: the key that waits for its value */
	bool skip_value;	 /* the key was refused, so its value is dropped */
	size_t total;
	unsigned height; /* of the highest child */
	size_t anchor;	 /* 1-based index into anchors, 0: none */
};

struct loader {
	struct arena *a;
	const char *file;
	struct diag *d;
	struct level stack[CAP_YAML_DEPTH + 1];
	unsigned depth; /* number of open containers */
	struct yaml_node *root;
	size_t total; /* nodes so far, with aliases expanded */
	struct anchor *anchors;
	size_t nanchors;
	unsigned documents;
	bool stop;
};

static struct yaml_node
at_mark(const struct loader *l, const yaml_mark_t *m)
{
	return (struct yaml_node){ .file = l->file,
		.line = (unsigned)m->line + 1,
		.column = (unsigned)m->column + 1 };
}

#define refuse(l, m, ...)                                                                      \
	diag_at((l)->d, (struct yaml_node[]){ at_mark((l), (m)) }, __VA_ARGS__)

/* As refuse(), and stops reading. */
#define STOP(l, m, ...) (refuse((l), (m), __VA_ARGS__), (void)((l)->stop = true))

static struct yaml_node *
node_new(struct loader *l, enum yaml_kind kind, const yaml_mark_t *m)
{
	struct yaml_node *n = arena_new(l->a, struct yaml_node);

	if (!n) {
		STOP(l, m, "out of memory");
		return NULL;
	}
	*n = at_mark(l, m);
	n->kind = kind;
	return n;
}

/* Links a finished scalar, an alias or an opened container into its parent. */
static void
attach_node(struct loader *l, struct yaml_node *n, const yaml_mark_t *m)
{
	if (l->depth == 0) {
		l->root = n;
		return;
	}
	struct level *top = &l->stack[l->depth - 1];
	if (top->node->kind == YAML_MAPPING && !top->key && !top->skip_value) {
		if (n->kind != YAML_SCALAR)
			refuse(l, m, "a key must be a string");
		else if (n->s.n == 0)
			refuse(l, m, "an empty key");
		else {
			top->key = n;
			return;
		}
		top->skip_value = true;
		return;
	}
	if (top->skip_value) {
		top->skip_value = false;
		return;
	}
	n->key = top->key;
	top->key = NULL;
	*top->tail = n;
	top->tail = &n->next;
	top->node->count++;
}

/* Adds n's expanded size to all open containers. */
static void
count_yaml(struct loader *l, size_t total, unsigned height, const yaml_mark_t *m)
{
	if (total > CAP_YAML_NODES - l->total) {
		STOP(l, m, "more than %d nodes, aliases expanded", CAP_YAML_NODES);
		return;
	}
	l->total += total;
	if (l->depth + height > CAP_YAML_DEPTH) {
		STOP(l, m, "nested deeper than %d levels", CAP_YAML_DEPTH);
		return;
	}
	if (l->depth) {
		struct level *top = &l->stack[l->depth - 1];
		top->total += total;
		if (height > top->height)
			top->height = height;
	}
}

static size_t
anchor_add(struct loader *l, const yaml_char_t *name, struct yaml_node *n, const yaml_mark_t *m)
{
	if (!name)
		return 0;
	if (!l->anchors)
		l->anchors = arena_array(l->a, CAP_ANCHORS, sizeof(*l->anchors));
	char *copy = arena_strdup(l->a, (const char *)name);
	if (l->nanchors == CAP_ANCHORS || !l->anchors || !copy) {
		STOP(l, m, "more than %d anchors", CAP_ANCHORS);
		return 0;
	}
	l->anchors[l->nanchors++] = (struct anchor){ .name = copy, .node = n, .total = 1 };
	return l->nanchors;
}

static void
on_alias(struct loader *l, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	const struct anchor *found = NULL;

	/* A name may be anchored again: the newest anchor before the alias counts. */
	for (size_t i = l->nanchors; i > 0 && !found; i--)
		if (!strcmp(l->anchors[i - 1].name, name))
			found = &l->anchors[i - 1];
	if (!found) {
		STOP(l, &ev->start_mark, "no anchor &%s before this alias", name);
		return;
	}
	if (found->open) {
		STOP(l, &ev->start_mark, "the anchor &%s contains itself", name);
		return;
	}
	struct yaml_node *n = node_new(l, found->node->kind, &ev->start_mark);
	if (!n)
		return;
	struct yaml_node pos = *n;
	*n = *found->node;
	n->line = pos.line;
	n->column = pos.column;
	n->width = 0;
	n->key = n->next = NULL;
	count_yaml(l, found->total, found->height, &ev->start_mark);
	if (!l->stop)
		attach_node(l, n, &ev->start_mark);
}

static bool
refuse_tag(struct loader *l, const yaml_char_t *tag, const yaml_mark_t *m)
{
	if (tag)
		refuse(l, m, "tags are not supported: %.64s", (const char *)tag);
	return tag != NULL;
}

static void
on_scalar(struct loader *l, const yaml_event_t *ev)
{
	static const enum yaml_style styles[] = {
		[YAML_ANY_SCALAR_STYLE] = YAML_PLAIN,
		[YAML_PLAIN_SCALAR_STYLE] = YAML_PLAIN,
		[YAML_SINGLE_QUOTED_SCALAR_STYLE] = YAML_SINGLE,
		[YAML_DOUBLE_QUOTED_SCALAR_STYLE] = YAML_DOUBLE,
		[YAML_LITERAL_SCALAR_STYLE] = YAML_BLOCK,
		[YAML_FOLDED_SCALAR_STYLE] = YAML_BLOCK,
	};
	struct span text = span_of(ev->data.scalar.value, ev->data.scalar.length);

	refuse_tag(l, ev->data.scalar.tag, &ev->start_mark);
	if (text.n && memchr(text.p, 0, text.n))
		refuse(l, &ev->start_mark, "a NUL character is not allowed");
	struct yaml_node *n = node_new(l, YAML_SCALAR, &ev->start_mark);
	if (!n)
		return;
	n->style = styles[ev->data.scalar.style];
	n->quoted = n->style != YAML_PLAIN;
	if (ev->start_mark.line == ev->end_mark.line)
		n->width = (unsigned)(ev->end_mark.column - ev->start_mark.column);
	n->s = arena_dup(l->a, text);
	if (!n->s.p) {
		STOP(l, &ev->start_mark, "out of memory");
		return;
	}
	anchor_add(l, ev->data.scalar.anchor, n, &ev->start_mark);
	count_yaml(l, 1, 0, &ev->start_mark);
	if (!l->stop)
		attach_node(l, n, &ev->start_mark);
}

static void
on_open(struct loader *l, const yaml_event_t *ev)
{
	bool map = ev->type == YAML_MAPPING_START_EVENT;
	const yaml_char_t *anchor =
		map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor;

	refuse_tag(l, map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag,
		&ev->start_mark);
	struct yaml_node *n = node_new(l, map ? YAML_MAPPING : YAML_SEQUENCE, &ev->start_mark);
	if (!n)
		return;
	count_yaml(l, 1, 1, &ev->start_mark);
	if (l->stop)
		return;
	attach_node(l, n, &ev->start_mark);
	size_t id = anchor_add(l, anchor, n, &ev->start_mark);
	if (id)
		l->anchors[id - 1].open = true;
	l->stack[l->depth++] =
		(struct level){ .node = n, .tail = &n->child, .total = 1, .anchor = id };
}

static int
yaml_by_text(const void *x, const void *y)
{
	const struct yaml_node *a = *(struct yaml_node *const *)x;
	const struct yaml_node *b = *(struct yaml_node *const *)y;
	int c = span_order(a->s, b->s);

	if (c == 0)
		c = a->line < b->line ? -1 : a->line > b->line;
	if (c == 0)
		c = a->column < b->column ? -1 : a->column > b->column;
	return c;
}

/* The keys are sorted instead of compared in pairs, because a mapping may have CAP_YAML_NODES
 * keys. */
static void
check_duplicates(struct loader *l, const struct yaml_node *map)
{
	struct yaml_node **keys = calloc(map->count + 1, sizeof(struct yaml_node *));
	size_t n = 0;

	if (!keys) {
		diag_at(l->d, map, "out of memory");
		l->stop = true;
		return;
	}
	for (const struct yaml_node *c = map->child; c; c = c->next)
		keys[n++] = c->key;
	qsort(keys, n, sizeof(*keys), yaml_by_text);
	for (size_t i = 1; i < n; i++)
		if (span_eq(keys[i - 1]->s, keys[i]->s))
			diag_at(l->d, keys[i], "%.*s: given twice (first in line %u)",
				SPAN_ARG(keys[i]->s), keys[i - 1]->line);
	free(keys);
}

static void
on_close(struct loader *l)
{
	struct level *top = &l->stack[--l->depth];

	if (top->node->kind == YAML_MAPPING && top->node->count > 1)
		check_duplicates(l, top->node);
	if (top->anchor) {
		struct anchor *an = &l->anchors[top->anchor - 1];
		an->open = false;
		an->total = top->total;
		an->height = top->height + 1;
	}
	if (l->depth) {
		struct level *up = &l->stack[l->depth - 1];
		up->total += top->total - 1; /* the node itself was counted when it was opened */
		if (top->height + 1 > up->height)
			up->height = top->height + 1;
	}
}

static void
on_document(struct loader *l, const yaml_event_t *ev)
{
	const yaml_version_directive_t *v = ev->data.document_start.version_directive;

	if (l->documents++)
		STOP(l, &ev->start_mark, "a second document: a file can have only one");
	else if (v && (v->major != 1 || v->minor < 2))
		STOP(l, &ev->start_mark, "YAML %d.%d: only YAML 1.2 is supported", v->major,
			v->minor);
	else if (ev->data.document_start.tag_directives.start !=
		 ev->data.document_start.tag_directives.end)
		STOP(l, &ev->start_mark, "tags are not supported");
}

static void
on_event(struct loader *l, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT: on_document(l, ev); break;
	case YAML_ALIAS_EVENT: on_alias(l, ev); break;
	case YAML_SCALAR_EVENT: on_scalar(l, ev); break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT: on_open(l, ev); break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: on_close(l); break;
	default: break;
	}
}

/* Returns a line of the text; the first line is 0. */
static struct span
line_at(struct span text, size_t line)
{
	while (line-- && text.n)
		span_next(&text, '\n');
	return span_next(&text, '\n');
}

/* Returns true if the quotes end before the value does, as in `when: "pii" in prompt.classes`.
 * The mark counts characters, so that the hint may be missing for a line beyond ASCII. */
static bool
quotes_end(struct span text, const yaml_mark_t *m)
{
	struct span line = line_at(text, m->line);
	size_t at = m->column;

	if (at >= line.n || strchr("\"',:]}#", line.p[at]))
		return false;
	while (at && line.p[at - 1] == ' ')
		at--;
	return at && (line.p[at - 1] == '"' || line.p[at - 1] == '\'');
}

/* Adds libyaml's error. Errors of its reader have a byte offset and no mark. */
static void
syntax_error(struct loader *l, const yaml_parser_t *p, struct span text)
{
	const char *why = p->problem ? p->problem : "cannot be read";
	yaml_mark_t m = p->problem_mark;

	if (p->error == YAML_MEMORY_ERROR)
		why = "out of memory";
	if (p->error == YAML_READER_ERROR) {
		unsigned line, column;
		utf8_position(text, p->problem_offset, &line, &column);
		m = (yaml_mark_t){ .line = line - 1, .column = column - 1 };
	}
	if (span_starts(span_trim(line_at(text, m.line), " "), SPAN_LIT("\t")))
		refuse(l, &m,
			"the line is indented with a tab: use spaces, because YAML permits no tabs there");
	else if (p->error == YAML_PARSER_ERROR && quotes_end(text, &m))
		refuse(l, &m,
			"a value that begins with a quote ends with it: put the whole value "
			"into quotes, '…'");
	else if (p->context && p->error != YAML_READER_ERROR && p->context_mark.line < m.line)
		refuse(l, &m, "%s that begins at %zu:%zu: %s", p->context,
			p->context_mark.line + 1, p->context_mark.column + 1, why);
	else if (p->context && p->error != YAML_READER_ERROR)
		refuse(l, &m, "%s: %s", p->context, why);
	else
		refuse(l, &m, "%s", why);
}

struct yaml_node *
yaml_load(struct arena *a, const char *file, struct span text, struct diag *d)
{
	unsigned errors = d->errors;
	struct loader l = { .a = a, .file = arena_strdup(a, file), .d = d };
	yaml_parser_t p;

	if (!l.file) {
		diag_file(d, file, "out of memory");
		return NULL;
	}
	if (text.n > CAP_YAML_BYTES) {
		diag_file(d, file, "larger than %u bytes", CAP_YAML_BYTES);
		return NULL;
	}
	if (!yaml_parser_initialize(&p)) {
		diag_file(d, file, "out of memory");
		return NULL;
	}
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)(text.p ? text.p : ""), text.n);
	for (bool end = false; !end && !l.stop;) {
		yaml_event_t ev;
		if (!yaml_parser_parse(&p, &ev)) {
			syntax_error(&l, &p, text);
			break;
		}
		on_event(&l, &ev);
		end = ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&p);
	if (d->errors == errors && !l.root)
		diag_file(d, file, "is empty");
	return d->errors == errors ? l.root : NULL;
}

struct yaml_node *
yaml_load_file(struct arena *a, const char *file, struct diag *d)
{
	struct yaml_node *root = NULL;

	diag_reads(d, file);
	SCOPED_BUF(text, CAP_YAML_BYTES + 65536);
	if (!buf_file(&text, file))
		diag_file(d, file, "cannot open: %s", strerror(errno));
	else if (buf_failed(&text))
		diag_file(d, file, "cannot read: too large");
	else
		root = yaml_load(a, file, buf_view(&text), d);
	return root;
}

struct yaml_node *
yaml_load_rotating(struct arena *a, const char *file, struct diag *d)
{
	enum set_file_kind before = file_set_kind(FILE_ROTATES);
	struct yaml_node *root = yaml_load_file(a, file, d);

	file_set_kind(before);
	diag_rotates(d, file);
	return root;
}

struct yaml_node *
yaml_get(const struct yaml_node *map, const char *key)
{
	if (!map || map->kind != YAML_MAPPING)
		return NULL;
	for (struct yaml_node *c = map->child; c; c = c->next)
		if (span_is(c->key->s, key))
			return c;
	return NULL;
}

/* ---- values of scalars ---- */

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

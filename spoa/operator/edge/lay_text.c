/* Writes what `tollgate init` produces: a file with its edits, the edits as a unified
 * difference, and tollgate's own files for the chosen backends. */
#include <stdio.h>

#include "operator/edge/credential.h"
#include "operator/edge/lay.h"
#include "operator/edge/shipped.h"
#include "policy/config/config.h"

enum { CONTEXT = 3 };

static void
put_lay_line(struct buf *out, struct span line)
{
	buf_span(out, line);
	buf_putc(out, '\n');
}

/* Returns the next edit of this file, ordered by line and, for one line, by position in edit[];
 * NULL: there is none. `last` is the previous one, NULL at the start. */
static const struct lay_edit *
next_edit(const struct lay_edit *edit, size_t n, const char *file, const struct lay_edit *last)
{
	const struct lay_edit *next = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct lay_edit *e = &edit[i];
		bool later = !last || e->after > last->after ||
			     (e->after == last->after && e > last);
		if (strcmp(e->file, file) || !later)
			continue;
		if (!next || e->after < next->after)
			next = e;
	}
	return next;
}

void
lay_apply(const struct lay_edit *edit, size_t n, const char *file, struct span text,
	struct buf *out)
{
	const struct lay_edit *e = next_edit(edit, n, file, NULL);
	unsigned line = 0;
	bool drop = false;

	for (;;) {
		for (; e && e->after == line; e = next_edit(edit, n, file, e)) {
			for (struct span rest = e->text; rest.n;)
				put_lay_line(out, span_next(&rest, '\n'));
			drop |= e->drop;
		}
		if (!text.n)
			return;
		struct span l = span_next(&text, '\n');
		if (!drop)
			put_lay_line(out, l);
		drop = false;
		line++;
	}
}

unsigned
lay_origin(const struct lay_edit *edit, size_t n, const char *file, unsigned line)
{
	const struct lay_edit *e = next_edit(edit, n, file, NULL);
	/* number of lines passed so far in the result and in the file */
	unsigned is = 0, was = 0;

	for (; e; e = next_edit(edit, n, file, e)) {
		unsigned lines = 0;
		if (is + (e->after - was) >= line)
			break;
		is += e->after - was;
		was = e->after;
		for (struct span rest = e->text; rest.n; lines++)
			span_next(&rest, '\n');
		if (is + lines >= line)
			return was + e->drop;
		is += lines;
		was += e->drop;
	}
	return was + (line - is);
}

/* One hunk of a unified difference. */
struct hunk {
	struct buf text;
	unsigned from, old_lines, new_lines; /* from: index of its first line, counted from 0 */
};

/* Adds a line to the hunk. A secret in the operator's line is cut off, because the difference
 * may appear on a terminal or in a log. */
static void
hunk_line(struct hunk *h, char mark, struct span line)
{
	size_t secret = mark == '+' ? line.n : secret_at(line);

	buf_putc(&h->text, mark);
	buf_span(&h->text, span_cut(line, 0, secret));
	buf_str(&h->text, secret < line.n ? "[not shown]\n" : "\n");
	h->old_lines += mark != '+';
	h->new_lines += mark != '-';
}

static void
hunk_end(struct hunk *h, long shift, struct buf *out)
{
	if (h->text.n)
		buf_printf(out, "@@ -%u,%u +%ld,%u @@\n", h->from + (h->old_lines > 0),
			h->old_lines, (long)h->from + shift + (h->new_lines > 0), h->new_lines);
	buf_span(out, buf_view(&h->text));
	buf_clear(&h->text);
	h->old_lines = h->new_lines = 0;
}

/* Writes the edits of one file as a unified diff. The loop goes through the file's lines from 0
 * (before the first line). A hunk begins CONTEXT lines before an edit and ends CONTEXT lines
 * after it; `shift` is by how many lines the new file is longer so far. */
void
lay_diff(const struct lay_edit *edit, size_t n, const char *file, struct span text,
	struct buf *out)
{
	const struct lay_edit *e = next_edit(edit, n, file, NULL), *last = NULL;
	struct hunk h = { .from = 0 };
	long shift = 0, shift_before = 0;
	unsigned line = 0, until = 0;

	if (!e)
		return;
	buf_printf(out, "--- %s\n+++ %s\n", file, file);
	buf_init(&h.text, 0);
	for (;; line++) {
		bool drop = false;
		for (; e && e->after == line; last = e, e = next_edit(edit, n, file, e)) {
			for (struct span rest = e->text; rest.n; shift++)
				hunk_line(&h, '+', span_next(&rest, '\n'));
			shift -= e->drop;
			drop |= e->drop;
			until = line + CONTEXT + e->drop;
		}
		if (!text.n)
			break;
		struct span l = span_next(&text, '\n');
		bool before = e && e->after <= line + CONTEXT;
		if (h.text.n == 0 && (before || drop)) {
			h.from = line;
			shift_before = shift + drop;
		}
		if (drop)
			hunk_line(&h, '-', l);
		else if (before || (last && line < until))
			hunk_line(&h, ' ', l);
		else
			hunk_end(&h, shift_before, out);
	}
	hunk_end(&h, shift_before, out);
	buf_free(&h.text);
}

/* ---- tollgate's own files ---- */

/* Writes a line of tollgate.yaml with the sockets in the folder l->moved. */
static void
put_moved(const struct lay *l, struct span line, struct buf *out)
{
	const struct span folder = SPAN_LIT(SOCKETS_FOLDER "/");
	const char *p = l->moved ? memmem(line.p, line.n, folder.p, folder.n) : NULL;
	size_t n = p ? (size_t)(p - line.p) : line.n;

	buf_span(out, span_cut(line, 0, n));
	if (p)
		buf_printf(out, "%s/", l->moved);
	put_lay_line(out, span_cut(line, n + (p ? folder.n : 0), line.n));
}

void
lay_config(const struct lay *l, struct buf *out)
{
	struct span text = shipped("policies/tollgate.yaml");
	char node[NODE_NAME_MAX + 1];

	node_of_host(node);
	while (text.n) {
		struct span line = span_next(&text, '\n');
		if (span_starts(line, SPAN_LIT("#node:"))) {
			buf_printf(out,
				"node: %-22s # name in records, tickets and logs; it stays if "
				"the host is renamed\n",
				node);
			continue;
		}
		if (!span_starts(line, SPAN_LIT("backends:"))) {
			put_moved(l, line, out);
			continue;
		}
		buf_str(out, "backends: [");
		for (size_t i = 0; i < l->nbackend; i++)
			buf_printf(out, "%s%s", i ? ", " : "", l->backend[i].name);
		buf_str(out, "]\n");
	}
}

/* systemd runs the line with "+" outside the unit's sandbox, as root. The folder may be missing
 * at a start, for example if the chroot is in a tmpfs. */
void
lay_unit(const struct lay *l, struct buf *out)
{
	if (l->moved)
		buf_printf(out,
			"# The daemon's sockets are inside HAProxy's chroot. Written by "
			"tollgate init.\n"
			"[Service]\n"
			"ExecStartPre=+/usr/bin/install -d -o tollgate -g haproxy -m 750 "
			"\"%s\"\n"
			"ReadWritePaths=\"%s\"\n",
			l->moved, l->moved);
}

static const struct lay_backend *
backend_of_dialect(const struct lay *l, const char *dialect)
{
	for (size_t i = 0; i < l->nbackend; i++)
		if (!strcmp(l->backend[i].dialect, dialect))
			return &l->backend[i];
	return NULL;
}

/* Returns the backend for a route of the shipped policy, by the dialect in its targets; NULL:
 * no backend speaks it. */
static const struct lay_backend *
route_backend(const struct lay *l, struct span route)
{
	static const char *const dialects[] = { "openai", "anthropic" };

	for (size_t i = 0; i < COUNT_OF(dialects); i++) {
		char targets[64];
		snprintf(targets, sizeof(targets), "targets: [%s]", dialects[i]);
		if (memmem(route.p, route.n, targets, strlen(targets)))
			return backend_of_dialect(l, dialects[i]);
	}
	return NULL;
}

/* Returns true for dialects whose paths tollgate does not know. */
static bool
without_paths(const char *dialect)
{
	return !strcmp(dialect, "rest") || !strcmp(dialect, "mcp");
}

bool
lay_no_route(const struct lay *l)
{
	for (size_t i = 0; i < l->nbackend; i++)
		if (!without_paths(l->backend[i].dialect))
			return false;
	return l->nbackend != 0;
}

bool
lay_has_route(const struct lay *l, size_t i)
{
	const struct lay_backend *b = &l->backend[i];

	return lay_no_route(l)
		       ? i == 0
		       : backend_of_dialect(l, b->dialect) == b && !without_paths(b->dialect);
}

static void
put_route(struct span route, const struct lay_backend *b, struct buf *out)
{
	while (route.n) {
		struct span line = span_next(&route, '\n');
		if (span_starts(span_trim(line, " "), SPAN_LIT("targets:")))
			buf_printf(out, "    targets: [%s]\n", b->name);
		else
			put_lay_line(out, line);
	}
}

/* Writes the policy's routes: the shipped routes that lead to a chosen backend, and a route for
 * each backend that they do not reach. */
static void
put_routes(const struct lay *l, struct span text, struct buf *out)
{
	struct span begin = SPAN_LIT("  - name:");

	while (text.n) {
		size_t end = span_chr(text, '\n') + 1;
		while (end < text.n && !span_starts(span_cut(text, end, text.n), begin))
			end += span_chr(span_cut(text, end, text.n), '\n') + 1;
		struct span route = span_cut(text, 0, end);
		const struct lay_backend *b = route_backend(l, route);
		if (b)
			put_route(route, b, out);
		text = span_cut(text, end, text.n);
	}
	static const char *const ours[] = { "openai", "anthropic", "rest", "mcp" };
	if (lay_no_route(l))
		buf_printf(out,
			"  - name: %s\n"
			"    match: {methods: [POST], path: /say/what/may/be/called}\n"
			"    targets: [%s]\n",
			l->backend[0].name, l->backend[0].name);
	for (size_t i = lay_no_route(l); i < l->nbackend; i++)
		if (lay_has_route(l, i) && !SPAN_IN(span_str(l->backend[i].dialect), ours))
			buf_printf(out,
				"  - {name: %s, match: {api: %s}, response: [meter, record], "
				"targets: [%s]}\n",
				l->backend[i].name, l->backend[i].dialect, l->backend[i].name);
		else if (!lay_has_route(l, i))
			buf_printf(out,
				"  # %s has no route yet:\n"
				"  # - {name: %s, match: {methods: [POST], path: /…}, targets: "
				"[%s]}\n",
				l->backend[i].name, l->backend[i].name, l->backend[i].name);
}

void
lay_policy(const struct lay *l, struct buf *out)
{
	struct span text = shipped("policies/default.yaml");

	while (text.n) {
		struct span line = span_next(&text, '\n');
		bool providers = span_starts(line, SPAN_LIT("providers:"));
		bool routes = span_starts(line, SPAN_LIT("routes:"));
		put_lay_line(out, line);
		if (!providers && !routes)
			continue;
		size_t end = 0; /* end of the block, which is an empty line */
		while (end < text.n && text.p[end] != '\n')
			end += span_chr(span_cut(text, end, text.n), '\n') + 1;
		for (size_t i = 0; providers && i < l->nbackend; i++)
			buf_printf(out, "  %s: {backend: %s, dialect: %s, external: true}\n",
				l->backend[i].name, l->backend[i].name, l->backend[i].dialect);
		if (routes)
			put_routes(l, span_cut(text, 0, end), out);
		text = span_cut(text, end, text.n);
	}
}

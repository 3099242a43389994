/* Writes what `tollgate init` produces: a file with its edits, the edits as a unified
 * difference, and tollgate's own files for the chosen backends. */
#include <stdio.h>

#include "base/among.h"
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

/* Writes a route of default.yaml with its name, host and target. */
static void
put_shipped_route(const struct lay_route *r, struct buf *out)
{
	struct span text = r->shipped;

	while (text.n) {
		struct span line = span_next(&text, '\n'), l = span_trim(line, " "), name = l;
		const struct span match = SPAN_LIT("    match: {");
		span_next(&name, ':');
		name = span_trim(name, " ");
		if (span_starts(l, SPAN_LIT("targets:")))
			buf_printf(out, "    targets: [%s]\n", r->to->name);
		else if (span_starts(l, SPAN_LIT("- name:")) && !span_starts(name, span_str(r->name)))
			buf_printf(out, "  - name: %s\n", r->name);
		else if (r->host && span_starts(line, match))
			buf_printf(out, "%.*shost: \"%s\", %.*s\n", SPAN_ARG(match), r->host,
				SPAN_ARG(span_cut(line, match.n, line.n)));
		else
			put_lay_line(out, line);
	}
}

/* Writes a route for a rule of HAProxy's, or for the paths of a dialect. */
static void
put_way_route(const struct lay_route *r, struct buf *out)
{
	bool meters = !SPAN_IN(span_str(r->to->dialect), ((const char *const[]){ "rest", "mcp" }));

	buf_printf(out, "  - {name: %s, match: {", r->name);
	if (r->host)
		buf_printf(out, "host: \"%s\", ", r->host);
	if (r->api)
		buf_printf(out, "api: %s", r->to->dialect);
	if (r->way && r->way->exact)
		buf_printf(out, "path: \"%.*s\"", SPAN_ARG(r->way->path));
	else if (r->way && (r->way->path.n || !r->api))
		buf_printf(out, "%spath_prefix: \"%.*s\"", r->api ? ", " : "",
			SPAN_ARG(!r->way->path.n ? SPAN_LIT("/")
				 : r->api && span_ends(r->way->path, SPAN_LIT("/"))
					 ? span_cut(r->way->path, 0, r->way->path.n - 1)
					 : r->way->path));
	buf_printf(out, "}, %stargets: [%s]}\n",
		meters ? r->way && r->way->path.n ? "response: [meter], "
						  : "response: [meter, record], "
		       : "",
		r->to->name);
}

/* Writes the policy's routes, and a comment for each backend that has none. */
static void
put_routes(const struct lay *l, struct buf *out)
{
	for (size_t i = 0; i < l->nroute; i++)
		if (l->route[i].shipped.n)
			put_shipped_route(&l->route[i], out);
		else
			put_way_route(&l->route[i], out);
	if (lay_no_route(l))
		buf_printf(out,
			"  - name: %s\n"
			"    match: {methods: [POST], path: /say/what/may/be/called}\n"
			"    targets: [%s]\n",
			l->backend[0].name, l->backend[0].name);
	for (size_t i = lay_no_route(l); i < l->nbackend; i++)
		if (!lay_has_route(l, i))
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
			buf_printf(out, "  %s: {backend: %s, dialect: %s, external: %s}\n",
				l->backend[i].name, l->backend[i].name, l->backend[i].dialect,
				l->backend[i].internal ? "false" : "true");
		if (routes)
			put_routes(l, out);
		text = span_cut(text, end, text.n);
	}
}

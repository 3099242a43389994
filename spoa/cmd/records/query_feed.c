/* Reads journals while they grow. For each node, the segments are read one after the other;
 * the last one stays open and is read again in each turn. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/records/query.h"

enum { NODES_MAX = 256 }; /* nodes in one journal */

static void
feed_close(struct query_feed *f)
{
	if (f->fd < 0)
		return;
	lines_close(&f->lines);
	close(f->fd);
	f->fd = -1;
}

static int
feed_open(const struct query_feeds *all, struct query_feed *f, const struct journal_segment *s)
{
	char path[JOURNAL_PATH_MAX];

	f->at = *s;
	f->good = 0;
	journal_segment_path(f->dir, s, path);
	f->fd = journal_segment_open(f->dir, s);
	if (f->fd < 0 && errno == ENOENT)
		return EXIT_DONE; /* the segment was moved away: continue with the remaining ones */
	if (f->fd < 0)
		return cmd_fail(all->what, "%s: %s", path, strerror(errno));
	if (lines_open(&f->lines, f->fd, 0) == 0)
		return EXIT_DONE;
	close(f->fd);
	f->fd = -1;
	return cmd_fail(all->what, "out of memory");
}

/* Reads the open segment to its present end. */
static int
feed_read(const struct query_feeds *all, struct query_feed *f)
{
	struct span line;
	int got = 0;

	if (f->fd < 0)
		return EXIT_DONE;
	while (!f->stale && (got = lines_next(&f->lines, UINT64_MAX, &line)) > 0)
		all->line(all->arg, f, line);
	f->lines.from = f->lines.to = 0; /* NUL bytes before the end will be overwritten by the
					  * daemon */
	if (all->end)
		all->end(all->arg, f);
	return got < 0 ? cmd_fail(all->what, "%s/%s: %s", f->dir, f->at.name, err_str(got))
		       : EXIT_DONE;
}

/* Reads from the open segment through all later ones to the node's last segment, which
 * stays open. A daemon that begins a segment has finished the previous one, so the previous
 * one is first read to its end. */
static int
feed_on(const struct query_feeds *all, struct query_feed *f, const struct journal_list *list)
{
	int code = feed_read(all, f);

	for (size_t i = 0; i < list->n && code == EXIT_DONE && !f->stale; i++) {
		const struct journal_segment *s = &list->seg[i];
		if (!s->ours || strcmp(s->node, f->at.node) || strcmp(s->name, f->at.name) <= 0)
			continue;
		code = feed_read(all, f);
		feed_close(f);
		if (code == EXIT_DONE)
			code = feed_open(all, f, s);
		if (code == EXIT_DONE)
			code = feed_read(all, f);
	}
	return code;
}

/* Returns the node's segment that is read first. `first` is its oldest segment. */
static size_t
begin_at(const struct query_feeds *all, const char *dir, const struct journal_list *list,
	size_t first)
{
	for (size_t i = first + 1; all->passed && i < list->n; i++) {
		const struct journal_segment *s = &list->seg[i];
		if (!s->ours || strcmp(s->node, list->seg[first].node))
			continue;
		if (!all->passed(all->arg, dir, &list->seg[first], s))
			break;
		first = i;
	}
	return first;
}

/* Creates feeds for new nodes, and reads them to their end. */
static int
add_nodes(struct query_feeds *all, const char *dir, const struct journal_list *list)
{
	int code = EXIT_DONE;

	for (size_t i = 0; i < list->n && code == EXIT_DONE; i++) {
		size_t k = 0;
		while (k < all->n && (all->feed[k].dir != dir ||
					     strcmp(all->feed[k].at.node, list->seg[i].node)))
			k++;
		if (!list->seg[i].ours || k < all->n)
			continue;
		if (all->n == NODES_MAX)
			return cmd_fail(
				all->what, "%s: has more than %d nodes, which is the limit", dir, NODES_MAX);
		struct query_feed *f = &all->feed[all->n];
		*f = (struct query_feed){ .dir = dir, .fd = -1 };
		code = feed_open(all, f, &list->seg[begin_at(all, dir, list, i)]);
		all->n++;
		if (code == EXIT_DONE)
			code = feed_on(all, f, list);
		/* without --follow, close the file, since there may be many nodes */
		if (!all->follow)
			feed_close(f);
	}
	return code;
}

/* Passes the lines of one journal that exist now. */
static int
read_fed_journal(struct query_feeds *all, const char *dir)
{
	struct journal_list list;

	SCOPED_BUF(why, 4096);
	int code = cmd_failed(all->what, journal_list_all(dir, NULL, true, &list, &why), &why);
	for (size_t i = 0; i < all->n && code == EXIT_DONE; i++)
		if (all->feed[i].dir == dir)
			code = feed_on(all, &all->feed[i], &list);
	if (code == EXIT_DONE)
		code = add_nodes(all, dir, &list);
	journal_list_free(&list);
	return code;
}

int
query_feeds_turn(struct query_feeds *all)
{
	int code = EXIT_DONE;

	if (!all->feed && !(all->feed = calloc(NODES_MAX, sizeof(*all->feed))))
		return cmd_fail(all->what, "out of memory");
	for (size_t i = all->n; i-- > 0;)
		if (all->feed[i].stale) {
			feed_close(&all->feed[i]);
			all->feed[i] = all->feed[--all->n];
		}
	for (size_t i = 0; i < all->ndirs && code == EXIT_DONE; i++)
		code = read_fed_journal(all, all->dir[i]);
	return code;
}

void
query_feeds_free(struct query_feeds *all)
{
	for (size_t i = 0; i < all->n; i++)
		feed_close(&all->feed[i]);
	free(all->feed);
	all->feed = NULL;
	all->n = 0;
}

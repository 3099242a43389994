/* tollgate audit list: a line a decision, for a person who asks what happened when. Segments
 * that end before --since are not read; --follow goes on where the journal grows. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/audit.h"
#include "cmd/cmd.h"
#include "cmd/plain.h"
#include "store/journal.h"
#include "store/lines.h"

#define POLL_NS 200000000L

struct list {
	const struct audit_args *a;
	char since[CLOCK_RFC3339_LEN], until[CLOCK_RFC3339_LEN]; /* compare as text */
	size_t shown;
};

static bool
is_text(struct span raw, const char *want)
{
	return !want || (raw.n == strlen(want) + 2 && !memcmp(raw.p + 1, want, raw.n - 2));
}

static bool
has_class(json_t *record, const char *want)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(record, "classes"), i, one)
	{
		if (!strcmp(json_string_value(one) ? json_string_value(one) : "", want))
			return true;
	}
	return false;
}

static const char *
text(json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s && *s ? s : "-";
}

/* observed: "(deny 403)" */
static void
put_would(struct buf *b, json_t *would)
{
	json_t *status = json_object_get(would, "status");

	buf_printf(b, "(%s", text(would, "decision"));
	if (json_is_integer(status))
		buf_printf(b, " %lld", (long long)json_integer_value(status));
	buf_str(b, ") ");
}

/* Time, decision, person, route, model, rule or what else decided, classes, id. */
static void
print_line(json_t *r)
{
	json_t *one, *status = json_object_get(r, "status"),
		     *would = json_object_get(r, "would");
	const char *rule = text(r, "rule"), *reason = text(r, "reason");
	struct buf b, shown;
	size_t i;

	buf_init(&b, 0);
	buf_printf(&b, "%.23sZ %-6s ", text(r, "decided_at"), text(r, "decision"));
	if (json_is_integer(status))
		buf_printf(&b, "%lld ", (long long)json_integer_value(status));
	if (would) {
		put_would(&b, would);
		rule = text(would, "rule");
		reason = text(would, "reason");
	}
	buf_printf(&b, "%s %s %s %s ", text(json_object_get(r, "identity"), "person"),
		text(r, "route"), text(r, "model"), strcmp(rule, "-") ? rule : reason);
	if (json_array_size(json_object_get(r, "classes")) == 0)
		buf_putc(&b, '-');
	json_array_foreach(json_object_get(r, "classes"), i, one)
	{
		buf_str(&b, i ? "," : "");
		buf_str(&b, json_string_value(one) ? json_string_value(one) : "?");
	}
	buf_printf(&b, " %s", text(r, "id"));
	buf_init(&shown, 0);
	plain_put(&shown, buf_view(&b), SIZE_MAX);
	printf("%.*s\n", SPAN_ARG(buf_view(&shown)));
	buf_free(&shown);
	buf_free(&b);
}

static void
list_line(void *arg, struct span line)
{
	struct list *l = arg;
	const struct audit_args *a = l->a;
	struct span time = chain_member(line, "time");

	if (!is_text(chain_member(line, "type"), "decision") ||
		time.n != CLOCK_RFC3339_LEN + 1 ||
		(a->since_ns && memcmp(time.p + 1, l->since, time.n - 2) < 0) ||
		(a->until_ns && memcmp(time.p + 1, l->until, time.n - 2) >= 0) ||
		!is_text(chain_member(line, "decision"), a->decision) ||
		!is_text(chain_member(line, "route"), a->route))
		return;
	json_t *r = json_loadb(line.p, line.n, 0, NULL);
	if (r &&
		(!a->person ||
			!strcmp(text(json_object_get(r, "identity"), "person"), a->person)) &&
		(!a->class || has_class(r, a->class))) {
		l->shown++;
		if (a->as_json)
			printf("%.*s\n", SPAN_ARG(line));
		else
			print_line(r);
	}
	json_decref(r);
}

/* ---- a journal ---- */

static bool
first_time(const char *dir, const struct journal_segment *s, char out[CLOCK_RFC3339_LEN])
{
	char path[4096], head[1024];

	snprintf(path, sizeof(path), "%s/%s", dir, s->name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	static const char member[] = ",\"time\":\"";
	const char *at = memmem(head, (size_t)n, member, sizeof(member) - 1);
	if (!at || head + n - at < (ssize_t)(sizeof(member) + CLOCK_RFC3339_LEN))
		return false;
	memcpy(out, at + sizeof(member) - 1, CLOCK_RFC3339_LEN - 1);
	out[CLOCK_RFC3339_LEN - 1] = 0;
	return true;
}

/* The segment after this one of the same node; false: it is the last. */
static bool
next_segment(const char *dir, struct journal_segment *s)
{
	struct journal_list list;
	struct buf why;
	bool found = false;

	buf_init(&why, 4096);
	if (journal_list(dir, NULL, &list, &why) == 0) {
		for (size_t i = 0; i < list.n && !found; i++)
			if (!strcmp(list.seg[i].node, s->node) &&
				strcmp(list.seg[i].name, s->name) > 0) {
				*s = list.seg[i];
				found = true;
			}
		journal_list_free(&list);
	}
	buf_free(&why);
	return found;
}

/* Reads a segment to its end; with `stay` until another one follows it. */
static int
read_segment(struct list *l, const char *dir, const struct journal_segment *s, bool stay)
{
	const struct timespec pause = { 0, POLL_NS };
	struct journal_segment after = *s;
	char path[4096];
	struct lines lines;
	struct span line;
	bool more = false;
	int got;

	snprintf(path, sizeof(path), "%s/%s", dir, s->name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cmd_fail("audit list", "%s: %s", path, strerror(errno));
	if (lines_open(&lines, fd, 0)) {
		close(fd);
		return cmd_fail("audit list", "out of memory");
	}
	for (;;) {
		while ((got = lines_next(&lines, UINT64_MAX, &line)) > 0)
			list_line(l, line);
		lines.from = lines.to = 0; /* NUL bytes ahead of the end are written over */
		if (got < 0 || !stay || more || fflush(stdout) == EOF)
			break;
		more = next_segment(dir, &after); /* what came before it is read once more */
		if (!more)
			nanosleep(&pause, NULL);
	}
	lines_close(&lines);
	close(fd);
	return got < 0 ? cmd_fail("audit list", "%s: %s", path, err_str(got)) : EXIT_DONE;
}

static int
list_journal(struct list *l, const char *dir)
{
	struct journal_list list;
	struct buf why;
	char when[CLOCK_RFC3339_LEN];
	size_t from = 0;
	int code = EXIT_DONE;

	buf_init(&why, 4096);
	if (journal_list(dir, NULL, &list, &why)) {
		code = cmd_fail("audit list", "%.*s", SPAN_ARG(buf_view(&why)));
		buf_free(&why);
		return code;
	}
	buf_free(&why);
	for (size_t i = 1; l->a->since_ns && i < list.n; i++)
		if (!strcmp(list.seg[i].node, list.seg[i - 1].node) &&
			first_time(dir, &list.seg[i], when) && strcmp(when, l->since) < 0 &&
			from == i - 1)
			from = i;
	struct journal_segment last = { .name = "" };
	for (size_t i = from; i < list.n && code == EXIT_DONE; i++) {
		last = list.seg[i];
		code = read_segment(l, dir, &last, l->a->follow && i + 1 == list.n);
	}
	journal_list_free(&list);
	while (code == EXIT_DONE && l->a->follow && *last.name && next_segment(dir, &last))
		code = read_segment(l, dir, &last, true);
	return code;
}

int
audit_list(struct audit_args *a)
{
	struct list l = { .a = a };
	struct audit_sink to = { &l, list_line, NULL, NULL };

	clock_rfc3339(a->since_ns, l.since);
	clock_rfc3339(a->until_ns, l.until);
	if (a->journal && !a->redis && !a->file)
		return list_journal(&l, a->journal);
	return audit_read(a, &to);
}

/* Reads a journal that grows: see follow.h.
 *
 * If the audit thread finds that its segment was removed, renamed or changed, it begins a new
 * segment (record/audit/audit.c). The first commit of that segment has an alarm:
 * {"type":"alarm","segment":NAME,"how":"removed","from":SEQ}
 * The records from SEQ up to the first record of the new segment may be lost. */
#include "record/journal/follow.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"
#include "record/journal/chain.h"

void
follow_close(struct follow *f)
{
	if (f->segment[0]) {
		close(f->lines.fd);
		lines_close(&f->lines);
	}
	f->segment[0] = '\0';
}

int
follow_from(struct follow *f, const char *name, uint64_t offset)
{
	struct journal_segment s = { .form = JOURNAL_PLAIN };

	follow_close(f);
	snprintf(s.name, sizeof(s.name), "%s", name);
	int fd = journal_segment_open(f->dir, &s);
	if (fd < 0 && f->restored) {
		s.form = JOURNAL_RESTORED;
		fd = journal_segment_open(f->dir, &s);
	}
	if (fd < 0)
		return ERR_IO;
	if (lines_open(&f->lines, fd, offset)) {
		close(fd);
		return ERR_NOMEM;
	}
	snprintf(f->segment, sizeof(f->segment), "%s", name);
	return 0;
}

/* Puts the name of the segment that holds record `seq` into `out`: the last segment that
 * begins at or before `seq`. If `after` is not NULL, finds the segment that follows the
 * segment `after` instead. Returns false if there is none. */
static bool
find_segment(struct follow *f, uint64_t seq, const char *after, char out[JOURNAL_NAME_MAX])
{
	struct journal_list list;
	bool found = false;

	SCOPED_BUF(why, 4096);
	if (journal_list_all(f->dir, f->node, f->restored, &list, &why) == 0) {
		for (size_t i = 0; i < list.n; i++) {
			const struct journal_segment *s = &list.seg[i];
			if (!s->ours || (after ? strcmp(s->name, after) <= 0 : s->first > seq))
				continue;
			snprintf(out, JOURNAL_NAME_MAX, "%.*s", JOURNAL_NAME_MAX - 1, s->name);
			found = true;
			if (after)
				break;
		}
		journal_list_free(&list);
	}
	return found;
}

int
follow_line(struct follow *f, const struct follow_end *end, struct span *line)
{
	for (;;) {
		char name[JOURNAL_NAME_MAX];
		/* All lines of an older segment are durable. */
		bool current = !strcmp(f->segment, end->name);
		int got = lines_next(&f->lines, current ? end->bytes : UINT64_MAX, line);
		if (got != 0 || current || strcmp(f->segment, end->name) > 0)
			return got;
		if (!find_segment(f, 0, f->segment, name))
			return 0;
		got = follow_from(f, name, 0);
		if (got)
			return got;
	}
}

int
follow_place(struct follow *f, const struct follow_end *end, uint64_t seq, struct span bytes)
{
	char name[JOURNAL_NAME_MAX];
	struct span line;
	int got;

	if (!find_segment(f, seq ? seq : 1, NULL, name) &&
		(seq || !find_segment(f, UINT64_MAX, "", name)))
		return ERR_NOTFOUND;
	got = follow_from(f, name, 0);
	if (got || seq == 0)
		return got;
	while ((got = follow_line(f, end, &line)) > 0) {
		struct chain_line l;
		if (chain_parse(line, &l))
			return ERR_AUTH;
		if (l.commit || l.seq < seq)
			continue;
		if (l.seq > seq)
			return ERR_NOTFOUND;
		f->boot = l.boot;
		return bytes.p && !span_eq(line, bytes) ? ERR_AUTH : 0;
	}
	return got ? got : ERR_NOTFOUND;
}

/* Copies the value of a string member. The copy is empty if the value has escapes, which
 * names do not have. */
static void
plain_text(struct span line, const char *key, char *out, size_t size)
{
	struct span s = chain_member(line, key);

	out[0] = '\0';
	if (s.n >= 2 && s.p[0] == '"' && span_chr(s, '\\') == s.n)
		snprintf(out, size, "%.*s", SPAN_ARG(span_cut(s, 1, s.n - 1)));
}

bool
follow_alarm(int dirfd, const struct journal_segment *s, uint64_t *from, struct follow_gap *out)
{
	struct lines l;
	struct span line;
	struct chain_line is;
	bool found = false;
	SCOPED_FD(fd, openat(dirfd, s->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));

	if (fd < 0 || lines_open(&l, fd, 0))
		return false;
	while (!found && lines_next(&l, UINT64_MAX, &line) > 0 && !chain_parse(line, &is) &&
		!is.commit) {
		if (!span_is(is.type, "alarm"))
			continue;
		plain_text(line, "segment", out->segment, sizeof(out->segment));
		plain_text(line, "how", out->how, sizeof(out->how));
		struct span n = chain_member(line, "from");
		found = n.p && span_u64(n, from) == 0 && *from && *from <= s->first;
	}
	out->boot = is.boot;
	lines_close(&l);
	return found;
}

int
follow_past(struct follow *f, uint64_t seq, struct follow_gap *out)
{
	struct journal_list list;
	const struct journal_segment *at = NULL;

	SCOPED_FD(dirfd, open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	SCOPED_BUF(why, 4096);
	int err = dirfd < 0 ? ERR_IO : journal_list(f->dir, f->node, &list, &why);
	if (err)
		return err;
	*out = (struct follow_gap){ .first = seq };
	for (size_t i = 0; i < list.n && !at; i++) {
		const struct journal_segment *s = &list.seg[i];
		uint64_t from;
		if (s->ours && s->first >= seq && follow_alarm(dirfd, s, &from, out) &&
			from <= seq)
			at = s;
	}
	err = at ? follow_from(f, at->name, 0) : ERR_NOTFOUND;
	if (at)
		out->last = at->first - 1;
	journal_list_free(&list);
	return err;
}

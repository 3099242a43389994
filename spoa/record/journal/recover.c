/* Recovers a journal at a start, however the previous daemon ended: regularly, by a kill at
 * any point, or by a power cut. A commit is acknowledged only after all of it was synced.
 * Records after the last whole commit were therefore never acknowledged, and are cut off. */
#include "record/journal/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/among.h"
#include "base/codec/lines.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/why.h"
#include "record/journal/chain.h"
#include "record/journal/follow.h"
#include "record/journal/verify.h"

#define JOURNAL_STRANGER                                                                       \
	"%s/%s: not a segment of node %s: the daemon does not start with it here; "

/* Returns the size of the file without the NUL bytes at its end, which remain if the daemon
 * did not close the segment. Returns a negative number with errno set on an error. */
static off_t
text_end(int fd)
{
	char b[4096];
	off_t end = lseek(fd, 0, SEEK_END);

	while (end > 0) {
		off_t from = end > (off_t)sizeof(b) ? end - (off_t)sizeof(b) : 0;
		ssize_t n = pread(fd, b, (size_t)(end - from), from);
		if (n != end - from)
			return n < 0 ? -1 : from;
		while (n > 0 && b[n - 1] == '\0')
			n--;
		end = from + n;
		if (n > 0)
			break;
	}
	return end;
}

/* Reads the last commit of a finished segment and verifies it. *out is the end of the chain
 * there. */
static int
end_of(struct journal *j, const char *name, const struct keyring *ring, struct chain *out,
	struct buf *why)
{
	char text[2048], whose[KEYRING_WHY];
	struct chain_line l;
	SCOPED_FD(fd, openat(j->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
	off_t end = fd < 0 ? -1 : text_end(fd);
	off_t from = end > (off_t)sizeof(text) ? end - (off_t)sizeof(text) : 0;
	ssize_t n = end < 0 ? -1 : pread(fd, text, (size_t)(end - from), from);

	if (n < 0)
		return why_err(why, ERR_IO, "%s/%s: %s", j->dir, name, strerror(errno));
	struct span s = span_of(text, (size_t)n);
	bool ok = s.n && s.p[s.n - 1] == '\n';
	if (ok) {
		s.n--;
		ok = chain_parse(span_cut(s, span_behind(s, '\n'), s.n), &l) == 0 && l.commit &&
		     span_is(l.node, j->node);
	}
	if (ok) {
		const struct pubkey *key =
			keyring_signer(ring, j->node, l.key, l.first, l.seq, whose);
		ok = key && pubkey_verify(key, l.signed_text, l.sig);
	}
	if (!ok)
		return why_err(why, ERR_AUTH,
			"%s/%s: the segment does not end with a commit that verifies. After a "
			"change of audit.key, the .pub file of the new key must contain the "
			"old public key, too",
			j->dir, name);
	*out = (struct chain){ .boot = l.boot, .seq = l.seq };
	memcpy(out->node, j->node, sizeof(out->node));
	memcpy(out->head, l.head, CHAIN_HASH_BYTES);
	return 0;
}

bool
journal_unfinished(struct lines *l, struct span line)
{
	unsigned commits = 0;

	do {
		if (span_starts(line, SPAN_LIT("{\"v\":1,\"commit\"")))
			commits++;
	} while (lines_next(l, UINT64_MAX, &line) > 0);
	return commits <= 1;
}

/* Verifies one segment from `offset` on; the chain before it is `before` (NULL: not known).
 * Sets *good to the offset after its last commit, and *text to the offset after its last byte
 * that is not a NUL at the end. */
static int
check(struct journal *j, const struct journal_segment *seg, int fd, uint64_t offset,
	const struct chain *before, const struct verify_options *o, struct verify_result *r,
	uint64_t *good, uint64_t *text, struct buf *why)
{
	struct verifier *v = verifier_new(o);
	struct lines l = { 0 };
	struct span line;
	int err = v ? lines_open(&l, fd, offset) : ERR_NOMEM, got = 0;

	*good = *text = offset;
	if (!err && before)
		verifier_continue(v, before);
	while (!err && (got = lines_next(&l, UINT64_MAX, &line)) > 0) {
		if (span_chr(line, '\0') < line.n && journal_unfinished(&l, line))
			break;
		if (verifier_line(v, line))
			*good = l.offset;
	}
	if (!err && got < 0)
		err = got;
	if (!err) {
		verifier_torn(v, lines_rest(&l).n);
		*text = l.offset + lines_rest(&l).n;
		verifier_end(v, r);
		if (!r->ok)
			err = why_err(why, ERR_AUTH, "%s/%s: record %" PRIu64 ": %s", j->dir,
				seg->name, r->bad_seq, r->why);
	} else {
		buf_printf(why, "%s/%s: %s", j->dir, seg->name, err_str(err));
	}
	lines_close(&l);
	verifier_free(&v);
	return err;
}

/* Learns the key statements of the segment before it is verified: the statement about the
 * daemon's own key can follow records that the previous key signed. `from` (may be NULL) has
 * the statements before its offset. */
static int
learn(struct journal *j, const struct journal_segment *seg, const struct startpoint *from,
	struct keyring *ring, struct recovery *out, struct buf *why)
{
	struct span known = from ? buf_view(&from->keys) : (struct span){ NULL, 0 };
	const struct span type = SPAN_LIT("\"type\":\"key\"");
	struct lines l = { 0 };
	struct span line;
	struct key_statement s;
	SCOPED_FD(fd, openat(j->dirfd, seg->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
	int err = fd < 0 ? ERR_IO : lines_open(&l, fd, from ? from->offset : 0), got = 0;

	while (key_statement_next(&known, &s) > 0) {
		keyring_take(ring, &s);
		key_statement_write(&out->learned, &s);
	}
	for (; !err && (got = lines_next(&l, UINT64_MAX, &line)) > 0;)
		if (memmem(line.p, line.n < 512 ? line.n : 512, type.p, type.n) &&
			key_statement_of(line, &s) == 0) {
			keyring_take(ring, &s);
			key_statement_write(&out->learned, &s);
		}
	if (!err && got < 0)
		err = got;
	if (err)
		buf_printf(why, "%s/%s: %s", j->dir, seg->name,
			fd < 0 ? strerror(errno) : err_str(err));
	lines_close(&l);
	return err;
}

/* Sets the end of the verified chain in *out. */
static void
note_chain_end(struct recovery *out, const struct verify_result *r, const struct journal *j,
	const struct startpoint *from)
{
	INVARIANT(r->commits || from); /* an empty segment has no end */
	const char *type = r->commits ? r->type : from->type;

	out->at = (struct chain){ .boot = r->boot, .seq = r->last };
	memcpy(out->at.head, r->head, CHAIN_HASH_BYTES);
	memcpy(out->key, r->key, sizeof(out->key));
	if (!r->commits) { /* nothing follows the start checkpoint */
		out->at = from->at;
		memcpy(out->key, from->signer, sizeof(out->key));
	}
	memcpy(out->at.node, j->node, sizeof(out->at.node));
	out->clean = !strcmp(type, "close") && out->cut_bytes == 0;
}

/* Recovers from this segment. *empty: it has no commit and was removed. */
static int
recover_segment(struct journal *j, const struct journal_segment *seg,
	const struct startpoint *from, const struct chain *before, const struct keyring *ring,
	struct recovery *out, bool *empty, struct buf *why)
{
	struct verify_options o = {
		.ring = ring, .node = j->node, .live = true, .from = seg->first
	};
	struct verify_result r;
	uint64_t good, text;
	SCOPED_FD(fd, openat(j->dirfd, seg->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW));

	*empty = false;
	if (fd < 0)
		return why_err(why, ERR_IO, "%s/%s: %s", j->dir, seg->name, strerror(errno));
	int err = check(j, seg, fd, from ? from->offset : 0, from ? &from->at : before, &o, &r,
		&good, &text, why);
	if (err)
		return err;
	INVARIANT(good <= text);
	uint64_t cut = text - good;
	out->cut_records += r.unsigned_records;
	out->cut_bytes += cut;
	*empty = r.commits == 0 && !from;
	if (*empty && !before && seg->first > 1)
		return why_err(why, ERR_AUTH,
			"%s/%s: the segment has no commit, and the segment before it is "
			"missing: restore the journal's folder",
			j->dir, seg->name);
	if (j->looks)
		err = 0;
	else if (*empty)
		err = unlinkat(j->dirfd, seg->name, 0) < 0 || fsync(j->dirfd) < 0 ? ERR_IO : 0;
	else if (ftruncate(fd, (off_t)good) < 0 || fsync(fd) < 0)
		/* Synced in any case: the last commit of a killed daemon may be in memory
		 * only. */
		err = ERR_IO;
	if (err)
		return why_err(why, err, "%s/%s: %s", j->dir, seg->name, strerror(errno));
	if (cut && !j->looks)
		log_event(LOG_WARN, "audit.cut", LS("segment", seg->name), LI("bytes", cut),
			LI("records", r.unsigned_records));
	if (!*empty)
		note_chain_end(out, &r, j, from);
	return 0;
}

/* Determines what precedes segment i of the list: *before, and *known if it is known. If
 * another program removed or changed segments before it, segment i begins with an alarm that
 * states this; the alarm's signature is verified with the segment. */
static int
link_of(struct journal *j, const struct journal_list *list, size_t i,
	const struct keyring *ring, struct chain *before, bool *known, struct buf *why)
{
	const struct journal_segment *s = &list->seg[i];
	struct follow_gap gap;
	uint64_t from = s->first;
	bool alarm = follow_alarm(j->dirfd, s, &from, &gap);
	size_t k = i;

	while (k > 0 && alarm && list->seg[k - 1].first >= from)
		k--;
	*known = false;
	if (k == 0)
		return 0;
	int err = end_of(j, list->seg[k - 1].name, ring, before, why);
	if (!err && before->seq + 1 != from)
		err = why_err(why, ERR_AUTH,
			"%s/%s: record %" PRIu64
			" is missing: the segment before it ends at record %" PRIu64,
			j->dir, s->name, before->seq + 1, before->seq);
	*known = !err && !alarm;
	if (!err && alarm && !j->looks)
		log_event(LOG_WARN, "audit.gap", LI("first", from), LI("last", s->first - 1),
			LS("segment", gap.segment), LS("how", gap.how));
	return err;
}

/* Returns true if a file that is not a segment has the name of a segment with a suffix, and
 * an alarm states that this segment was renamed. */
static bool
was_segment(int dirfd, const struct journal_list *list, const char *name)
{
	for (size_t i = list->n; i-- > 0;) {
		struct follow_gap gap;
		uint64_t from;
		if (list->seg[i].ours && follow_alarm(dirfd, &list->seg[i], &from, &gap) &&
			!strcmp(gap.how, "renamed") &&
			!strncmp(name, gap.segment, strlen(gap.segment)))
			return true;
	}
	return false;
}

/* Returns the first file that does not belong in the folder, or NULL, and sets *n to their
 * number. */
static const char *
journal_stranger(int dirfd, const struct journal_list *list, size_t *n)
{
	const char *name = NULL;

	*n = 0;
	for (size_t i = 0; i < list->n; i++)
		if (!list->seg[i].ours && !was_segment(dirfd, list, list->seg[i].name)) {
			name = name ? name : list->seg[i].name;
			++*n;
		}
	return name;
}

/* Appends what is wrong. If all segments in the folder belong to another node, the folder is
 * that node's journal, and the configured name is what must change. */
static void
say_strangers(struct buf *why, const char *dir, const struct journal_list *list,
	const char *name, const char *node, size_t n)
{
	struct journal_segment s;
	bool ours = !journal_name_read(name, &s);

	for (size_t i = 0; i < list->n && !ours; i++)
		ours = list->seg[i].ours;
	buf_printf(why, JOURNAL_STRANGER, dir, name, node ? node : "any node");
	if (!ours)
		buf_printf(why,
			"the journal is of node %s: set node: %s in tollgate.yaml, or "
			"another audit.journal",
			s.node, s.node);
	else if (n > 1)
		buf_printf(why, "move it away; %zu more files are not segments either", n - 1);
	else
		buf_str(why, "move it away");
}

/* Removes files that are not segments from the list. Returns ERR_AUTH if there is a file that
 * does not belong in the folder. */
static int
without_strangers(struct journal *j, struct journal_list *list, struct buf *why)
{
	size_t kept = 0, n;
	const char *name = journal_stranger(j->dirfd, list, &n);

	if (name) {
		say_strangers(why, j->dir, list, name, j->node, n);
		return ERR_AUTH;
	}
	for (size_t i = 0; i < list->n; i++)
		if (list->seg[i].ours)
			list->seg[kept++] = list->seg[i];
	list->n = kept;
	return 0;
}

bool
journal_has_stranger(const char *dir, const char *node, struct buf *why)
{
	SCOPED_FD(fd, open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct journal_list list;
	bool has = false;

	if (fd < 0)
		return false;
	SCOPED_BUF(unread, 4096);
	if (journal_list(dir, node, &list, &unread) == 0) {
		size_t n;
		const char *name = journal_stranger(fd, &list, &n);
		has = name != NULL;
		if (has)
			say_strangers(why, dir, &list, name, node, n);
		journal_list_free(&list);
	}
	return has;
}

/* Keeps only statements whose records are committed. */
static int
keep_committed(struct keyring *ring, struct recovery *out)
{
	struct span rest = buf_view(&out->learned);
	struct key_statement s;

	SCOPED_BUF(kept, 0);
	while (key_statement_next(&rest, &s) > 0)
		if (s.record <= out->at.seq) {
			keyring_take(ring, &s);
			key_statement_write(&kept, &s);
		}
	int err = buf_failed(&kept) || buf_failed(&out->learned) ? ERR_NOMEM : 0;
	buf_clear(&out->learned);
	buf_move(&out->learned, &kept);
	return err;
}

int
journal_recover(struct journal *j, struct keyring *ring, const struct startpoint *from,
	struct recovery *out, struct buf *why)
{
	struct journal_list list;
	struct chain before;
	bool empty = true, known;
	struct buf learned = out->learned;
	struct keyring *known_keys =
		/* also learns statements that are not committed yet */
		malloc(sizeof(*known_keys));
	*out = (struct recovery){ .clean = true, .learned = learned };
	memcpy(out->at.node, j->node, sizeof(out->at.node));
	int err = journal_list(j->dir, j->node, &list, why);
	if (err || !known_keys) {
		free(known_keys);
		return err ? err : ERR_NOMEM;
	}
	*known_keys = *ring;
	err = without_strangers(j, &list, why);
	for (size_t i = 1; i < list.n && !err; i++)
		if (list.seg[i].first <= list.seg[i - 1].first)
			err = why_err(why, ERR_AUTH,
				"%s/%s: the segment begins before the end of the older "
				"segment: remove the copy that does not belong here",
				j->dir, list.seg[i].name);
	for (size_t i = list.n; i > 0 && empty && !err; i--) {
		const struct journal_segment *s = &list.seg[i - 1];
		const struct startpoint *here =
			from && !strcmp(from->segment, s->name) ? from : NULL;
		err = learn(j, s, here, known_keys, out, why);
		if (!err)
			err = link_of(j, &list, i - 1, known_keys, &before, &known, why);
		if (!err)
			err = recover_segment(j, s, here, known ? &before : NULL, known_keys,
				out, &empty, why);
	}
	uint64_t newest = list.n ? list.seg[list.n - 1].first : 0;
	if (!err)
		err = journal_note_check(j->dir, j->node, list.n > 0,
			out->at.seq > newest ? out->at.seq : newest, why);
	if (!err)
		err = keep_committed(ring, out);
	journal_list_free(&list);
	free(known_keys);
	return err;
}

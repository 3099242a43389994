/* Makes, reads and compares the compressed form of a closed segment: see pack.h.
 *
 * A segment that is damaged is left as it is for an operator to look at: it is neither
 * compressed nor archived, and trimming stops before it. */
#include "record/archive/pack.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/codec/lines.h"
#include "base/codec/seekable.h"
#include "base/err.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"
#include "record/proof/merkle.h"

#define PAUSE_MAX_US 50000

/* State of pack_survey(). owner: the calling thread. */
struct survey {
	struct manifest *m; /* the result */
	/* manifest of the preceding segment; NULL: not known */
	const struct manifest *before;
	struct sha256 hash;
	struct buf frame; /* whole lines that were not handed to to->frame yet */
	const struct pack_to *to;
	struct chain at; /* the last record that was read */
	/* the last record that a commit covers; 0: the last line was no valid commit */
	uint64_t committed;
};

static int
segment_damaged(struct survey *s, const char *what, struct buf *why)
{
	return why_err(why, ERR_AUTH, "record %" PRIu64 ": %s", s->at.seq + 1, what);
}

static void
take_text(char *to, struct span s)
{
	snprintf(to, CLOCK_RFC3339_LEN, "%.*s", SPAN_ARG(s));
}

/* Takes the members of the manifest that the first record determines. */
static int
take_first(struct survey *s, const struct chain_line *l, struct buf *why)
{
	struct manifest *m = s->m;

	m->first = l->seq;
	m->boot = l->boot;
	memcpy(m->prev, l->prev, CHAIN_HASH_BYTES);
	snprintf(m->node, sizeof(m->node), "%.*s", SPAN_ARG(l->node));
	take_text(m->begin, l->time);
	if (!s->before)
		return 0;
	memcpy(m->end, s->before->end, CLOCK_RFC3339_LEN);
	if (s->before->last + 1 == l->seq &&
		memcmp(s->before->head, l->prev, CHAIN_HASH_BYTES) != 0)
		return segment_damaged(s,
			"its prev is not the hash of the last record of the preceding segment",
			why);
	return 0;
}

/* Checks one line: a record that continues the chain, or a commit that covers it. */
static int
take_packed_line(struct survey *s, struct span line, struct buf *why)
{
	struct chain_line l;
	struct manifest *m = s->m;

	if (chain_parse(line, &l))
		return segment_damaged(s, "the line is neither a record nor a commit", why);
	if (l.commit)
		s->committed =
			l.seq == s->at.seq && !memcmp(l.head, s->at.head, CHAIN_HASH_BYTES)
				? l.seq
				: 0;
	if (l.commit)
		return s->committed
			       ? 0
			       : segment_damaged(s,
					 "the commit does not cover the record before it", why);
	int err = m->first ? 0 : take_first(s, &l, why);
	if (err)
		return err;
	if (s->at.seq &&
		(l.seq != s->at.seq + 1 || memcmp(l.prev, s->at.head, CHAIN_HASH_BYTES) != 0))
		return segment_damaged(
			s, "its number or prev does not follow the preceding record", why);
	if (!span_is(l.node, m->node))
		return segment_damaged(s, "the record belongs to another node", why);
	INVARIANT(m->first && (!s->at.seq || l.seq == s->at.seq + 1));
	s->at.seq = l.seq;
	sha256(line, s->at.head);
	/* If the clock was set back, a time can be earlier than a preceding one. */
	if (!m->end[0] || memcmp(l.time.p, m->end, l.time.n) > 0)
		take_text(m->end, l.time);
	return s->to && s->to->record ? s->to->record(s->to->arg, s->at.head, why) : 0;
}

/* Sleeps for as long as the work since `began_us` took, so that commits get the disk. */
static void
pause_after(uint64_t began_us)
{
	uint64_t us = clock_mono_us() - began_us;
	struct timespec t = clock_timespec(us < PAUSE_MAX_US ? us : PAUSE_MAX_US);

	nanosleep(&t, NULL);
}

/* Hands the collected lines to to->frame. */
static int
flush_frame(struct survey *s, struct buf *why)
{
	if (!s->frame.n)
		return 0;
	struct span text = buf_view(&s->frame);
	INVARIANT(text.n <= SEEKABLE_FRAME_MAX);
	sha256_add(&s->hash, text);
	int err = buf_failed(&s->frame) ? ERR_NOMEM : 0;
	if (!err && s->to && s->to->frame)
		err = s->to->frame(s->to->arg, text, why);
	s->m->bytes += s->frame.n;
	buf_clear(&s->frame);
	return err;
}

int
pack_survey(int fd, const struct manifest *before, const struct pack_to *to,
	const atomic_bool *stop, struct manifest *m, struct buf *why)
{
	struct survey s = { .m = m, .before = before, .to = to };
	struct lines l = { 0 };
	struct span line;
	int got = 0, err = lines_open(&l, fd, 0);

	*m = (struct manifest){ 0 };
	sha256_begin(&s.hash);
	buf_init(&s.frame, SEEKABLE_FRAME_MAX);
	while (!err && (got = lines_next(&l, UINT64_MAX, &line)) > 0) {
		if (s.frame.n + line.n + 1 > SEEKABLE_FRAME)
			err = flush_frame(&s, why);
		buf_span(&s.frame, line);
		buf_putc(&s.frame, '\n');
		if (!err)
			err = stop && atomic_load(stop) ? ERR_CLOSED
							: take_packed_line(&s, line, why);
	}
	if (!err && got < 0)
		err = got == ERR_SYNTAX
			      ? segment_damaged(&s, "a compressed frame is damaged", why)
			      : got;
	if (!err && lines_rest(&l).n)
		err = segment_damaged(&s, "the last line is incomplete", why);
	if (!err && (!s.at.seq || s.committed != s.at.seq))
		err = segment_damaged(&s, "the segment does not end with a commit", why);
	if (!err)
		err = flush_frame(&s, why);
	if (err && !why->n)
		buf_str(why, err_str(err));
	m->last = s.at.seq;
	memcpy(m->head, s.at.head, CHAIN_HASH_BYTES);
	sha256_end(&s.hash, m->sha256);
	lines_close(&l);
	buf_free(&s.frame);
	return err;
}

/* ---- compressing ---- */

/* A file that is being written. */
struct maker {
	struct seekable_writer w; /* unused while packing leaves */
	struct buf out;		  /* bytes that were not written yet */
	int fd;
	uint64_t began_us; /* monotonic µs: end of the last pause */
};

static int
make_frame(void *arg, struct span text, struct buf *why)
{
	struct maker *k = arg;

	buf_clear(&k->out);
	int err = seekable_encode(&k->w, text, &k->out);
	if (!err)
		err = files_write(k->fd, buf_view(&k->out), why);
	pause_after(k->began_us);
	k->began_us = clock_mono_us();
	return err;
}

static int
make_packed(struct maker *k, int fd, const struct manifest *before, const atomic_bool *stop,
	struct manifest *m, struct buf *why)
{
	const struct pack_to to = { make_frame, k, NULL };

	k->began_us = clock_mono_us();
	buf_init(&k->out, 0);
	int err = seekable_begin(&k->w);
	if (!err)
		err = pack_survey(fd, before, &to, stop, m, why);
	buf_clear(&k->out);
	if (!err)
		err = seekable_finish(&k->w, &k->out);
	if (!err)
		err = files_write(k->fd, buf_view(&k->out), why);
	stop_at("pack-written");
	if (!err)
		err = replace_sync(k->fd, "fsync", why);
	seekable_end(&k->w);
	buf_free(&k->out);
	return err;
}

/* Returns true if both manifests describe the same records. */
static bool
same_text(const struct manifest *a, const struct manifest *b)
{
	return a->first == b->first && a->last == b->last && a->bytes == b->bytes &&
	       !memcmp(a->sha256, b->sha256, sizeof(a->sha256)) &&
	       !memcmp(a->head, b->head, sizeof(a->head)) &&
	       !memcmp(a->prev, b->prev, sizeof(a->prev));
}

int
pack_verify(int fd, const struct manifest *m, const atomic_bool *stop, struct buf *why)
{
	struct manifest is;
	unsigned char hash[SHA256_BYTES];
	uint64_t bytes;
	int err = files_hash(fd, stop, hash, &bytes, why);

	if (err)
		return err;
	if (bytes != m->packed_bytes || memcmp(hash, m->packed_sha256, sizeof(hash)) != 0)
		return why_err(why, ERR_AUTH,
			"changed: its SHA-256 is not the one in the manifest");
	err = pack_survey(fd, NULL, NULL, stop, &is, why);
	if (!err && !same_text(&is, m))
		err = why_err(
			why, ERR_AUTH, "the records of the segment differ from the manifest");
	return err;
}

int
pack_compare(int journalfd, int keepfd, const struct manifest *m, const atomic_bool *stop,
	struct buf *why)
{
	char manifest[JOURNAL_NAME_MAX + 8], name[JOURNAL_NAME_MAX + 8];
	struct manifest is;

	manifest_names(m->segment, manifest, name);
	SCOPED_FD(plain, files_open(journalfd, m->segment, why));
	SCOPED_FD(packed, plain < 0 ? plain : files_open(keepfd, name, why));
	int err = packed < 0 ? packed : pack_survey(plain, NULL, NULL, stop, &is, why);
	if (!err && !same_text(&is, m))
		err = why_err(why, ERR_AUTH,
			"the uncompressed segment differs from the compressed one");
	if (err)
		return err;
	posix_fadvise(packed, 0, 0, POSIX_FADV_DONTNEED);
	return pack_verify(packed, m, stop, why);
}

/* ---- leaves of the Merkle tree ---- */

#define LEAVES_BYTES (64u << 10) /* bytes of one write */

static int
flush_leaves(struct maker *k, struct buf *why)
{
	int err = buf_failed(&k->out) ? ERR_NOMEM : files_write(k->fd, buf_view(&k->out), why);

	buf_clear(&k->out);
	pause_after(k->began_us);
	k->began_us = clock_mono_us();
	return err;
}

static int
add_leaf(void *arg, const unsigned char hash[CHAIN_HASH_BYTES], struct buf *why)
{
	struct maker *k = arg;
	struct merkle_hash leaf;

	merkle_leaf(hash, &leaf);
	buf_put(&k->out, leaf.b, sizeof(leaf.b));
	return k->out.n >= LEAVES_BYTES ? flush_leaves(k, why) : 0;
}

int
pack_hashes(int keepfd, const struct manifest *m, const atomic_bool *stop, struct buf *why)
{
	char manifest[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8],
		name[JOURNAL_NAME_MAX + 8];
	struct maker k = { .fd = -1, .began_us = clock_mono_us() };
	const struct pack_to to = { NULL, &k, add_leaf };
	struct manifest is;

	manifest_names(m->segment, manifest, packed);
	manifest_hashes_name(m->segment, name);
	SCOPED_FD(fd, files_open(keepfd, packed, why));
	if (fd < 0)
		return fd;
	buf_init(&k.out, 0);
	k.fd = replace_begin(keepfd, name, 0600, why);
	int err = k.fd < 0 ? k.fd : pack_survey(fd, NULL, &to, stop, &is, why);
	if (!err)
		err = flush_leaves(&k, why);
	if (!err && !same_text(&is, m))
		err = why_err(
			why, ERR_AUTH, "the records of the segment differ from the manifest");
	buf_free(&k.out);
	if (err && k.fd >= 0) {
		close(k.fd);
		replace_drop(keepfd, name);
	}
	return err ? err : k.fd;
}

int
pack_segment(int journalfd, int keepfd, const char *segment, const struct manifest *before,
	const atomic_bool *stop, struct manifest *m, struct buf *why)
{
	char manifest[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8];
	struct maker k = { .fd = -1 };

	SCOPED_FD(fd, files_open(journalfd, segment, why));
	if (fd < 0)
		return fd;
	manifest_names(segment, manifest, packed);
	k.fd = replace_begin(keepfd, packed, 0600, why);
	int err = k.fd < 0 ? k.fd : make_packed(&k, fd, before, stop, m, why);
	stop_at("pack-synced");
	/* Read the compressed file from the disk, not from the page cache. */
	if (!err)
		posix_fadvise(k.fd, 0, 0, POSIX_FADV_DONTNEED);
	snprintf(m->segment, sizeof(m->segment), "%s", segment);
	if (!err)
		err = files_hash(k.fd, stop, m->packed_sha256, &m->packed_bytes, why);
	if (!err)
		err = pack_verify(k.fd, m, stop, why);
	stop_at("pack-verified");
	SCOPED_BUF(text, MANIFEST_BYTES);
	manifest_write(m, &text);
	struct manifest again;
	if (!err && manifest_read(buf_view(&text), &again))
		err = why_err(why, ERR_AUTH,
			"the name of the segment does not match its first record");
	if (!err)
		err = files_put(keepfd, manifest, buf_view(&text), why);
	stop_at("pack-manifest");
	if (!err)
		err = replace_place(keepfd, packed, k.fd, why);
	stop_at("pack-placed");
	/* Neither form will be read soon, so free the page cache. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (k.fd >= 0) {
		posix_fadvise(k.fd, 0, 0, POSIX_FADV_DONTNEED);
		close(k.fd);
	}
	if (err)
		replace_drop(keepfd, packed);
	return err;
}

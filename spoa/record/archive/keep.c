/* Retention: the thread tg-keep. A pass handles the closed segments, oldest first: it
 * compresses a segment, archives it and removes the plain form. Then it trims what is too old
 * or too much. After that it handles the files of sealed texts and the kept policies. An
 * interrupted step is repeated by the next pass, so a crash at any point leaves nothing to
 * repair.
 *
 * A file in JOURNAL.keep, the mark X.archived, states that X is in the archive; it contains
 * the archive's place. A segment is trimmed only after a record of type "trim" that names it
 * is durable. */
#include "record/archive/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/service.h"
#include "base/stops.h"
#include "base/timer.h"
#include "base/why.h"
#include "record/archive/archive.h"
#include "record/archive/believe.h"
#include "record/archive/kept_policy.h"
#include "record/archive/kept_texts.h"
#include "record/archive/pack.h"
#include "record/archive/trim.h"
#include "record/journal/journal.h"
#include "record/seal/texts.h"

struct keep {
	const struct config *cfg;
	struct audit *audit; /* NULL: `lender` lends one */
	const struct keep_lender *lender;
	struct metrics *metrics;
	struct archive_options archive; /* place NULL: no archive is configured */
	struct service service;
	pthread_mutex_t lock;	 /* guards `shown` */
	struct keep_state shown; /* the result of the last pass */

	/* The rest: owner tg-keep. */
	/* the result of the current pass; copied to `shown` at its end */
	struct keep_state now;
	int journalfd, keepfd; /* folders: the journal, JOURNAL.keep; -1: not open yet */
	/* manifest of the preceding segment; first 0: there is none */
	struct manifest before;
	/* after a failure: monotonic µs before which the archive is not used; how long that
	 * wait was, 0: no failure */
	uint64_t archive_us, archive_wait_us;
	/* SHA-256 of the key statements that the archive has */
	unsigned char keys_put[SHA256_BYTES];
	/* the segment that NODE.latest in the archive names; "": not written since the start */
	char latest[JOURNAL_NAME_MAX];
	/* monotonic µs: when the alarms ALARM_SIZE and ALARM_CLOCK were recorded last; 0:
	 * never */
	uint64_t alarmed_us[2];
	struct believe clock;
	/* the last record that a trim record of this start names; 0: none */
	uint64_t named;
	/* the last file of texts that a trim record of this start names; "" */
	char texts_named[TEXTS_NAME_MAX];
	int64_t believed_s; /* the believed time of this pass, seconds since 1970 */
	char logged[256];   /* the last failure that was logged; "" */
};

/* µs until the archive is used again after a failure; doubled with each failure, */
#define AGAIN_US     30000000
#define AGAIN_MAX_US (64 * (uint64_t)AGAIN_US) /* up to this */
#define DAY_US	     (86400ull * 1000000)
#define MARK_SUFFIX  ".archived"

/* ---- state and failures ---- */

void
keep_state_add(struct keep *k, struct keep_state *out)
{
	SCOPED_LOCK(&k->lock);
	const struct keep_state *s = &k->shown;
	out->plain += s->plain;
	out->packed += s->packed;
	out->bytes += s->bytes;
	out->unarchived += s->unarchived;
	out->archive_away |= s->archive_away;
	out->below_six_months |= s->below_six_months;
	if (!out->held[0])
		memcpy(out->held, s->held, sizeof(out->held));
	if (!out->failed[0])
		memcpy(out->failed, s->failed, sizeof(out->failed));
}

void
keep_state(struct keep *k, struct keep_state *out)
{
	SCOPED_LOCK(&k->lock);
	*out = k->shown;
}

/* Notes a failure. Logs it unless the last logged failure was the same. `what` is the step:
 * open, list, compress, archive, remove, trim. */
static void
keep_fail(struct keep *k, const char *what, const char *segment, int err, const struct buf *why)
{
	if (err == ERR_CLOSED)
		return;
	metric_inc(k->metrics, M_KEEP_FAILED);
	snprintf(k->now.failed, sizeof(k->now.failed), "%s %.120s: %.*s", what, segment,
		(int)(why->n < 100 ? why->n : 100), why->n ? buf_view(why).p : "");
	if (!strcmp(k->logged, k->now.failed))
		return;
	memcpy(k->logged, k->now.failed, sizeof(k->logged));
	log_event(LOG_WARN, "retention.failed", LS("what", what), LS("segment", segment),
		LS("error", err_str(err)), LSP("why", buf_view(why)));
}

static bool
keep_stopped(const struct keep *k)
{
	return service_stopping(&k->service);
}

/* ---- records ---- */

/* A record that tg-keep waits for. */
struct keep_waiting {
	struct audit_entry entry;
	sem_t came; /* posted by the audit thread */
};

static void
on_durable(struct audit_entry *e, int err UNUSED)
{
	sem_post(&CONTAINER_OF(e, struct keep_waiting, entry)->came);
}

/* Opens the chain for records, if another instance's has to be opened. Lists made before may be
 * out of date, because that instance may have run. Returns 0; ERR_CLOSED if that
 * instance runs; or another error with *why. */
static int
keep_begin(struct keep *k, struct buf *why)
{
	if (!k->lender)
		return 0;
	INVARIANT(!k->audit);
	k->audit = k->lender->begin(k->lender->arg, why);
	return k->audit ? 0 : why->n ? ERR_IO : ERR_CLOSED;
}

/* Closes the chain, if it was opened. */
static void
keep_end(struct keep *k)
{
	if (!k->lender || !k->audit)
		return;
	k->audit = NULL;
	k->lender->end(k->lender->arg);
}

/* Appends a record and waits until it is durable. Call it after keep_begin(). Returns 0 or an
 * error. */
static int
keep_record(struct keep *k, const struct buf *fields)
{
	struct keep_waiting w = { .entry = { .done = on_durable } };

	INVARIANT(k->audit);
	sem_init(&w.came, 0, 0);
	buf_init(&w.entry.fields, CAP_RECORD_BYTES);
	buf_span(&w.entry.fields, buf_view(fields));
	audit_append(k->audit, &w.entry);
	while (sem_wait(&w.came) < 0)
		;
	buf_free(&w.entry.fields);
	sem_destroy(&w.came);
	return w.entry.err;
}

/* ---- archiving ---- */

/* Returns true if the regular file exists, and adds its size to *bytes. */
static bool
exists(int dirfd, const char *name, uint64_t *bytes)
{
	struct stat st;
	bool there = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);

	if (there && bytes)
		*bytes += (uint64_t)st.st_size;
	return there;
}

static void
mark_name(const char *segment, char out[JOURNAL_NAME_MAX + 16])
{
	snprintf(out, JOURNAL_NAME_MAX + 16, "%.*s" MARK_SUFFIX, JOURNAL_NAME_MAX - 1, segment);
}

/* Archives a file of JOURNAL.keep. If `want` is not NULL, its SHA-256 must be *want. */
static int
keep_put_one(struct keep *k, const char *name, const unsigned char *want, struct buf *why)
{
	unsigned char hash[SHA256_BYTES];
	uint64_t bytes;

	SCOPED_FD(fd, files_open(k->keepfd, name, why));
	if (fd < 0)
		return fd;
	int err = files_hash(fd, &k->service.stopping, hash, &bytes, why);
	if (!err && want && memcmp(hash, want, sizeof(hash)) != 0)
		err = why_err(why, ERR_AUTH, "%s: the file has changed since it was compressed",
			name);
	return err ? err : archive_put(&k->archive, name, fd, hash, &k->service.stopping, why);
}

/* Archives the Merkle leaves of the segment's records, from which a lost JOURNAL.tree can be
 * restored. */
static int
put_hashes(struct keep *k, const struct manifest *m, struct buf *why)
{
	char name[JOURNAL_NAME_MAX + 8];
	unsigned char hash[SHA256_BYTES];
	uint64_t bytes;

	SCOPED_FD(fd, pack_hashes(k->keepfd, m, &k->service.stopping, why));
	if (fd < 0)
		return fd;
	manifest_hashes_name(m->segment, name);
	int err = files_hash(fd, &k->service.stopping, hash, &bytes, why);
	if (!err)
		err = archive_put(&k->archive, name, fd, hash, &k->service.stopping, why);
	replace_drop(k->keepfd, name);
	return err;
}

/* Archives the statements of the keys that signed, so that a verifier who has only the first
 * public key can verify records after a rotation. They are archived again after each
 * rotation. */
static int
put_keys(struct keep *k, struct buf *why)
{
	char path[JOURNAL_DIR_MAX + 8], name[CHAIN_NODE_MAX + 8];
	unsigned char hash[SHA256_BYTES];
	uint64_t bytes;

	snprintf(path, sizeof(path), "%.*s.keys", SPAN_ARG(journal_folder(k->cfg->journal)));
	SCOPED_FD(fd, open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
	if (fd < 0 && errno == ENOENT)
		return 0; /* no key was ever replaced */
	if (fd < 0)
		return why_err(why, ERR_IO, "%s: %s", path, strerror(errno));
	manifest_keys_name(k->cfg->node, name);
	int err = files_hash(fd, &k->service.stopping, hash, &bytes, why);
	if (!err && memcmp(hash, k->keys_put, sizeof(hash)) != 0)
		err = archive_put(&k->archive, name, fd, hash, &k->service.stopping, why);
	if (!err)
		memcpy(k->keys_put, hash, sizeof(hash));
	return err;
}

/* Writes the mark: the file is in the archive. */
static int
keep_mark(struct keep *k, const char *file, struct buf *why)
{
	char mark[JOURNAL_NAME_MAX + 16];

	mark_name(file, mark);
	SCOPED_BUF(text, 4096);
	buf_printf(&text, "%s\n", k->archive.place);
	int err = files_put(k->keepfd, mark, buf_view(&text), why);
	stop_at("archive-marked");
	return err;
}

/* Removes the mark if the archive has lost the file or has other bytes, so that the next pass
 * archives it again. */
static void
keep_unmark(struct keep *k, const char *file, int err)
{
	char mark[JOURNAL_NAME_MAX + 16];

	SCOPED_BUF(why, 4096);
	mark_name(file, mark);
	if (err == ERR_NOTFOUND || err == ERR_AUTH)
		files_remove(k->keepfd, mark, &why);
}

/* Returns true if the mark states that the file is in the archive that is configured now. */
static bool
keep_archived(struct keep *k, const char *segment)
{
	char mark[JOURNAL_NAME_MAX + 16], text[4096];

	mark_name(segment, mark);
	SCOPED_FD(fd, openat(k->keepfd, mark, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	/* a mark for another archive does not count */
	return n > 0 && text[n - 1] == '\n' &&
	       span_is(span_of(text, (size_t)n - 1), k->archive.place);
}

/* Returns true while the archive is left alone after a failure. */
static bool
keep_archive_waits(struct keep *k)
{
	bool waits = clock_mono_us() < k->archive_us;

	k->now.archive_away |= waits;
	return waits;
}

/* Takes the result of archiving a file: counts and logs a success; after a failure, waits
 * before the next attempt. */
static void
keep_archive_came(
	struct keep *k, const char *file, uint64_t bytes, int err, const struct buf *why)
{
	if (!err) {
		k->archive_wait_us = 0;
		k->archive_us = 0;
		k->now.unarchived--;
		metric_inc(k->metrics, M_KEEP_ARCHIVED);
		log_event(LOG_INFO, "retention.archived", LS("segment", file),
			LI("bytes", bytes));
	} else if (err != ERR_CLOSED) {
		k->now.archive_away = true;
		k->archive_wait_us = wait_doubled(k->archive_wait_us, AGAIN_US, AGAIN_MAX_US);
		k->archive_us = clock_mono_us() + k->archive_wait_us;
		keep_fail(k, "archive", file, err, why);
	}
}

/* NODE.latest in the archive is a copy of the manifest of the newest archived segment. It
 * shows if the archive later loses its newest segments. It never goes back to an older
 * segment. */
static void
put_latest(struct keep *k, const struct journal_list *l, size_t closed)
{
	char manifest[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8];
	char name[CHAIN_NODE_MAX + 8];
	unsigned char hash[SHA256_BYTES];
	uint64_t bytes = 0;

	while (closed && !keep_archived(k, l->seg[closed - 1].name))
		closed--;
	if (!closed || strcmp(l->seg[closed - 1].name, k->latest) <= 0 || keep_archive_waits(k))
		return;
	SCOPED_BUF(why, 4096);
	manifest_names(l->seg[closed - 1].name, manifest, packed);
	manifest_latest_name(k->cfg->node, name);
	SCOPED_FD(fd, files_open(k->keepfd, manifest, &why));
	int err = fd < 0 ? fd : files_hash(fd, &k->service.stopping, hash, &bytes, &why);
	if (!err)
		err = archive_put(&k->archive, name, fd, hash, &k->service.stopping, &why);
	stop_at("archive-latest");
	if (err)
		keep_archive_came(k, name, bytes, err, &why);
	else
		snprintf(k->latest, sizeof(k->latest), "%.*s", JOURNAL_NAME_MAX - 1,
			l->seg[closed - 1].name);
}

/* Archives the compressed file, hashes, keys and manifest, in this order, then writes the
 * mark. */
static int
archive_segment(struct keep *k, const struct manifest *m, struct buf *why)
{
	char manifest[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8];

	manifest_names(m->segment, manifest, packed);
	int err = keep_put_one(k, packed, m->packed_sha256, why);
	stop_at("archive-segment");
	if (!err)
		err = put_hashes(k, m, why);
	stop_at("archive-hashes");
	if (!err)
		err = put_keys(k, why);
	if (!err)
		err = keep_put_one(k, manifest, NULL, why);
	stop_at("archive-manifest");
	return err ? err : keep_mark(k, m->segment, why);
}

/* ---- segments ---- */

/* Returns the number of the newest closed segments that keep their plain form and are not trimmed.
 * A lent chain needs none: its open segment has the end of the chain, and nothing else. */
static size_t
plain_kept(const struct keep *k)
{
	return k->lender ? 0 : KEEP_PLAIN_SEGMENTS;
}

/* Returns true if the compressed form exists and matches its manifest in size. */
static bool
is_packed(struct keep *k, const char *segment, struct manifest *m)
{
	char manifest[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8];
	uint64_t bytes = 0;

	manifest_names(segment, manifest, packed);
	return exists(k->keepfd, packed, &bytes) && manifest_load(k->keepfd, segment, m) == 0 &&
	       m->packed_bytes == bytes;
}

/* Compresses the segment and replaces what may exist of its compressed form. Without the
 * plain form this is impossible. */
static int
compress(struct keep *k, const char *name, bool plain, struct manifest *m, struct buf *why)
{
	char mark[JOURNAL_NAME_MAX + 16];

	if (!plain)
		return why_err(why, ERR_NOTFOUND,
			"the manifest of the compressed segment is missing or does not match, "
			"and the uncompressed segment was already removed: restore the "
			"manifest from the archive or a backup");
	mark_name(name, mark);
	int err = exists(k->keepfd, mark, NULL) ? files_remove(k->keepfd, mark, why) : 0;
	if (!err)
		err = pack_segment(k->journalfd, k->keepfd, name,
			k->before.first ? &k->before : NULL, &k->service.stopping, m, why);
	if (err)
		return err;
	metric_inc(k->metrics, M_KEEP_PACKED);
	log_event(LOG_INFO, "retention.compressed", LS("segment", name), LI("bytes", m->bytes),
		LI("packed", m->packed_bytes));
	return 0;
}

/* Compares both forms before the plain form, the last one that is known to be correct, is
 * removed. If the compressed form is damaged, it is made again. */
static int
compare_packed(struct keep *k, const char *name, struct manifest *m, struct buf *why)
{
	int err = pack_compare(k->journalfd, k->keepfd, m, &k->service.stopping, why);

	if (err != ERR_AUTH)
		return err;
	log_event(LOG_WARN, "retention.again", LS("segment", name), LSP("why", buf_view(why)));
	buf_clear(why);
	return compress(k, name, true, m, why);
}

/* Does every step that is possible for one closed segment. `plain_stays`: it is one of the
 * newest, whose plain form is kept. Returns false if later segments must wait: the disk is
 * full, or the thread stops. */
static bool
keep_segment(struct keep *k, const char *name, bool plain_stays)
{
	struct manifest m;
	bool plain = exists(k->journalfd, name, NULL);
	int err;

	SCOPED_BUF(why, 4096);
	if (!is_packed(k, name, &m))
		err = compress(k, name, plain, &m, &why);
	else
		err = plain && !plain_stays ? compare_packed(k, name, &m, &why) : 0;
	if (err)
		keep_fail(k, "compress", name, err, &why);
	else
		k->before = m;
	if (!err && k->archive.place && !keep_archived(k, name) && !keep_archive_waits(k)) {
		SCOPED_BUF(failed, 4096);
		keep_archive_came(
			k, m.segment, m.packed_bytes, archive_segment(k, &m, &failed), &failed);
	}
	stop_at("plain-remove");
	if (!err && plain && !plain_stays && (err = files_remove(k->journalfd, name, &why)))
		keep_fail(k, "remove", name, err, &why);
	stop_at("plain-removed");
	return err != ERR_FULL && !keep_stopped(k);
}

/* ---- trimming ---- */

enum { ALARM_SIZE, ALARM_CLOCK };

/* Records the alarm, at most once a day for each kind. Returns true if it was recorded, so
 * that the caller logs it. */
static bool
alarm_once(struct keep *k, unsigned which, const struct buf *fields)
{
	uint64_t *at = &k->alarmed_us[which];

	if (*at && clock_mono_us() < *at + DAY_US)
		return false;
	SCOPED_BUF(why, 4096);
	int err = keep_begin(k, &why);
	if (!err)
		err = keep_record(k, fields);
	keep_end(k);
	if (!err)
		*at = clock_mono_us();
	return !err;
}

/* The size limit requires trimming records younger than six months, which is not permitted. */
static void
alarm_size(struct keep *k, uint64_t bytes)
{
	k->now.below_six_months = true;
	SCOPED_BUF(fields, 1024);
	json_put_form(&fields, "'type':'alarm','how':'retention_size','bytes':%u,'size':%u",
		bytes, k->cfg->retention_size);
	if (alarm_once(k, ALARM_SIZE, &fields))
		log_event(LOG_WARN, "retention.size", LI("bytes", bytes),
			LI("size", k->cfg->retention_size));
}

/* The clock is far after the last believed time. Either the clock is wrong or the daemon was
 * off for long; an operator has to decide. */
static void
alarm_clock(struct keep *k, int64_t believed_s)
{
	char believed[CLOCK_RFC3339_LEN], is[CLOCK_RFC3339_LEN];

	clock_rfc3339(believed_s * 1000000000, believed);
	clock_rfc3339(k->clock.clock_s * 1000000000, is);
	snprintf(k->now.held, sizeof(k->now.held),
		"the clock is far ahead of %.19sZ, the last known time: correct it or write "
		"the time into %.64s.clock in JOURNAL" JOURNAL_KEEP_SUFFIX,
		believed, k->cfg->node);
	SCOPED_BUF(fields, 1024);
	json_put_form(&fields,
		"'type':'alarm','how':'retention_clock','clock':%s,'believed':%s", is,
		believed);
	if (alarm_once(k, ALARM_CLOCK, &fields))
		log_event(
			LOG_WARN, "retention.clock", LS("clock", is), LS("believed", believed));
}

/* Notes why a file that should be trimmed is kept. */
static void
keep_hold(struct keep *k, const char *segment, const char *why)
{
	snprintf(k->now.held, sizeof(k->now.held), "%.90s: %s", segment, why);
}

/* Returns true if the segment may be trimmed: the Redis Stream has its records and the
 * archive has it. The archive is asked again now, because the mark may be old. */
static bool
may_go(struct keep *k, const struct manifest *m)
{
	char manifest[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8];

	uint64_t copied =
		k->lender ? k->lender->copied(k->lender->arg) : audit_copied(k->audit);
	if (copied < m->last) {
		keep_hold(k, m->segment, "waits until the Redis Stream has its records");
		return false;
	}
	if (!k->archive.place)
		return true;
	if (!keep_archived(k, m->segment)) {
		keep_hold(k, m->segment, "waits until it is archived");
		return false;
	}
	manifest_names(m->segment, manifest, packed);
	SCOPED_BUF(why, 4096);
	int err = archive_check(
		&k->archive, packed, m->packed_sha256, &k->service.stopping, &why);
	if (err) {
		keep_hold(k, m->segment, "the archived segment is lost or was changed");
		keep_fail(k, "trim", m->segment, err, &why);
		keep_unmark(k, m->segment, err);
	}
	return err == 0;
}

/* Removes both forms. The manifest stays, so that `audit restore` knows the segment. */
static int
remove_segment(struct keep *k, const char *segment, struct buf *why)
{
	char manifest[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8];

	manifest_names(segment, manifest, packed);
	int err = files_remove(k->journalfd, segment, why);
	stop_at("trim-plain");
	if (!err)
		err = files_remove(k->keepfd, packed, why);
	stop_at("trim-packed");
	return err;
}

static uint64_t
segment_bytes(struct keep *k, const char *segment)
{
	char manifest[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8];
	uint64_t bytes = 0;

	manifest_names(segment, manifest, packed);
	exists(k->journalfd, segment, &bytes);
	exists(k->keepfd, packed, &bytes);
	return bytes;
}

/* Collects the manifests of the oldest segments that are to be trimmed for the same reason
 * *due and may be trimmed, from index `from` on. Returns their number, at most TRIM_AT_ONCE.
 * The segments of one call are either all named already by a trim record of this start, or
 * none is. */
static size_t
gather_due(struct keep *k, const struct journal_list *l, size_t from, size_t closed,
	int64_t now_s, struct manifest *m, enum trim_due *due)
{
	struct trim_rules rules = { .age_s = k->cfg->retention_age_us / 1000000,
		.size = k->cfg->retention_size,
		.below_six_months = k->cfg->below_six_months,
		.now_s = now_s };
	uint64_t bytes = k->now.bytes;
	size_t n = 0;

	*due = TRIM_NOT;
	for (size_t i = from; n < TRIM_AT_ONCE && i + plain_kept(k) < closed; i++) {
		if (!is_packed(k, l->seg[i].name, &m[n]))
			break;
		enum trim_due is = trim_due(&rules, &m[n], bytes);
		if (is == TRIM_TOO_YOUNG && n == 0)
			alarm_size(k, bytes);
		if (is == TRIM_NOT || is == TRIM_TOO_YOUNG || (n && is != *due) ||
			(n && m[0].last <= k->named && m[n].last > k->named) ||
			!may_go(k, &m[n]))
			break;
		*due = is;
		bytes -= segment_bytes(k, l->seg[i].name);
		n++;
	}
	return n;
}

enum trim_due
trim_due(const struct trim_rules *r, const struct manifest *m, uint64_t bytes)
{
	int64_t end_ns;

	if (clock_parse(m->end, strlen(m->end), &end_ns))
		return TRIM_NOT;
	int64_t age_s = r->now_s - end_ns / 1000000000;
	if (r->age_s && age_s > 0 && (uint64_t)age_s > r->age_s)
		return TRIM_AGE;
	if (!r->size || bytes <= r->size)
		return TRIM_NOT;
	return age_s > SIX_MONTHS_S || r->below_six_months ? TRIM_SIZE : TRIM_TOO_YOUNG;
}

/* Appends the members of a trim record that names these segments. A trim record has the hash of
 * the last record of each segment. `audit verify` accepts a chain that begins after such a segment
 * if its first `prev` is that hash (record/journal/verify.c). `archive` may be NULL. */
static void
trim_fields(struct buf *out, const struct manifest *m, size_t n, enum trim_due why,
	const char *archive)
{
	char hex[2 * CHAIN_HASH_BYTES + 1];

	json_put_form(out, "'type':'trim','first':%u,'last':%u,'why':%s", m[0].first,
		m[n - 1].last, why == TRIM_AGE ? "age" : "size");
	json_put_opt(out, "archive", archive);
	json_put_form(out, "'begin':%s,'end':%s,'segments':[", m[0].begin, m[n - 1].end);
	for (size_t i = 0; i < n; i++) {
		chain_hex(m[i].head, hex);
		json_put_form(out, "{'segment':%s,'first':%u,'last':%u,'head':%s", m[i].segment,
			m[i].first, m[i].last, hex);
		chain_hex(m[i].sha256, hex);
		json_put_form(out, "'bytes':%u,'sha256':%s", m[i].bytes, hex);
		chain_hex(m[i].packed_sha256, hex);
		json_put_form(out, "'packed_sha256':%s}", hex);
	}
	json_put_close(out, ']');
}

/* Trims segments: records what is removed, then removes it. */
static void
trim(struct keep *k, const struct journal_list *l, size_t closed)
{
	const struct config *cfg = k->cfg;
	uint64_t age_us = cfg->retention_age_us, texts_us = cfg->retention_texts_us;
	if (texts_us && (!age_us || texts_us < age_us))
		age_us = texts_us;
	int64_t now_s = k->believed_s = believe_now(&k->clock, k->keepfd, cfg->node,
		k->before.first ? &k->before : NULL, believe_trust_s(age_us / 1000000));
	struct manifest *m = calloc(TRIM_AT_ONCE, sizeof(*m));
	enum trim_due due;
	size_t n, at = 0;
	int err = 0;

	SCOPED_BUF(fields, CAP_RECORD_BYTES);
	SCOPED_BUF(why, 4096);
	if (k->clock.ahead && (k->cfg->retention_age_us || k->cfg->retention_texts_us ||
				      k->cfg->retention_size))
		alarm_clock(k, now_s);
	while (m && !err && !keep_stopped(k) &&
		(n = gather_due(k, l, at, closed, now_s, m, &due)) > 0) {
		buf_clear(&fields);
		trim_fields(&fields, m, n, due, k->archive.place);
		stop_at("trim-record");
		/* A trim record must not name segments that then cannot be removed, and must
		 * not name a segment twice. So check first that both folders are writable. */
		if (faccessat(k->journalfd, ".", W_OK, AT_EACCESS) < 0 ||
			faccessat(k->keepfd, ".", W_OK, AT_EACCESS) < 0)
			err = why_err(&why, ERR_IO, "the folder is not writable: %s",
				strerror(errno));
		if (!err)
			err = keep_begin(k, &why);
		if (!err && m[n - 1].last > k->named && (err = keep_record(k, &fields)) == 0)
			k->named = m[n - 1].last;
		stop_at("trim-recorded");
		for (size_t i = 0; i < n && !err; i++) {
			uint64_t bytes = segment_bytes(k, m[i].segment);
			err = remove_segment(k, m[i].segment, &why);
			if (err)
				break;
			k->now.bytes -= bytes;
			k->now.trimmed = m[i].last;
			k->now.packed--;
			metric_inc(k->metrics, M_KEEP_TRIMMED);
		}
		keep_end(k);
		if (!err)
			log_event(LOG_INFO, "retention.trimmed", LI("segments", n),
				LI("first", m[0].first), LI("last", m[n - 1].last),
				LS("why", due == TRIM_AGE ? "age" : "size"));
		at += n;
	}
	if (err)
		keep_fail(k, "trim", m[0].segment, err, &why);
	free(m);
}

/* ---- files of sealed texts ---- */

/* The pass over JOURNAL.texts: a file of sealed texts that is not written any more is
 * archived. It is trimmed at its own age (retention.texts), oldest first. The newest file
 * stays, because it determines the position of the next text. */

/* Parts of texts may arrive in another order than their positions, so an older file may still
 * be written for a while. */
int64_t keep_texts_calm_s = 600;

struct texts_found {
	char name[TEXTS_NAME_MAX];
	int64_t end_s;	/* seconds since 1970: the last write to the file */
	uint64_t bytes; /* size of the file */
};

/* The files of this node, sorted by name, which is by age. */
struct texts_list {
	struct texts_found *file;
	size_t n, room;
};

static int
by_texts_name(const void *a, const void *b)
{
	return strcmp(
		((const struct texts_found *)a)->name, ((const struct texts_found *)b)->name);
}

/* Lists all files of this node. */
static int
list_texts(struct keep *k, int dirfd, struct texts_list *l)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint64_t begin;
	struct stat st;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	for (struct dirent *e; !err && (e = readdir(d));) {
		if (!texts_name_read(e->d_name, k->cfg->node, &begin) ||
			fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode))
			continue;
		if (!mem_room(&l->file, &l->room, l->n + 1, sizeof(*l->file))) {
			err = ERR_NOMEM;
			break;
		}
		struct texts_found *f = &l->file[l->n++];
		*f = (struct texts_found){ .end_s = st.st_mtime,
			.bytes = (uint64_t)st.st_size };
		memcpy(f->name, e->d_name, strlen(e->d_name) + 1);
	}
	closedir(d);
	if (l->n)
		qsort(l->file, l->n, sizeof(*l->file), by_texts_name);
	return err;
}

/* Describes the file as it is on the disk now, with its hash. `fd` is the open file, or an
 * error. */
static int
survey_texts(struct keep *k, int fd, const struct texts_found *is, struct texts_file *out,
	struct buf *why)
{
	*out = (struct texts_file){ .bytes = 0 };
	memcpy(out->name, is->name, sizeof(out->name));
	snprintf(out->node, sizeof(out->node), "%s", k->cfg->node);
	texts_file_times(out, is->end_s);
	return fd < 0 ? fd
		      : files_hash(fd, &k->service.stopping, out->sha256, &out->bytes, why);
}

/* Archives the file and its description, then writes the mark. */
static int
archive_texts(struct keep *k, int dirfd, const struct texts_found *is, struct buf *why)
{
	char said[TEXTS_NAME_MAX + 8];
	struct texts_file f;

	SCOPED_FD(fd, files_open(dirfd, is->name, why));
	int err = survey_texts(k, fd, is, &f, why);
	if (!err)
		err = archive_put(&k->archive, f.name, fd, f.sha256, &k->service.stopping, why);
	stop_at("archive-texts");
	SCOPED_BUF(text, TEXTS_FILE_BYTES);
	texts_file_write(&f, &text);
	texts_file_said(f.name, said);
	if (!err)
		err = files_put(k->keepfd, said, buf_view(&text), why);
	if (!err)
		err = keep_put_one(k, said, NULL, why);
	return err ? err : keep_mark(k, is->name, why);
}

/* Returns true if the file may be trimmed. The archive is asked again; if it has lost the
 * file, the mark is removed. */
static bool
texts_may_go(struct keep *k, const struct texts_file *f)
{
	if (!k->archive.place)
		return true;
	if (!keep_archived(k, f->name)) {
		keep_hold(k, f->name, "waits until it is archived");
		return false;
	}
	SCOPED_BUF(why, 4096);
	int err = archive_check(&k->archive, f->name, f->sha256, &k->service.stopping, &why);
	if (err) {
		keep_hold(k, f->name, "the archived segment is lost or was changed");
		keep_fail(k, "trim", f->name, err, &why);
		keep_unmark(k, f->name, err);
	}
	return !err;
}

/* Returns the number of files to which nothing is written any more: all but the newest, and
 * the newest, too, if its instance does not run. */
static size_t
closed_texts(const struct keep *k, const struct texts_list *l)
{
	return k->lender || !l->n ? l->n : l->n - 1;
}

/* Describes the oldest files that are old enough and may be trimmed, from index `from` on.
 * Returns their number. */
static size_t
gather_texts(struct keep *k, int dirfd, const struct texts_list *l, size_t from, int64_t age_s,
	struct texts_file *f)
{
	size_t n = 0;

	SCOPED_BUF(why, 4096);
	for (size_t i = from; n < TRIM_AT_ONCE && i < closed_texts(k, l) && !keep_stopped(k);
		i++) {
		if (k->believed_s - l->file[i].end_s <= age_s)
			break;
		SCOPED_FD(fd, files_open(dirfd, l->file[i].name, &why));
		int err = survey_texts(k, fd, &l->file[i], &f[n], &why);
		if (err)
			keep_fail(k, "trim", l->file[i].name, err, &why);
		if (err || !texts_may_go(k, &f[n]))
			break;
		n++;
	}
	return n;
}

/* Returns false if an instance that ran meanwhile has written to one of the files. */
static bool
texts_unchanged(int dirfd, const struct texts_file *f, size_t n)
{
	uint64_t bytes;

	for (size_t i = 0; i < n; i++) {
		bytes = 0;
		if (!exists(dirfd, f[i].name, &bytes) || bytes != f[i].bytes)
			return false;
	}
	return true;
}

/* Names the files in a trim record, then removes them. */
static int
trim_texts(struct keep *k, int dirfd, const struct texts_file *f, size_t n, struct buf *why)
{
	int err = 0;

	SCOPED_BUF(fields, CAP_RECORD_BYTES);
	texts_trim_fields(&fields, f, n, k->archive.place);
	if (faccessat(dirfd, ".", W_OK, AT_EACCESS) < 0)
		err = why_err(why, ERR_IO, "the folder is not writable: %s", strerror(errno));
	if (!err)
		err = keep_begin(k, why);
	if (!err && !texts_unchanged(dirfd, f, n))
		err = ERR_CLOSED; /* the next pass looks again */
	stop_at("trim-texts-record");
	/* A file is named once per start. Names sort by age. */
	if (!err && strcmp(f[n - 1].name, k->texts_named) > 0 &&
		(err = keep_record(k, &fields)) == 0)
		memcpy(k->texts_named, f[n - 1].name, sizeof(k->texts_named));
	stop_at("trim-texts-recorded");
	for (size_t i = 0; i < n && !err; i++) {
		err = files_remove(dirfd, f[i].name, why);
		if (!err)
			metric_inc(k->metrics, M_KEEP_TRIMMED);
		stop_at("trim-texts-removed");
	}
	keep_end(k);
	if (!err)
		log_event(LOG_INFO, "retention.texts", LI("files", n), LS("first", f[0].name),
			LS("last", f[n - 1].name));
	return err;
}

static void
trim_old_texts(struct keep *k, int dirfd, const struct texts_list *l)
{
	uint64_t age_us = k->cfg->retention_texts_us ? k->cfg->retention_texts_us
						     : k->cfg->retention_age_us;
	struct texts_file *f = age_us ? calloc(TRIM_AT_ONCE, sizeof(*f)) : NULL;
	size_t n;
	int err = 0;

	SCOPED_BUF(why, 4096);
	for (size_t at = 0;
		f && !err && !keep_stopped(k) &&
		(n = gather_texts(k, dirfd, l, at, (int64_t)(age_us / 1000000), f)) > 0;
		at += n)
		err = trim_texts(k, dirfd, f, n, &why);
	if (err)
		keep_fail(k, "trim", f[0].name, err, &why);
	free(f);
}

static void
keep_texts(struct keep *k)
{
	struct texts_list l = { .n = 0 };
	char path[JOURNAL_DIR_MAX + 16];

	SCOPED_BUF(why, 4096);
	snprintf(path, sizeof(path), "%.*s" TEXTS_SUFFIX,
		SPAN_ARG(span_cut(journal_folder(k->cfg->journal), 0, JOURNAL_DIR_MAX)));
	SCOPED_FD(dirfd, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (dirfd < 0)
		return; /* nothing was ever sealed */
	int err = list_texts(k, dirfd, &l);
	if (err)
		keep_fail(k, "list", path, err, &why);
	int64_t now_s = clock_wall_ns() / 1000000000;
	for (size_t i = 0; !err && i < closed_texts(k, &l) && !keep_stopped(k); i++) {
		const struct texts_found *f = &l.file[i];
		if (!k->archive.place || now_s - f->end_s < keep_texts_calm_s ||
			keep_archived(k, f->name))
			continue;
		k->now.unarchived++;
		if (!keep_archive_waits(k))
			keep_archive_came(
				k, f->name, f->bytes, archive_texts(k, dirfd, f, &why), &why);
	}
	if (!err && !keep_stopped(k))
		trim_old_texts(k, dirfd, &l);
	free(l.file);
}

/* ---- kept policies ---- */

/* The pass over JOURNAL.policies: each kept policy is archived, and removed when no kept
 * record can name it. The daemon renews the time of the file of the policy in force each hour
 * (kept_policy_put()), so the time of a file is when its policy was last in force. */

enum { MARGIN_S = 86400 }; /* seconds beyond retention.age; an hour would suffice */

static void
archive_policy(struct keep *k, int dirfd, const char *name)
{
	unsigned char hash[SHA256_BYTES];
	uint64_t bytes = 0;

	if (!k->archive.place || keep_archived(k, name))
		return;
	k->now.unarchived++;
	if (keep_archive_waits(k))
		return;
	SCOPED_BUF(why, 4096);
	SCOPED_FD(fd, files_open(dirfd, name, &why));
	int err = fd < 0 ? fd : files_hash(fd, &k->service.stopping, hash, &bytes, &why);
	if (!err)
		err = archive_put(&k->archive, name, fd, hash, &k->service.stopping, &why);
	if (!err)
		err = keep_mark(k, name, &why);
	keep_archive_came(k, name, bytes, err, &why);
}

static void
trim_policy(struct keep *k, int dirfd, const char *name, int64_t written_s)
{
	int64_t age_s = (int64_t)(k->cfg->retention_age_us / 1000000);

	if (!age_s || k->believed_s - written_s <= age_s + MARGIN_S ||
		(k->archive.place && !keep_archived(k, name)))
		return;
	SCOPED_BUF(why, 4096);
	int err = files_remove(dirfd, name, &why);
	if (err)
		keep_fail(k, "trim", name, err, &why);
	else
		log_event(LOG_INFO, "retention.policy", LS("file", name));
}

static void
keep_policies(struct keep *k)
{
	char version[17], hash[KEPT_POLICY_HEX];
	struct stat st;

	SCOPED_BUF(folder, 0);
	kept_policy_folder(k->cfg->journal, &folder);
	SCOPED_FD(dirfd, open(folder.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int fd = dirfd < 0 ? -1 : openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d && fd >= 0)
		close(fd);
	for (const struct dirent *e; d && !keep_stopped(k) && (e = readdir(d));) {
		if (!kept_policy_name_read(e->d_name, version, hash) ||
			fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		archive_policy(k, dirfd, e->d_name);
		trim_policy(k, dirfd, e->d_name, st.st_mtime);
	}
	if (d)
		closedir(d);
}

/* ---- the thread ---- */

/* Opens the folders in the first pass that can. A failure does not prevent the daemon's
 * start. */
static int
open_folders(struct keep *k, struct buf *why)
{
	char path[JOURNAL_DIR_MAX + 16];

	if (k->keepfd >= 0)
		return 0;
	if (k->journalfd < 0)
		k->journalfd = open(k->cfg->journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->journalfd < 0)
		return why_err(why, ERR_IO, "%s: %s", k->cfg->journal, strerror(errno));
	if (snprintf(path, sizeof(path), "%.*s" JOURNAL_KEEP_SUFFIX,
		    SPAN_ARG(journal_folder(k->cfg->journal))) >= (int)sizeof(path))
		return ERR_IO;
	k->keepfd = files_folder(path, why);
	return k->keepfd < 0 ? k->keepfd : 0;
}

/* One pass over everything. */
static void
keep_turn(struct keep *k)
{
	struct journal_list l;
	uint64_t trimmed = k->now.trimmed;

	SCOPED_BUF(why, 4096);
	k->now = (struct keep_state){ .trimmed = trimmed };
	k->before.first = 0;
	int err = open_folders(k, &why);
	if (!err)
		err = journal_list_all(k->cfg->journal, k->cfg->node, false, &l, &why);
	if (err) {
		keep_fail(k, k->keepfd < 0 ? "open" : "list", k->cfg->journal, err, &why);
		return;
	}
	size_t n = 0, closed = 0;
	for (size_t i = 0; i < l.n; i++)
		if (l.seg[i].ours)
			l.seg[n++] = l.seg[i];
	l.n = n;
	/* The newest segment in the journal's folder is open and is not touched. A compressed
	 * segment with a newer name must not make it count as closed. */
	for (size_t i = 0; i < l.n; i++)
		if (l.seg[i].form == JOURNAL_PLAIN)
			closed = i;
	for (size_t i = 0; i < l.n; i++) {
		const char *name = l.seg[i].name;
		k->now.bytes += segment_bytes(k, name);
		k->now.plain += l.seg[i].form == JOURNAL_PLAIN;
		k->now.packed += l.seg[i].form != JOURNAL_PLAIN;
		k->now.unarchived += k->archive.place && i < closed && !keep_archived(k, name);
	}
	for (size_t i = 0; i < closed; i++)
		if (!keep_segment(k, l.seg[i].name, i + plain_kept(k) >= closed))
			/* the disk is full or the thread stops; a damaged segment does not
			 * stop the pass */
			break;
	if (!keep_stopped(k) && k->archive.place)
		put_latest(k, &l, closed);
	if (!keep_stopped(k))
		trim(k, &l, closed);
	if (!keep_stopped(k))
		keep_texts(k);
	if (!keep_stopped(k))
		keep_policies(k);
	if (!k->now.failed[0])
		k->logged[0] = '\0';
	journal_list_free(&l);
}

static uint64_t
keep_service_turn(void *arg)
{
	struct keep *k = arg;

	if (k->lender && !journal_is_free(k->cfg->journal)) {
		/* The other instance runs and keeps this journal itself. It may archive newer
		 * segments, so the name of the latest one is no longer known here. */
		k->now = (struct keep_state){ .plain = 0 };
		k->latest[0] = '\0';
	} else {
		keep_turn(k);
	}
	SCOPED_LOCK(&k->lock);
	k->shown = k->now;
	return clock_mono_us() + k->cfg->retention_every_us;
}

static void
keep_destroy(struct keep **kp)
{
	struct keep *k = *kp;

	if (k->journalfd >= 0)
		close(k->journalfd);
	if (k->keepfd >= 0)
		close(k->keepfd);
	pthread_mutex_destroy(&k->lock);
	free(k);
	*kp = NULL;
}

static struct archive_options
archive_of(const struct config *cfg)
{
	return (struct archive_options){ cfg->retention_archive, cfg->retention_endpoint,
		cfg->retention_region, cfg->retention_credentials,
		cfg->retention_lock_us / 1000000 };
}

const char *
keep_wrong(const struct config *cfg)
{
	const struct archive_options o = archive_of(cfg);

	return o.place ? archive_wrong(&o) : NULL;
}

static struct keep *
start_keeping(const struct config *cfg, struct audit *a, const struct keep_lender *lender,
	struct metrics *m, struct buf *why)
{
	struct keep *k = cfg->retention && (a || lender) ? calloc(1, sizeof(*k)) : NULL;

	if (!k) {
		if (cfg->retention && (a || lender))
			buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	believe_start(&k->clock);
	k->cfg = cfg;
	k->audit = a;
	k->lender = lender;
	k->metrics = m;
	k->archive = archive_of(cfg);
	k->journalfd = k->keepfd = -1;
	pthread_mutex_init(&k->lock, NULL);
	int err = keep_wrong(cfg) ? ERR_SYNTAX : 0;
	if (err)
		buf_printf(why, "retention.archive: %s", keep_wrong(cfg));
	const struct service_options o = { .name = "tg-keep",
		.turn = keep_service_turn,
		.arg = k,
		.nice = 19,
		.idle_disk = true };
	if (!err && (err = service_start(&k->service, &o)))
		buf_str(why, err_str(err));
	if (err)
		keep_destroy(&k);
	return k;
}

struct keep *
keep_start(const struct config *cfg, struct audit *a, struct metrics *m, struct buf *why)
{
	return start_keeping(cfg, a, NULL, m, why);
}

struct keep *
keep_start_other(const struct config *cfg, const struct keep_lender *lender, struct metrics *m,
	struct buf *why)
{
	return start_keeping(cfg, NULL, lender, m, why);
}

void
keep_stop(struct keep **kp)
{
	struct keep *k = *kp;

	if (!k)
		return;
	service_stop(&k->service);
	keep_destroy(kp);
}

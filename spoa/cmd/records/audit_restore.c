/* tollgate audit restore: copies archived segments to JOURNAL.restored, next to the journal,
 * where every reading command finds them.
 *
 * A segment must agree with its manifest, with the manifest's signature and with the
 * journal's trim record. Any other segment is refused with its name. The command also
 * restores the keys, the texts of policies and the hash tree, and reports records that
 * neither this machine nor the archive has. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec/lines.h"
#include "base/err.h"
#include "base/why.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/records/audit.h"
#include "policy/config/config.h"
#include "record/archive/archive.h"
#include "record/archive/pack.h"
#include "record/journal/verify.h"
#include "record/archive/kept_policy.h"
#include "record/proof/tiles.h"
#include "record/seal/texts.h"

#define WHAT	  "audit restore"
#define NAMES_MAX 100000
#define RESERVE	  (64u << 20) /* bytes of disk space that are left to a running daemon */
#define SAID_MAX  200	      /* the largest number of segments that the record of the
			       * restoration names */

/* The state of the command. Owned by audit_restore(). `name` are the n selected segments;
 * `known` is sorted by node and record number. */
struct restore {
	struct audit_args a;
	struct archive_options archive;
	char **asked; /* the operands */
	int nasked;
	char (*name)[JOURNAL_NAME_MAX];
	size_t n;
	struct known { /* every segment for which a manifest exists */
		char name[JOURNAL_NAME_MAX], node[CHAIN_NODE_MAX + 1];
		uint64_t first, last;
		char begin[CLOCK_RFC3339_LEN], end[CLOCK_RFC3339_LEN];
		unsigned char prev[CHAIN_HASH_BYTES];
	} * known;
	size_t nknown;
	int keepfd, tofd;
	struct buf trims; /* the journal's trim records, one a line */
	json_t *done;
	size_t restored, here, refused;
	bool texts; /* also restore the files of sealed texts of that period */
};

/* ---- selecting segments ---- */

static bool
is_asked(const struct restore *r, const char *segment)
{
	struct span stem = span_cut(span_str(segment), 0, strlen(segment) - 6);

	for (int i = 0; i < r->nasked; i++) {
		struct span s = span_str(r->asked[i]);
		if (span_starts(s, stem) && (s.n == stem.n || s.p[stem.n] == '.'))
			return true;
	}
	return !r->nasked;
}

/* Reads the manifest "X.json" in a folder, and keeps it if its period is requested. */
static int
take_manifest(struct restore *r, int dirfd, const char *file)
{
	const struct query *q = &r->a.q;
	char segment[JOURNAL_NAME_MAX];
	struct manifest m;

	if (!span_ends(span_str(file), SPAN_LIT(".json")) ||
		strlen(file) >= sizeof(segment) - 1)
		return 0;
	snprintf(segment, sizeof(segment), "%sl", file);
	if (manifest_load(dirfd, segment, &m))
		return 0;
	if (r->nknown < NAMES_MAX) {
		struct known *k = &r->known[r->nknown++];
		memcpy(k->name, segment, sizeof(segment));
		memcpy(k->node, m.node, sizeof(m.node));
		k->first = m.first;
		k->last = m.last;
		memcpy(k->begin, m.begin, sizeof(m.begin));
		memcpy(k->end, m.end, sizeof(m.end));
		memcpy(k->prev, m.prev, sizeof(m.prev));
	}
	if (!is_asked(r, segment) || (q->since[0] && strcmp(m.end, q->since) < 0) ||
		(q->until[0] && strcmp(m.begin, q->until) >= 0))
		return 0;
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->name[i], segment))
			return 0;
	if (r->n == NAMES_MAX)
		return ERR_LIMIT;
	memcpy(r->name[r->n++], segment, sizeof(segment));
	return 0;
}

static int
take_folder(struct restore *r, const char *path)
{
	DIR *d = opendir(path);
	int err = 0;

	for (struct dirent *e; d && !err && (e = readdir(d));)
		err = take_manifest(r, dirfd(d), e->d_name);
	if (d)
		closedir(d);
	return err;
}

static int
by_records(const void *a, const void *b)
{
	const struct known *x = a, *y = b;
	int node = strcmp(x->node, y->node);

	return node ? node : x->first < y->first ? -1 : x->first > y->first;
}

/* Finds all manifests here and in an archive that is a folder, and adds the segments of the
 * requested period to the selected ones. */
static int
find_segments(struct restore *r)
{
	char path[JOURNAL_DIR_MAX + 32];

	r->nknown = 0;
	snprintf(path, sizeof(path), "%.*s" JOURNAL_KEEP_SUFFIX,
		SPAN_ARG(journal_folder(r->a.q.journal)));
	int err = take_folder(r, path);
	if (!err && r->archive.place[0] == '/')
		err = take_folder(r, r->archive.place);
	if (r->nknown)
		qsort(r->known, r->nknown, sizeof(*r->known), by_records);
	return err;
}

static int
archive_by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
add_asked(struct restore *r)
{
	for (int i = 0; i < r->nasked; i++) {
		char segment[JOURNAL_NAME_MAX];
		struct span s = span_str(r->asked[i]);
		const char *end = strstr(s.p, ".jsonl");
		if (span_ends(s, SPAN_LIT(TEXTS_SUFFIX)))
			continue;
		s = span_cut(s, 0, end ? (size_t)(end - s.p) : s.n);
		snprintf(segment, sizeof(segment), "%.*s.jsonl", SPAN_ARG(s));
		bool known = false;
		for (size_t k = 0; k < r->n; k++)
			known |= !strcmp(r->name[k], segment);
		if (!known && r->n < NAMES_MAX)
			memcpy(r->name[r->n++], segment, sizeof(segment));
	}
}

static void
collect_trim(void *arg, struct span line)
{
	struct chain_line l;

	if (chain_parse(line, &l) == 0 && !l.commit && span_is(l.type, "trim")) {
		buf_span(arg, line);
		buf_putc(arg, '\n');
	}
}

/* ---- restoring one segment ---- */

int
audit_agrees_with_trims(struct span trims, const char *member, const char *name,
	const unsigned char sha256[CHAIN_HASH_BYTES], struct buf *why)
{
	char named_so[JOURNAL_NAME_MAX + 32], hash[96], hex[2 * CHAIN_HASH_BYTES + 1];
	bool named = false;

	snprintf(named_so, sizeof(named_so), "\"%s\":\"%s\"", member, name);
	chain_hex(sha256, hex);
	snprintf(hash, sizeof(hash), "\"sha256\":\"%s\"", hex);
	while (trims.n) {
		struct span line = span_next(&trims, '\n');
		const char *at = memmem(line.p, line.n, named_so, strlen(named_so));
		if (!at)
			continue;
		named = true;
		struct span one = span_cut(line, (size_t)(at - line.p), line.n);
		one = span_cut(one, 0, span_chr(one, '}'));
		if (memmem(one.p, one.n, hash, strlen(hash)))
			return 0;
	}
	if (named)
		buf_str(why, "the journal's trim record names another SHA-256");
	return named ? ERR_AUTH : 0;
}

static int
signed_by_us(const struct restore *r, int fd, const struct manifest *m, struct buf *why)
{
	struct verify_options o = { .ring = r->a.ring, .node = m->node, .from = m->first };
	struct verifier *v = verifier_new(&o);
	struct verify_result result;
	struct lines l;
	struct span line;
	int err = v ? lines_open(&l, fd, 0) : ERR_NOMEM;

	if (err) {
		verifier_free(&v);
		return err;
	}
	while (lines_next(&l, UINT64_MAX, &line) > 0)
		verifier_line(v, line);
	verifier_end(v, &result);
	lines_close(&l);
	verifier_free(&v);
	if (!result.ok)
		buf_printf(why, "record %" PRIu64 ": %s", result.bad_seq, result.why);
	else if (result.first != m->first || result.last != m->last)
		buf_printf(why,
			"it holds records %" PRIu64 " to %" PRIu64
			", not those of its manifest",
			result.first, result.last);
	return why->n ? ERR_AUTH : 0;
}

/* Reads the manifest on this machine, or else the one of the archive, which signatures and
 * trim records must confirm. */
static int
get_manifest(struct restore *r, const char *segment, struct manifest *m, struct buf *why)
{
	char name[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8], text[MANIFEST_BYTES];
	int err = r->keepfd < 0 ? ERR_NOTFOUND : manifest_load(r->keepfd, segment, m);

	if (err == 0)
		return 0;
	manifest_names(segment, name, packed);
	SCOPED_FD(fd, archive_get(&r->archive, name, r->tofd, NULL, why));
	if (fd < 0)
		return fd;
	ssize_t n = pread(fd, text, sizeof(text), 0);
	replace_drop(r->tofd, name);
	err = n < 0 ? ERR_IO : manifest_read(span_of(text, (size_t)n), m);
	if (err || strcmp(m->segment, segment) != 0)
		return why_err(why, ERR_AUTH, "its file in the archive is not a manifest");
	return 0;
}

static int
restore_one(struct restore *r, const char *segment, struct manifest *m, struct buf *why)
{
	char name[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8];
	struct journal_segment s;
	int err = get_manifest(r, segment, m, why);

	if (err)
		return err;
	if (!journal_name_read(m->segment, &s) || strcmp(s.node, m->node) != 0 ||
		s.first != m->first)
		return why_err(why, ERR_AUTH, "its manifest belongs to another segment");
	manifest_names(segment, name, packed);
	SCOPED_FD(fd, archive_get(&r->archive, packed, r->tofd, NULL, why));
	if (fd < 0)
		return fd;
	err = pack_verify(fd, m, NULL, why);
	if (!err)
		err = audit_agrees_with_trims(
			buf_view(&r->trims), "segment", m->segment, m->sha256, why);
	if (!err)
		err = signed_by_us(r, fd, m, why);
	SCOPED_BUF(text, MANIFEST_BYTES);
	manifest_write(m, &text);
	if (!err)
		err = files_put(r->tofd, name, buf_view(&text), why);
	if (!err)
		err = replace_place(r->tofd, packed, fd, why);
	if (err)
		replace_drop(r->tofd, packed);
	return err;
}

/* Returns true if a segment that begins with this record of the node exists here or is
 * known from a manifest, whatever its period is. */
static bool
begins_with(
	const struct restore *r, const struct journal_list *l, const char *node, uint64_t seq)
{
	for (size_t i = 0; i < r->nknown; i++)
		if (r->known[i].first == seq && !strcmp(r->known[i].node, node))
			return true;
	for (size_t i = 0; i < l->n; i++)
		if (l->seg[i].ours && l->seg[i].first == seq && !strcmp(l->seg[i].node, node))
			return true;
	return false;
}

static void
print_missing(struct restore *r, const char *node, uint64_t first, uint64_t last, const char *why)
{
	printf("missing node=%s first=%" PRIu64 " last=%" PRIu64 " why=\"%s\"\n", node, first, last,
		why);
	r->refused++;
}

/* Returns true if a trim record, in the journal or among the restored records, states that
 * the records before this segment were trimmed without being archived. */
static bool
trimmed_unarchived(struct restore *r, const struct known *k)
{
	char cut[VERIFY_TRIM_BYTES];
	struct query all = { .journal = r->a.q.journal,
		.restored = true,
		.evidence = true,
		.arg = &r->trims,
		.line = collect_trim };

	SCOPED_BUF(why, 4096);
	verify_trim_text(k->first, k->prev, cut);
	buf_clear(&r->trims);
	if (query_read(&all, &why))
		return false;
	for (struct span trims = buf_view(&r->trims); trims.n;)
		if (verify_is_trim(span_next(&trims, '\n'), cut, true))
			return true;
	return false;
}

/* Reports records between two known segments that neither this machine nor the archive has
 * and that may be of the requested period. `before` NULL: from record 1 on. */
static void
report_gap(struct restore *r, const struct journal_list *l, const struct known *before,
	const struct known *k)
{
	const struct query *q = &r->a.q;
	uint64_t first = before ? before->last + 1 : 1;

	if (k->first <= first || begins_with(r, l, k->node, first) ||
		(q->since[0] && strcmp(k->begin, q->since) < 0) ||
		(before && q->until[0] && strcmp(before->end, q->until) >= 0) ||
		(!before && trimmed_unarchived(r, k)))
		return;
	print_missing(r, k->node, first, k->first - 1,
		"no segment here or in the archive has these records");
}

/* Fetches NODE.latest of the archive and returns the last record that it names, or 0 if it
 * does not exist. The file is kept for `audit verify` if the end of the chain is requested. */
static uint64_t
bring_latest(struct restore *r, const char *node)
{
	char name[CHAIN_NODE_MAX + 8], text[MANIFEST_BYTES];
	struct manifest m;

	SCOPED_BUF(why, 4096);
	manifest_latest_name(node, name);
	SCOPED_FD(fd, archive_get(&r->archive, name, r->tofd, NULL, &why));
	if (fd < 0)
		return 0;
	ssize_t n = pread(fd, text, sizeof(text), 0);
	bool good = n >= 0 && manifest_read(span_of(text, (size_t)n), &m) == 0 &&
		    !strcmp(m.node, node);
	if (!good || r->a.q.until[0] || replace_place(r->tofd, name, fd, &why))
		replace_drop(r->tofd, name);
	return good ? m.last : 0;
}

/* Records after the last known segment of a node. */
struct lost_end {
	uint64_t first, last;
	char by[JOURNAL_NAME_MAX + 8]; /* the file that shows that they existed */
};

/* Returns true if a node's requested records after the last known segment are missing. The
 * archive's NODE.latest, the names of its files, and the journal's first segment show how far
 * the chain went. */
static bool
loses_end(struct restore *r, const struct journal_list *l, const char *node,
	const struct known *last, struct lost_end *lost)
{
	uint64_t first = last ? last->last + 1 : 1, reaches = bring_latest(r, node);
	const char *until = r->a.q.until;

	manifest_latest_name(node, lost->by);
	SCOPED_FD(fd, r->archive.place[0] == '/'
			      ? open(r->archive.place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			      : -1);
	uint64_t files = fd < 0 ? 0 : manifest_reaches(fd, node, lost->by);
	if (files > reaches)
		reaches = files;
	for (size_t i = 0; i < l->n; i++)
		if (l->seg[i].ours && !strcmp(l->seg[i].node, node) &&
			l->seg[i].first - 1 > reaches && l->seg[i].first >= first) {
			reaches = l->seg[i].first - 1;
			snprintf(lost->by, sizeof(lost->by), "%.*s", JOURNAL_NAME_MAX,
				l->seg[i].name);
			break;
		}
	lost->first = first;
	lost->last = reaches;
	return reaches >= first && !begins_with(r, l, node, first) &&
	       !(last && until[0] && strcmp(last->end, until) >= 0);
}

static void
report_lost_end(struct restore *r, const struct journal_list *l, const char *node,
	const struct known *last)
{
	char why[JOURNAL_NAME_MAX + 80];
	struct lost_end lost;

	if (!loses_end(r, l, node, last, &lost))
		return;
	snprintf(why, sizeof(why), "%s shows them; no segment here or in the archive has them",
		lost.by);
	print_missing(r, node, lost.first, lost.last, why);
}

/* Returns true if k is the last known segment of its node. */
static bool
is_last_known(const struct restore *r, size_t k)
{
	return k + 1 == r->nknown || strcmp(r->known[k + 1].node, r->known[k].node) != 0;
}

/* Returns true if the archive got further segments while this command ran: a daemon
 * archives a segment, then its manifest, then NODE.latest. They are selected too. An end that
 * is missing is therefore looked for again for a second. */
static bool
archive_grew(struct restore *r, const struct journal_list *l)
{
	size_t was = r->n;

	for (int tries = 0; tries < 5; tries++, usleep(200000)) {
		struct lost_end lost;
		bool loses = false;
		for (size_t i = 0; i < r->nknown && !loses; i++)
			loses = is_last_known(r, i) &&
				loses_end(r, l, r->known[i].node, &r->known[i], &lost);
		if (!loses)
			break;
		if (find_segments(r))
			break;
	}
	return r->n > was;
}

/* Reports nodes for which the archive has files but no manifest, so that all their records
 * are missing. */
static void
report_lost_nodes(struct restore *r, const struct journal_list *l)
{
	DIR *d = r->archive.place[0] == '/' ? opendir(r->archive.place) : NULL;

	for (struct dirent *e; d && (e = readdir(d));) {
		char node[CHAIN_NODE_MAX + 1];
		struct span name = span_str(e->d_name);
		bool known = !span_ends(name, SPAN_LIT(MANIFEST_LATEST)) ||
			     name.n - strlen(MANIFEST_LATEST) > CHAIN_NODE_MAX;
		if (known)
			continue;
		snprintf(node, sizeof(node), "%.*s", (int)(name.n - strlen(MANIFEST_LATEST)),
			name.p);
		for (size_t i = 0; i < r->nknown; i++)
			known |= !strcmp(r->known[i].node, node);
		if (!known && chain_node_valid(span_str(node)))
			report_lost_end(r, l, node, NULL);
	}
	if (d)
		closedir(d);
}

/* Reports requested records that exist nowhere, one line for each gap. If segments were
 * requested by name, gaps between two named segments are reported. */
static void
say_missing(struct restore *r, const struct journal_list *l)
{
	const struct known *before = NULL;

	for (size_t i = 0; i < r->nknown; i++) {
		const struct known *k = &r->known[i];
		if (r->nasked &&
			!bsearch(k->name, r->name, r->n, sizeof(r->name[0]), archive_by_text))
			continue;
		if (before && strcmp(before->node, k->node) != 0)
			before = NULL;
		if (before || !r->nasked)
			report_gap(r, l, before, k);
		before = k;
		if (!r->nasked && is_last_known(r, i))
			report_lost_end(r, l, k->node, k);
	}
	if (!r->nasked)
		report_lost_nodes(r, l);
}

/* Restores one selected segment and prints what became of it. Returns an error only if the
 * work cannot continue. */
static int
restore_named(struct restore *r, const struct journal_list *l, const char *name)
{
	struct manifest m;
	bool here = false;

	SCOPED_BUF(why, 8192);
	for (size_t k = 0; k < l->n && !here; k++)
		here = !strcmp(l->seg[k].name, name);
	if (here) {
		r->here++;
		printf("here %s\n", name);
		return 0;
	}
	int err = restore_one(r, name, &m, &why);
	if (!err) {
		r->restored++;
		printf("restored %s first=%" PRIu64 " last=%" PRIu64 " begin=%s end=%s\n", name,
			m.first, m.last, m.begin, m.end);
		if (json_array_size(r->done) < SAID_MAX)
			json_array_append_new(r->done, json_string(name));
	} else if (err == ERR_AUTH || err == ERR_NOTFOUND) {
		r->refused++;
		printf("refused %s why=\"%.*s\"\n", name, SPAN_ARG(buf_view(&why)));
		err = 0;
	} else {
		cmd_failed(WHAT, err, &why);
	}
	return err;
}

/* Restores all selected segments. Returns 0, or the error that ended the work: if the
 * archive does not respond, the next segment would fail too. */
static int
restore_all(struct restore *r)
{
	struct journal_list l;
	int err;

	SCOPED_BUF(why, 8192);
	err = journal_list_all(r->a.q.journal, NULL, true, &l, &why);
	cmd_failed(WHAT, err, &why);
	size_t i = 0;
	do
		for (; i < r->n && !err; i++)
			err = restore_named(r, &l, r->name[i]);
	while (!err && !r->nasked && archive_grew(r, &l));
	if (!err)
		say_missing(r, &l);
	journal_list_free(&l);
	return err;
}

/* ---- keys ---- */

/* Copies NODE.keys of the archive to JOURNAL.keys, if that does not exist. The statements
 * in it are signed. A node whose keys were never replaced has no such file. */
static int
bring_keys(struct restore *r, struct buf *why)
{
	char path[JOURNAL_DIR_MAX + 8], name[CHAIN_NODE_MAX + 8], last[CHAIN_NODE_MAX + 1] = "";
	int err = 0;

	snprintf(path, sizeof(path), "%.*s.keys", SPAN_ARG(journal_folder(r->a.q.journal)));
	if (access(path, F_OK) == 0)
		return 0;
	SCOPED_BUF(text, 4u << 20);
	for (size_t i = 0; i < r->n && !err; i++) {
		struct journal_segment s;
		if (!journal_name_read(r->name[i], &s) || !strcmp(s.node, last))
			continue;
		snprintf(last, sizeof(last), "%s", s.node);
		manifest_keys_name(s.node, name);
		SCOPED_FD(fd, archive_get(&r->archive, name, r->tofd, NULL, why));
		err = fd == ERR_NOTFOUND ? 0 : fd < 0 ? fd : 0;
		char part[4096];
		off_t at = 0;
		for (ssize_t n; fd >= 0 && (n = pread(fd, part, sizeof(part), at)) > 0; at += n)
			buf_span(&text, span_of(part, (size_t)n));
		if (fd >= 0)
			replace_drop(r->tofd, name);
		buf_clear(why);
	}
	SCOPED_FD(fd, err || !text.n
			      ? -1
			      : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
	if (fd >= 0) {
		struct span v = buf_view(&text);
		if (write(fd, v.p, v.n) != (ssize_t)v.n || fsync(fd) < 0)
			err = ERR_IO;
	}
	if (err || (fd < 0 && text.n)) {
		if (!why->n)
			buf_printf(why, "%s: %s", path, strerror(errno));
		err = err ? err : ERR_IO;
	}
	return err;
}

/* ---- texts of policies ---- */

static void
collect_policy(void *arg, struct span line)
{
	json_auto_t *o = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	const char *text = json_str_in(o, "text");
	unsigned char hash[SHA256_BYTES];

	if (!strcmp(json_text_in(o, "type"), "policy") && text &&
		sha256_read(span_str(text), hash) && json_str_in(o, "policy_version"))
		json_object_set(arg, text, json_object_get(o, "policy_version"));
}

/* Copies one text to JOURNAL.policies. Returns 0; ERR_NOTFOUND or ERR_AUTH if the archive
 * lacks the text or has other bytes; or another error. */
static int
bring_policy(struct restore *r, int dirfd, const char *name, const char *hash, struct buf *why)
{
	struct kept_policy kept;

	SCOPED_FD(fd, archive_get(&r->archive, name, dirfd, NULL, why));
	if (fd < 0)
		return fd;
	SCOPED_BUF(packed, KEPT_POLICY_BYTES);
	int err = lseek(fd, 0, SEEK_SET) < 0 || buf_fd(&packed, fd) < 0 ? ERR_IO : 0;
	if (!err) {
		err = kept_policy_read(buf_view(&packed), &kept);
		if (err == ERR_SYNTAX || (!err && strcmp(kept.hash, hash) != 0))
			err = why_err(why, ERR_AUTH,
				"its contents differ from those that the record names");
		kept_policy_free(&kept);
	}
	if (!err)
		return replace_place(dirfd, name, fd, why);
	replace_drop(dirfd, name);
	return err;
}

/* Copies the policy texts that records name and that this machine lacks. */
static int
bring_policies(struct restore *r)
{
	const uint64_t term = record_term_hash(RT_TYPE, SPAN_LIT("policy"));
	json_auto_t *texts = json_object();
	const struct query q = { .journal = r->a.q.journal,
		.restored = true,
		.term = &term,
		.nterms = 1,
		.arg = texts,
		.line = collect_policy };
	const char *hash;
	json_t *version;

	SCOPED_BUF(why, 8192);
	SCOPED_BUF(folder, 0);
	kept_policy_folder(r->a.q.journal, &folder);
	int err = query_read(&q, &why);
	SCOPED_FD(dirfd, err ? -1 : files_folder(folder.p, &why));
	if (dirfd < 0)
		return cmd_failed(WHAT, err ? err : dirfd, &why);
	json_object_foreach(texts, hash, version)
	{
		char name[KEPT_POLICY_NAME];
		snprintf(name, sizeof(name), "%.16s-%s" KEPT_POLICY_SUFFIX,
			json_string_value(version), hash);
		if (faccessat(dirfd, name, F_OK, 0) == 0)
			continue;
		buf_clear(&why);
		err = bring_policy(r, dirfd, name, hash, &why);
		if (!err)
			printf("restored %s\n", name);
		else
			printf("%s %s why=\"%.*s\"\n",
				err == ERR_NOTFOUND ? "missing" : "refused", name,
				SPAN_ARG(buf_view(&why)));
		r->refused += err && err != ERR_NOTFOUND;
	}
	return 0;
}

/* ---- the hash tree ---- */

/* Appends a segment's hashes from the archive. Returns ERR_NOTFOUND if they are missing or
 * have another length. */
static int
append_hashes(struct restore *r, struct tiles *t, const struct known *k, struct buf *why)
{
	static struct merkle_hash leaf[4096];
	char name[JOURNAL_NAME_MAX + 8];
	uint64_t n = k->last - k->first + 1;
	struct stat st;

	manifest_hashes_name(k->name, name);
	SCOPED_FD(fd, archive_get(&r->archive, name, r->tofd, NULL, why));
	int err = fd < 0 ? fd : 0;
	if (!err && (fstat(fd, &st) < 0 || (uint64_t)st.st_size != n * MERKLE_BYTES))
		err = ERR_NOTFOUND;
	for (uint64_t at = 0; !err && at < n;) {
		size_t some = n - at < COUNT_OF(leaf) ? (size_t)(n - at) : COUNT_OF(leaf);
		ssize_t want = (ssize_t)(some * MERKLE_BYTES);
		err = pread(fd, leaf, (size_t)want, (off_t)(at * MERKLE_BYTES)) == want
			      ? tiles_append(t, leaf, some, why)
			      : ERR_IO;
		at += some;
	}
	if (fd >= 0)
		replace_drop(r->tofd, name);
	return err;
}

/* Gives the files to the journal's owner, since this command may run as root and a daemon
 * continues the files. */
static void
give_tree(const struct restore *r, struct tiles *t)
{
	struct stat st;

	if (geteuid() || stat(r->a.q.journal, &st) < 0)
		return;
	int failed = chown(t->dir, st.st_uid, st.st_gid) < 0;
	for (unsigned i = 0; i < TILES_LEVELS; i++)
		failed |= t->fd[i] >= 0 && fchown(t->fd[i], st.st_uid, st.st_gid) < 0;
	if (failed)
		cmd_fail(WHAT, "%s: stays root's: %s", t->dir, strerror(errno));
}

/* Builds the tree from a node's first known segments, from record 1 on. An existing
 * JOURNAL.tree belongs to a daemon and is not changed. The hashes need no trust, because a
 * proof's checkpoint confirms them. */
static void
make_tree(struct restore *r, const struct known *k, size_t n)
{
	struct tiles t;
	SCOPED_BUF(why, 4096);

	if (tiles_open(&t, r->a.q.journal, k->node, false, &why) != ERR_NOTFOUND) {
		tiles_close(&t);
		return;
	}
	buf_clear(&why);
	int err = tiles_open(&t, r->a.q.journal, k->node, true, &why);
	if (cmd_failed(WHAT, err, &why))
		return;
	for (size_t i = 0; i < n && !err && k[i].first <= t.n + 1; i++)
		err = k[i].first == t.n + 1 ? append_hashes(r, &t, &k[i], &why) : 0;
	cmd_failed(WHAT, err == ERR_NOTFOUND ? 0 : err, &why);
	if (t.n) {
		printf("tree node=%s hashes=%" PRIu64 "\n", k->node, t.n);
		give_tree(r, &t);
	} else {
		/* an archive of an older version has no hashes; another archive may have
		 * them */
		char path[sizeof(t.dir) + sizeof(t.node) + 8];
		snprintf(path, sizeof(path), "%s/%s.0", t.dir, t.node);
		unlink(path);
	}
	tiles_close(&t);
}

static void
make_trees(struct restore *r)
{
	for (size_t i = 0, k; i < r->nknown; i = k) {
		for (k = i + 1; k < r->nknown && !strcmp(r->known[k].node, r->known[i].node);)
			k++;
		if (r->known[i].first == 1)
			make_tree(r, &r->known[i], k - i);
	}
}

static int
open_folders(struct restore *r)
{
	char path[JOURNAL_DIR_MAX + 32];
	struct span journal = journal_folder(r->a.q.journal);

	if (journal.n > JOURNAL_DIR_MAX)
		return cmd_fail(WHAT, "%s: the name is too long", r->a.q.journal);
	snprintf(path, sizeof(path), "%.*s" JOURNAL_KEEP_SUFFIX, SPAN_ARG(journal));
	r->keepfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = find_segments(r);
	if (err)
		return cmd_fail(WHAT, "%s", err_str(err));
	add_asked(r);
	qsort(r->name, r->n, sizeof(r->name[0]), archive_by_text);
	snprintf(path, sizeof(path), "%.*s" JOURNAL_RESTORED_SUFFIX, SPAN_ARG(journal));
	SCOPED_BUF(why, 4096);
	r->tofd = files_folder(path, &why);
	return cmd_failed(WHAT, r->tofd < 0 ? r->tofd : 0, &why);
}

/* Finds the journal, the key and the archive: on the command line, else in the
 * configuration. */
static int
find_all(struct restore *r, const char *archive)
{
	const struct config *cfg = cmd_config(&r->a.q.arena, r->a.q.config);
	int code = query_source(&r->a.q);

	code = code ? code : audit_signers(&r->a, true);
	if (code)
		return code;
	if (cfg)
		r->archive = (struct archive_options){ .place = cfg->retention_archive,
			.endpoint = cfg->retention_endpoint,
			.region = cfg->retention_region,
			.credentials_file = cfg->retention_credentials };
	if (archive)
		r->archive.place = archive;
	if (!r->archive.place)
		return cmd_fail(WHAT, "no archive is known: give --archive PLACE, or set "
				      "retention.archive");
	if (r->archive.place[0] == '/')
		r->archive.endpoint = r->archive.credentials_file = NULL;
	const char *wrong = archive_wrong(&r->archive);
	return wrong ? cmd_fail(WHAT, "%s: %s", r->archive.place, wrong) : 0;
}

static int
run_restore(struct restore *r, const char *archive)
{
	struct query trims = { .without_restored = true,
		.evidence = true,
		.arg = &r->trims,
		.line = collect_trim };
	int code = find_all(r, archive);

	if (!code && !r->a.q.journal)
		code = cmd_fail(WHAT, "no journal");
	if (!code)
		code = open_folders(r);
	if (code)
		return code;
	SCOPED_BUF(why, 8192);
	trims.journal = r->a.q.journal;
	int err = query_read(&trims, &why);
	const struct audit_texts_wanted texts = { .archive = &r->archive,
		.journal = r->a.q.journal,
		.asked = r->asked,
		.nasked = r->nasked,
		.by_time = r->texts && !r->nasked,
		.since = r->a.q.since,
		.until = r->a.q.until,
		.trims = buf_view(&r->trims) };
	struct audit_texts_done done = { .restored = 0 };
	if (!err)
		err = audit_restore_texts(&texts, &done, &why);
	r->refused += done.refused;
	if (!err && r->n == 0 && !r->texts && r->nknown == 0 && !r->nasked) {
		struct journal_list none = { .n = 0 };
		report_lost_nodes(r, &none);
		if (r->refused)
			return EXIT_NO;
	}
	if (!err && r->n == 0 && !done.restored && !done.here && !done.refused) {
		return cmd_fail(
			WHAT, "no segment of this period exists here or in the archive: "
			      "check --since and --until");
	}
	err = err ? err : bring_keys(r, &why);
	err = err ? err : audit_ring(&r->a, &why);
	cmd_failed(WHAT, err, &why);
	if (!err)
		err = restore_all(r);
	if (!err && r->restored)
		make_trees(r);
	if (!err)
		err = bring_policies(r);
	r->restored += done.restored;
	if (r->restored) {
		reading_asked("segments", json_incref(r->done));
		reading_add(r->restored);
	}
	if (fflush(stdout) == EOF)
		err = ERR_IO;
	return err ? EXIT_CANNOT : r->refused ? EXIT_NO : EXIT_DONE;
}

int
audit_restore(int argc, char **argv)
{
	struct restore r = { .a = { .q = { .what = WHAT } }, .keepfd = -1, .tofd = -1 };
	const char *archive = NULL;
	const struct cmd_option options[] = {
		{ "journal", .text = &r.a.q.journal },
		{ "config", .text = &r.a.q.config },
		{ "c", .text = &r.a.q.config },
		QUERY_TIMES(&r.a.q),
		AUDIT_KEYS(&r.a),
		{ "archive", .text = &archive },
		{ "texts", .flag = &r.texts },
		{ "root", .text = &r.a.root },
		{ "statement", .text = r.a.statements, .count = &r.a.nstatements,
			.most = AUDIT_STATEMENTS },
		{ .name = NULL },
	};

	r.nasked = cmd_options(WHAT, argc, argv, options, &r.asked);
	if (r.nasked < 0 || (r.texts && r.nasked) ||
		(r.nasked == 0 && !r.a.q.said_since && !r.a.q.said_until))
		return cmd_usage(WHAT);
	int code = query_times(&r.a.q);
	for (int i = 0; i < r.nasked && !code; i++)
		if (strchr(r.asked[i], '/'))
			code = cmd_fail(WHAT, "%s: give the name of a segment, such as "
					      "those that tollgate audit verify prints", r.asked[i]);
	if (code)
		return code;
	files_reserve = RESERVE;
	reading_begin(WHAT, r.a.q.config, options, NULL, 0);
	reading_window(r.a.q.since_ns, r.a.q.until_ns);
	buf_init(&r.trims, 256u << 20);
	r.name = calloc(NAMES_MAX, sizeof(r.name[0]));
	r.known = calloc(NAMES_MAX, sizeof(*r.known));
	r.done = json_array();
	code = r.name && r.known && r.done ? run_restore(&r, archive)
					   : cmd_fail(WHAT, "out of memory");
	scoped_fd_close(&r.keepfd);
	scoped_fd_close(&r.tofd);
	json_decref(r.done);
	free(r.a.ring);
	free(r.name);
	free(r.known);
	buf_free(&r.trims);
	arena_reset(&r.a.q.arena);
	return r.restored ? reading_end(code) : code;
}

/* A journal of the test's own: folder, key and configuration, with functions to add records and
 * to read the journal. */
#ifndef TESTS_AUDIT_RIG_H
#define TESTS_AUDIT_RIG_H

#include <fcntl.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/records/audit.h"
#include "record/audit/audit.h"
#include "record/journal/journal.h"
#include "record/journal/verify.h"

struct rig {
	char dir[128], journal[160], key[160];
	struct config cfg;
	struct metrics metrics;
	struct pubkey pub;
	struct audit *audit;
	struct buf why;
};

static inline void
rig_init(struct rig *r)
{
	/* The tests count sequence numbers themselves, so the tree adds no records at its own
	 * pace. */
	tree_pace = (struct tree_pace){ UINT64_MAX, UINT64_MAX, false };
	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "/tmp/tollgate-audit-XXXXXX");
	INVARIANT(mkdtemp(r->dir));
	snprintf(r->journal, sizeof(r->journal), "%s/journal", r->dir);
	snprintf(r->key, sizeof(r->key), "%s/key", r->dir);
	buf_init(&r->why, 65536);
	INVARIANT(signkey_create(r->key, &r->pub, &r->why) == 0);
	r->cfg = (struct config){ .file = "/etc/tollgate/tollgate.yaml",
		.policy = "policy.yaml",
		.node = "gw-1",
		.journal = r->journal,
		.audit_key = r->key,
		.journal_segment_bytes = 64 << 20,
		.workers = 2 };
}

static inline void
rig_free(struct rig *r)
{
	char cmd[256];

	audit_stop(&r->audit);
	buf_free(&r->why);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", r->dir);
	INVARIANT(system(cmd) == 0);
}

/* Makes the hash key as the daemon does. */
static inline struct hashkey
rig_hashkey(struct rig *r)
{
	struct hashkey hash = { .derived = true };

	if (r->cfg.audit_hash_key)
		hashkey_load(r->cfg.audit_hash_key, &hash, &r->why);
	else if (r->cfg.audit_key)
		hashkey_derive(r->cfg.audit_key, &hash, &r->why);
	buf_clear(&r->why);
	return hash;
}

/* Starts the audit thread. Returns true, or false with the reason in r->why. */
static inline bool
rig_start(struct rig *r)
{
	struct hashkey hash;

	buf_clear(&r->why);
	hash = rig_hashkey(r);
	r->audit = audit_start(&r->cfg, "0123", &hash, &r->metrics, &r->why);
	buf_putc(&r->why, '\0');
	return r->audit != NULL;
}

static inline uint64_t
rig_count(struct rig *r, enum metric id)
{
	return atomic_load(&r->metrics.v[id]);
}

static inline void
rig_done(struct audit_entry *e, int err)
{
	(void)err;
	sem_post(e->arg);
}

/* Sends a record with this id. `came` is posted when the record is durable or refused. */
static inline void
rig_send(struct rig *r, struct audit_entry *e, sem_t *came, const char *id)
{
	*e = (struct audit_entry){ .done = rig_done, .arg = came };
	buf_init(&e->fields, 0);
	buf_printf(
		&e->fields, "\"type\":\"decision\",\"id\":\"%s\",\"decision\":\"permit\"", id);
	audit_append(r->audit, e);
}

static inline void
rig_wait(sem_t *came)
{
	while (sem_wait(came) < 0)
		;
}

/* Writes one record with this id, waits for it and returns the result. */
static inline int
rig_put(struct rig *r, const char *id)
{
	struct audit_entry e;
	sem_t s;

	sem_init(&s, 0, 0);
	rig_send(r, &e, &s, id);
	rig_wait(&s);
	buf_free(&e.fields);
	sem_destroy(&s);
	return e.err;
}

static inline void
rig_verifier_line(void *v, struct span line)
{
	verifier_line(v, line);
}

static inline void
rig_verifier_torn(void *v, size_t n)
{
	verifier_torn(v, n);
}

/* Returns a query that reads the whole journal as `audit verify --journal` does. */
static inline struct query
rig_verified_by(struct rig *r, struct verifier *v)
{
	return (struct query){ .journal = r->journal,
		.without_restored = true,
		.evidence = true,
		.arg = v,
		.line = rig_verifier_line,
		.torn = rig_verifier_torn };
}

static inline struct verify_result
rig_verify(struct rig *r)
{
	struct verify_options o = { .keys = &r->pub, .nkeys = 1, .node = "gw-1", .live = true };
	struct verifier *v = verifier_new(&o);
	const struct query q = rig_verified_by(r, v);
	struct verify_result result;

	buf_clear(&r->why);
	INVARIANT(query_read(&q, &r->why) == 0);
	verifier_end(v, &result);
	verifier_free(&v);
	return result;
}

static inline void
rig_collect(void *arg, struct span line)
{
	buf_span(arg, line);
	buf_putc(arg, '\n');
}

/* Returns all whole lines as one text, which the caller frees. */
static inline struct buf
rig_text(struct rig *r)
{
	struct buf b;
	const struct query q = { .journal = r->journal,
		.without_restored = true,
		.evidence = true,
		.arg = &b,
		.line = rig_collect };

	buf_init(&b, 0);
	INVARIANT(query_read(&q, &r->why) == 0);
	buf_putc(&b, '\0');
	return b;
}

static inline bool
rig_holds(struct rig *r, const char *text)
{
	struct buf b = rig_text(r);
	bool found = memmem(buf_view(&b).p, b.n, text, strlen(text)) != NULL;

	buf_free(&b);
	return found;
}

/* Returns the path of segment i, counted from the oldest; -1: the newest. */
static inline const char *
rig_segment(struct rig *r, int i)
{
	static char path[512];
	struct journal_list list;

	INVARIANT(journal_list(r->journal, NULL, &list, &r->why) == 0 && list.n > 0);
	snprintf(path, sizeof(path), "%s/%s", r->journal,
		list.seg[i < 0 ? list.n - 1 : (size_t)i].name);
	journal_list_free(&list);
	return path;
}

static inline size_t
rig_segments(struct rig *r)
{
	struct journal_list list;

	INVARIANT(journal_list(r->journal, NULL, &list, &r->why) == 0);
	size_t n = list.n;
	journal_list_free(&list);
	return n;
}

static inline struct buf
rig_slurp(const char *path)
{
	struct buf b;
	char chunk[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	INVARIANT(fd >= 0);
	buf_init(&b, 0);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_put(&b, chunk, (size_t)n);
	close(fd);
	while (b.n && buf_view(&b).p[b.n - 1] == '\0') /* an open segment ends with NULs */
		b.n--;
	return b;
}

static inline void
rig_spill(const char *path, struct span s)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	INVARIANT(fd >= 0 && write(fd, s.p, s.n) == (ssize_t)s.n);
	close(fd);
}

/* Runs a shell command that must succeed. */
__attribute__((format(printf, 1, 2))) static inline void
rig_sh(const char *fmt, ...)
{
	char cmd[1400];
	va_list ap;

	va_start(ap, fmt);
	INVARIANT((size_t)vsnprintf(cmd, sizeof(cmd), fmt, ap) < sizeof(cmd));
	va_end(ap);
	INVARIANT(system(cmd) == 0);
	usleep(JOURNAL_PLACED_US +
		1000); /* the interval at which the audit thread looks for renamed files */
}

/* For cmocka tests whose rig is named r. */
#define assert_started()                                                                       \
	do {                                                                                   \
		if (!rig_start(&r))                                                            \
			fail_msg("%s", buf_view(&r.why).p);                                    \
	} while (0)

#define assert_verifies(nrecords)                                                              \
	do {                                                                                   \
		struct verify_result v_ = rig_verify(&r);                                      \
		if (!v_.ok)                                                                    \
			fail_msg("record %" PRIu64 ": %s", v_.bad_seq, v_.why);                \
		assert_int_equal(v_.records, nrecords);                                        \
		assert_int_equal(v_.unsigned_records, 0);                                      \
	} while (0)

#endif

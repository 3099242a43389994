/* A journal of the test's own: folder, key and configuration, with functions to add records and
 * to read the journal. */
#ifndef TESTS_AUDIT_RIG_H
#define TESTS_AUDIT_RIG_H

#include <inttypes.h>
#include <semaphore.h>

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

void rig_init(struct rig *r);

void rig_free(struct rig *r);

/* Makes the hash key as the daemon does. */
struct hashkey rig_hashkey(struct rig *r);

/* Starts the audit thread. Returns true, or false with the reason in r->why. */
bool rig_start(struct rig *r);

uint64_t rig_count(struct rig *r, enum metric id);

void rig_done(struct audit_entry *e, int err);

/* Sends a record with this id. `came` is posted when the record is durable or refused. */
void rig_send(struct rig *r, struct audit_entry *e, sem_t *came, const char *id);

void rig_wait(sem_t *came);

/* Writes one record with this id, waits for it and returns the result. */
int rig_put(struct rig *r, const char *id);

void rig_verifier_line(void *v, struct span line);

void rig_verifier_torn(void *v, size_t n);

/* Returns a query that reads the whole journal as `audit verify --journal` does. */
struct query rig_verified_by(struct rig *r, struct verifier *v);

struct verify_result rig_verify(struct rig *r);

void rig_collect(void *arg, struct span line);

/* Returns all whole lines as one text, which the caller frees. */
struct buf rig_text(struct rig *r);

bool rig_holds(struct rig *r, const char *text);

/* Returns the path of segment i, counted from the oldest; -1: the newest. */
const char *rig_segment(struct rig *r, int i);

size_t rig_segments(struct rig *r);

struct buf rig_slurp(const char *path);

void rig_spill(const char *path, struct span s);

/* Runs a shell command that must succeed. */
__attribute__((format(printf, 1, 2))) void rig_sh(const char *fmt, ...);

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

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

/* Makes the folder, the key and the configuration. The tree adds no records at its own pace. */
void rig_init(struct rig *r);

/* Stops the audit thread and removes the folder. */
void rig_free(struct rig *r);

/* Makes the hash key as the daemon does. */
struct hashkey rig_hashkey(struct rig *r);

/* Starts the audit thread. Returns true, or false with the reason in r->why. */
bool rig_start(struct rig *r);

/* Returns a counter of the audit thread. */
uint64_t rig_count(struct rig *r, enum metric id);

/* Posts the semaphore `arg` of an entry whose record is durable or refused. */
void rig_done(struct audit_entry *e, int err);

/* Sends a record with this id. `came` is posted when the record is durable or refused. */
void rig_send(struct rig *r, struct audit_entry *e, sem_t *came, const char *id);

/* Waits until the semaphore is posted. */
void rig_wait(sem_t *came);

/* Writes one record with this id, waits for it and returns the result. */
int rig_put(struct rig *r, const char *id);

/* Passes a line to a verifier. */
void rig_verifier_line(void *v, struct span line);

/* Passes a torn line of n bytes to a verifier. */
void rig_verifier_torn(void *v, size_t n);

/* Returns a query that reads the whole journal as `audit verify --journal` does. */
struct query rig_verified_by(struct rig *r, struct verifier *v);

/* Verifies the whole journal with its public key. */
struct verify_result rig_verify(struct rig *r);

/* Appends a line to the buffer `arg`. */
void rig_collect(void *arg, struct span line);

/* Returns all whole lines as one text, which the caller frees. */
struct buf rig_text(struct rig *r);

/* Returns true if the journal contains the text. */
bool rig_holds(struct rig *r, const char *text);

/* Returns the path of segment i, counted from the oldest; -1: the newest. */
const char *rig_segment(struct rig *r, int i);

/* Returns the number of segments. */
size_t rig_segments(struct rig *r);

/* Returns the content of a file without the NULs at its end. The caller frees it. */
struct buf rig_slurp(const char *path);

/* Replaces the content of a file. */
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

/* Parts of texts that are written to the disk: durable before they are acknowledged, and a
 * limited number at a time. Also: shares that the disk refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/stops.h"
#include "record/seal/private.h"
#include "support/audit_rig.h"
#include "support/failing_disk.h"

static struct rig r;
static struct texts *texts;
static struct shares *shares;
static _Atomic unsigned syncs, frames; /* syncs of files, and writes of a part */

static ssize_t
counting_write(int fd, const void *p, size_t n, off_t at)
{
	frames += n > TEXTS_PART_MAX;
	return pwrite(fd, p, n, at);
}

static int
counting_sync(int fd)
{
	int err = failing_sync(fd);

	syncs += err == 0;
	return err;
}

static int
setup(void **state)
{
	char file[200], head[200];
	uint64_t lost;

	(void)state;
	rig_init(&r);
	snprintf(file, sizeof(file), "%s.shares", r.journal);
	snprintf(head, sizeof(head), "%s.texts.head", r.journal);
	syncs_to_fail = 0;
	if (!rig_start(&r) || !(texts = texts_open(r.journal, "gw-1", &r.why)) ||
		!(shares = shares_open(file, head, "gw-1", &lost, &r.why, &r.why)))
		return -1;
	audit_keeps(r.audit, texts, shares);
	journal_io = (struct journal_io){ counting_write, counting_sync, failing_cut };
	return rig_put(&r, "first");
}

static int
teardown(void **state)
{
	(void)state;
	syncs_to_fail = 0;
	audit_stop(&r.audit);
	shares_close(&shares);
	texts_close(&texts);
	journal_io = (struct journal_io){ pwrite, fdatasync, ftruncate };
	rig_free(&r);
	return 0;
}

/* Sends a part that no record mentions yet. */
static void
send_part(struct audit_entry *e, sem_t *came)
{
	size_t n = TEXTS_FRAME_BYTES + TEXTS_PART_MAX + HPKE_TAG_BYTES;
	struct text_part *p = calloc(1, sizeof(*p) + n);

	assert_non_null(p);
	p->n = n;
	p->position = texts_take(texts, n);
	texts_frame_head(0, false, n - TEXTS_FRAME_BYTES, p->frame);
	*e = (struct audit_entry){ .done = rig_done, .arg = came, .keep = true, .parts = p };
	audit_append(r.audit, e);
}

static void
parts_are_durable_before_they_are_acknowledged(void **state)
{
	struct audit_entry e;
	sem_t came;

	(void)state;
	sem_init(&came, 0, 0);
	syncs = frames = 0;
	send_part(&e, &came);
	sem_wait(&came);
	assert_int_equal(e.err, 0);
	assert_int_equal(frames, 1);
	assert_int_equal(syncs, 1);
	/* After a failed sync the content of the disk is unknown, so the part is written
	 * again. */
	syncs_to_fail = 1;
	send_part(&e, &came);
	sem_wait(&came);
	assert_int_equal(e.err, 0);
	assert_int_equal(frames, 3);
	assert_int_equal(syncs_to_fail, 0);
	sem_destroy(&came);
}

/* One sync of the texts and one of the journal. */
static void
record_with_parts_costs_one_more_sync(void **state)
{
	struct audit_entry e;
	sem_t came;

	(void)state;
	sem_init(&came, 0, 0);
	size_t n = TEXTS_FRAME_BYTES + 100;
	struct text_part *p = calloc(1, sizeof(*p) + n);
	p->n = n;
	p->position = texts_take(texts, n);
	e = (struct audit_entry){ .done = rig_done, .arg = &came, .parts = p };
	buf_init(&e.fields, 0);
	buf_str(&e.fields, "\"type\":\"decision\",\"id\":\"a\",\"decision\":\"permit\"");
	syncs = 0;
	audit_append(r.audit, &e);
	sem_wait(&came);
	assert_int_equal(e.err, 0);
	assert_int_equal(syncs, 2);
	buf_free(&e.fields);
	sem_destroy(&came);
}

static void
limited_number_of_parts_waits_while_the_disk_refuses(void **state)
{
	enum { MOST = CAP_TEXTS_WAITING / TEXTS_PART_MAX };
	struct audit_entry *e = calloc(MOST, sizeof(*e));
	sem_t came;
	int n = 0;

	(void)state;
	sem_init(&came, 0, 0);
	syncs_to_fail = 1 << 20;
	assert_int_equal(rig_put(&r, "refused"), ERR_IO);
	assert_true(audit_has_room(r.audit));
	while (n < MOST && audit_has_room(r.audit))
		send_part(&e[n++], &came);
	assert_in_range(n, MOST - 2, MOST);
	assert_false(audit_has_room(r.audit));
	syncs_to_fail = 0;
	for (int i = 0; i < n; i++)
		sem_wait(&came);
	assert_true(audit_has_room(r.audit));
	assert_int_equal(rig_put(&r, "after"), 0);
	free(e);
	sem_destroy(&came);
}

static _Atomic bool overwrote;

static void
note_overwrite(const char *point)
{
	if (!strcmp(point, "shares-overwritten"))
		overwrote = true;
}

static bool
is_holder(void *arg, struct span holder)
{
	return span_is(holder, arg);
}

static void
erase_share(char *holder, int64_t serial)
{
	struct buf erased;

	buf_init(&erased, 0);
	assert_int_equal(shares_erase(shares, is_holder, holder, "e", serial, 1, &erased), 0);
	buf_free(&erased);
}

/* The line that states the erasure is at the place where the share would be in the file. */
static void
share_refused_by_the_disk_is_not_overwritten(void **state)
{
	char ann[] = "ann", bob[] = "bob";
	struct share b;

	(void)state;
	assert_int_equal(shares_get(shares, SPAN_LIT("ann"), true, &b), 0);
	assert_int_equal(shares_sync(shares), 0);
	syncs_to_fail = 1;
	assert_int_equal(shares_get(shares, SPAN_LIT("bob"), true, &b), 0);
	assert_int_equal(shares_sync(shares), ERR_IO);
	overwrote = false;
	stops_hook = note_overwrite;
	erase_share(bob, 1);
	assert_false(overwrote);
	erase_share(ann, 2);
	assert_true(overwrote);
	stops_hook = NULL;
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(parts_are_durable_before_they_are_acknowledged),
		T(record_with_parts_costs_one_more_sync),
		T(limited_number_of_parts_waits_while_the_disk_refuses),
		T(share_refused_by_the_disk_is_not_overwritten),
	};
	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

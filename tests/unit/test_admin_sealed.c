/* Shares that the admin server gives out, each recorded before; and erasures, carried out by
 * the daemon that receives the call and by a restarted one. With a real journal and a real file
 * of shares, without Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "base/codec/base64.h"
#include "base/codec/json_text.h"
#include "gate/changes/live.h"
#include "operator/admin/sealed.h"
#include "record/journal/journal.h"
#include "record/seal/shares.h"
#include "support/audit_rig.h"
#include "support/change_rig.h"

static struct rig rig;
static char file_of_shares[192], head_file[192], live_file[192];

__attribute__((format(printf, 1, 2))) static void
run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	assert_int_equal(system(cmd), 0);
}

static void
carry_out(void *arg)
{
	erasing_now(arg);
}

/* Starts like the daemon: first the shares, then pending erasures, before anything else. */
static void
up(void)
{
	static const unsigned char key[SHA256_BYTES] = { 1 };
	struct buf why;
	uint64_t lost;

	buf_init(&why, 4096);
	memset(&server, 0, sizeof(server));
	pthread_mutex_init(&server.erasing.lock, NULL);
	pthread_mutex_init(&server.erasing.telling, NULL);
	server.shared_cfg = &rig.cfg;
	assert_true(rig_start(&rig));
	server.audit = rig.audit;
	server.shares = shares_open(file_of_shares, head_file, "gw-1", &lost, &why, &why);
	if (!server.shares)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	server.live = live_open(live_file, NULL, "gw-1", key, &server.metrics, &why);
	assert_non_null(server.live);
	server.erasing.live = server.live;
	server.erasing.shares = server.shares;
	server.erasing.audit = rig.audit;
	server.erasing.journal = rig.journal;
	live_on_erasure(server.live, carry_out, &server.erasing);
	erasing_now(&server.erasing);
	buf_free(&why);
}

static void
down(void)
{
	live_close(&server.live);
	audit_stop(&rig.audit);
	shares_close(&server.shares);
}

static int
begin(void **state UNUSED)
{
	peer = (struct admin_peer){
		.by = BY_TOKEN, .name = "ann", .roles = ROLE_AUDITOR, .uid = (uid_t)-1
	};
	rig_init(&rig);
	snprintf(file_of_shares, sizeof(file_of_shares), "%s.shares", rig.journal);
	snprintf(head_file, sizeof(head_file), "%s.texts.head", rig.journal);
	snprintf(live_file, sizeof(live_file), "%s.live", rig.journal);
	up();
	return 0;
}

static int
end(void **state UNUSED)
{
	down();
	rig_free(&rig);
	return 0;
}

static uint64_t
share_of(const char *holder, bool make, struct share *b)
{
	if (shares_get(server.shares, span_str(holder), make, b))
		return 0;
	assert_int_equal(shares_sync(server.shares), 0);
	return b->number;
}

static unsigned
erase(const char *person, const char *more)
{
	return ask(&admin_erase, "{\"person\":\"%s\",\"why\":\"asked\"%s}", person, more);
}

/* Returns the number of journal records that contain this text, and the last of them in *last.
 * The open segment is read while it is written. */
static size_t
records_with(const char *text, char last[4096])
{
	char cmd[512], line[1 << 16];
	size_t n = 0;

	snprintf(cmd, sizeof(cmd), "cat '%s'/*.jsonl | tr -d '\\0'", rig.journal);
	FILE *f = popen(cmd, "r");
	while (fgets(line, sizeof(line), f))
		if (strstr(line, text)) {
			n++;
			if (last)
				snprintf(last, 4096, "%.4095s", line);
		}
	pclose(f);
	return n;
}

static size_t
soon_with(const char *text, size_t want, char last[4096])
{
	size_t n = 0;

	for (int i = 0; i < 100 && (n = records_with(text, last)) < want; i++)
		usleep(50000);
	return n;
}

/* ---- shares ---- */

static void
share_is_recorded_before_it_is_given(void **state UNUSED)
{
	unsigned char key[SHARE_BYTES];
	char line[4096];
	struct share b;
	size_t n;

	uint64_t number = share_of("alice", true, &b);
	assert_int_equal(ask(&admin_share,
				 "{\"id\":\"req-1\",\"part\":\"prompt\",\"share\":%llu,"
				 "\"reason\":\"complaint 4711\"}",
				 (unsigned long long)number),
		200);
	json_t *o = json_loads(got, 0, NULL);
	struct span text = json_span(json_object_get(o, "share"));
	assert_int_equal(base64_get(text, key, sizeof(key), &n), 0);
	assert_int_equal(n, SHARE_BYTES);
	assert_memory_equal(key, b.key, SHARE_BYTES);
	assert_int_equal(json_int_in(o, "number"), number);
	json_decref(o);
	/* Its record was durable before the response. The record states reader and reason, and
	 * not the share. */
	assert_int_equal(records_with("\"read\":\"open\"", line), 1);
	assert_non_null(strstr(line, "\"type\":\"read\""));
	assert_non_null(strstr(line, "\"id\":\"req-1\""));
	assert_non_null(strstr(line, "\"part\":\"prompt\""));
	assert_non_null(strstr(line, "\"by\":\"ann\""));
	assert_non_null(strstr(line, "\"reason\":\"complaint 4711\""));
	snprintf(got, sizeof(got), "\"share\":%llu", (unsigned long long)number);
	assert_non_null(strstr(line, got));
	assert_null(strstr(line, "alice"));
}

static void
share_without_a_required_reason_is_refused(void **state UNUSED)
{
	static const struct {
		const char *more;
		unsigned want;
	} rows[] = { { "", 400 }, { ",\"reason\":\"\"", 400 }, { ",\"reason\":\" \\t\"", 400 },
		{ ",\"reason\":\"4711\"", 200 } };
	struct share b;

	uint64_t number = share_of("alice", true, &b);
	rig.cfg.seal_require_reason = true;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(ask(&admin_share,
					 "{\"id\":\"req-1\",\"part\":\"prompt\",\"share\":%llu%s}",
					 (unsigned long long)number, rows[i].more),
			rows[i].want);
		assert_int_equal(strstr(got, "reason: this parameter is missing") != NULL, rows[i].want == 400);
		assert_int_equal(records_with("\"read\":\"open\"", NULL), rows[i].want == 200);
	}
	rig.cfg.seal_require_reason = false;
}

static void
missing_share_is_not_given(void **state UNUSED)
{
	struct share b;

	uint64_t number = share_of("alice", true, &b);
	assert_int_equal(
		ask(&admin_share, "{\"id\":\"r\",\"part\":\"tools\",\"share\":999}"), 404);
	assert_non_null(strstr(got, "\"error\":\"never\""));
	assert_int_equal(erase("alice", ""), 200);
	assert_int_equal(ask(&admin_share, "{\"id\":\"r\",\"part\":\"tools\",\"share\":%llu}",
				 (unsigned long long)number),
		410);
	assert_non_null(strstr(got, "\"error\":\"erased\""));
	assert_int_equal(records_with("\"read\":\"open\"", NULL), 0);
	/* The file was removed, so its shares are lost. */
	share_of("bob", true, &b);
	down();
	run("rm '%s'", file_of_shares);
	up();
	assert_int_equal(ask(&admin_share, "{\"id\":\"r\",\"part\":\"tools\",\"share\":%llu}",
				 (unsigned long long)b.number),
		404);
	assert_non_null(strstr(got, "\"error\":\"lost\""));
	assert_int_equal(ask(&admin_share, "{\"id\":\"r\",\"part\":\"tools\",\"share\":%llu}",
				 (unsigned long long)number),
		410); /* an erased share stays erased */
}

/* A share is not given if the reading cannot be recorded. */
static void
share_is_refused_without_a_record(void **state UNUSED)
{
	struct share b;

	uint64_t number = share_of("alice", true, &b);
	server.audit = NULL;
	assert_int_equal(ask(&admin_share, "{\"id\":\"r\",\"part\":\"prompt\",\"share\":%llu}",
				 (unsigned long long)number),
		409);
	assert_null(strstr(got, "\"share\""));
	server.audit = rig.audit;
	struct shares *shares = server.shares;
	server.shares = NULL;
	assert_int_equal(ask(&admin_share, "{\"id\":\"r\",\"part\":\"prompt\",\"share\":%llu}",
				 (unsigned long long)number),
		409);
	assert_int_equal(erase("alice", ""), 409);
	assert_non_null(strstr(got, "tollgate.yaml has no seal section"));
	server.shares = shares;
	live_close(&server.live);
	assert_int_equal(erase("alice", ""), 409);
	assert_non_null(strstr(got, "state_key"));
}

/* ---- pseudonyms ---- */

static void
record_of_a_pseudonym_reading_has_no_name(void **state UNUSED)
{
	char line[4096], word[PSEUDONYM_LEN + 1];
	struct share b;

	share_of("alice", true, &b);
	share_pseudonym(&b, word);
	assert_int_equal(ask(&admin_pseudonym, "{\"person\":\"alice\"}"), 200);
	assert_non_null(strstr(got, word));
	assert_int_equal(records_with("\"what\":\"pseudonym\"", line), 1);
	assert_non_null(strstr(line, word));
	assert_null(strstr(line, "alice"));
	assert_int_equal(ask(&admin_pseudonym, "{\"person\":\"bob\"}"), 404);
	assert_int_equal(erase("alice", ""), 200);
	assert_int_equal(ask(&admin_pseudonym, "{\"person\":\"alice\"}"), 404);
	assert_null(strstr(got, word));
	struct shares *shares = server.shares;
	server.shares = NULL;
	assert_int_equal(ask(&admin_pseudonym, "{\"person\":\"alice\"}"), 409);
	server.shares = shares;
}

/* ---- erasures ---- */

static void
erasure_is_done_and_recorded(void **state UNUSED)
{
	char line[4096], pseudonym[PSEUDONYM_LEN + 1];
	struct share b, bobs;

	uint64_t number = share_of("alice", true, &b);
	share_of("bob", true, &bobs);
	share_pseudonym(&b, pseudonym);
	assert_int_equal(erase("alice", ",\"ticket\":\"DSR-12\",\"by\":\"eve\""), 200);
	json_t *o = json_loads(got, 0, NULL);
	const json_t *node = json_array_get(json_object_get(o, "nodes"), 0);
	char id[64];
	snprintf(id, sizeof(id), "%s", json_text_in(o, "erasure"));
	assert_int_equal(strlen(id), 16);
	assert_true(json_is_true(json_object_get(o, "here")));
	assert_string_equal(json_text_in(node, "node"), "gw-1");
	assert_true(json_is_true(json_object_get(node, "done")));
	assert_int_equal(strlen(json_text_in(node, "at")), 30);
	json_decref(o);
	assert_int_equal(shares_find(server.shares, number, &b, NULL), SHARE_ERASED);
	assert_int_equal(share_of("alice", false, &b), 0);
	assert_int_equal(share_of("bob", false, &b), bobs.number);
	/* One record has the order, one its result. Neither names the person. */
	assert_int_equal(soon_with("\"type\":\"erase\"", 1, line), 1);
	assert_non_null(strstr(line, pseudonym));
	assert_non_null(strstr(line, "\"why\":\"asked\""));
	assert_non_null(strstr(line, "\"ticket\":\"DSR-12\""));
	assert_non_null(strstr(line, "\"by\":\"ann\""));
	assert_non_null(strstr(line, id));
	char json[128];
	snprintf(json, sizeof(json), "\"pseudonyms\":[\"%s\"]", pseudonym);
	assert_non_null(strstr(line, json));
	assert_int_equal(records_with("\"what\":\"erase\"", line), 1);
	assert_non_null(strstr(line, "\"claimed\":\"eve\""));
	assert_null(strstr(line, "\"tag\""));
	assert_int_equal(records_with("alice", NULL), 0);
	run("! grep -q alice '%s'", live_file);
	/* The list of erasures. */
	list(admin_erasures);
	o = json_loads(got, 0, NULL);
	const json_t *first = json_array_get(json_object_get(o, "erasures"), 0);
	assert_string_equal(json_text_in(first, "erasure"), id);
	assert_string_equal(json_text_in(first, "ticket"), "DSR-12");
	assert_true(json_is_true(
		json_object_get(json_array_get(json_object_get(first, "nodes"), 0), "done")));
	assert_null(json_object_get(first, "done"));
	assert_null(json_object_get(first, "tag"));
	json_decref(o);
}

static void
erased_person_may_be_erased_again(void **state UNUSED)
{
	struct share b;
	char first[64], line[4096];

	uint64_t number = share_of("alice", true, &b);
	assert_int_equal(erase("alice", ""), 200);
	json_t *o = json_loads(got, 0, NULL);
	snprintf(first, sizeof(first), "%s", json_text_in(o, "erasure"));
	json_int_t serial = json_int_in(o, "serial");
	json_decref(o);
	/* New texts have a new share with an unused number. */
	uint64_t next = share_of("alice", true, &b);
	assert_true(next > number);
	assert_int_equal(erase("alice", ""), 200);
	o = json_loads(got, 0, NULL);
	assert_string_equal(json_text_in(o, "erasure"), first);
	assert_true(json_int_in(o, "serial") > serial);
	json_decref(o);
	assert_int_equal(shares_find(server.shares, next, &b, NULL), SHARE_ERASED);
	assert_int_equal(soon_with("\"type\":\"erase\"", 2, line), 2);
	/* A name without a share is recorded nevertheless, for the other nodes. */
	assert_int_equal(erase("nobody", ""), 200);
	assert_non_null(strstr(got, "\"here\":false"));
	assert_non_null(strstr(got, "\"near\":[],\"respelled\":false"));
	assert_int_equal(soon_with("\"type\":\"erase\"", 3, line), 3);
	assert_non_null(strstr(line, "\"pseudonyms\":[]"));
}

/* The daemon ends between the order and the erasure, and its files are restored from a
 * backup. */
static void
restored_share_file_is_erased_before_serving(void **state UNUSED)
{
	struct share b, again;

	uint64_t number = share_of("alice", true, &b);
	share_of("bob", true, &again);
	down();
	run("cp -p '%s' '%s.old'; cp -p '%s' '%s.old'", file_of_shares, file_of_shares, head_file,
		head_file);
	up();
	assert_int_equal(erase("alice", ""), 200);
	assert_int_equal(soon_with("\"type\":\"erase\"", 1, NULL), 1);
	down();
	run("cp -p '%s.old' '%s'", file_of_shares, file_of_shares); /* only the file of shares */
	up();
	assert_int_equal(share_of("alice", false, &again), 0);
	assert_int_equal(shares_find(server.shares, number, &again, NULL), SHARE_ERASED);
	down();
	run("cp -p '%s.old' '%s'; cp -p '%s.old' '%s'", file_of_shares, file_of_shares, head_file,
		head_file); /* also the file beside the journal */
	up();
	assert_int_equal(share_of("alice", false, &again), 0);
	assert_int_equal(shares_find(server.shares, number, &again, NULL), SHARE_ERASED);
	assert_true(share_of("bob", false, &again) > 0);
	/* Each of them is recorded separately. */
	assert_int_equal(soon_with("\"type\":\"erase\"", 3, NULL), 3);
	char hex[2 * SHARE_BYTES + 1];
	sodium_bin2hex(hex, sizeof(hex), b.key, sizeof(b.key));
	run("! grep -qi %s '%s'", hex, file_of_shares);
	/* After the erasure is done, a restart does nothing more. */
	down();
	up();
	assert_int_equal(soon_with("\"type\":\"erase\"", 3, NULL), 3);
}

/* Fails only for the file of shares. */
static int
sync_all_but_shares(int fd)
{
	struct stat is, shares;

	if (fstat(fd, &is) == 0 && stat(file_of_shares, &shares) == 0 && is.st_ino == shares.st_ino) {
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

/* A disk that refuses the write: the erasure is not reported as done, the failure is reported,
 * and it is retried. */
static void
erasure_refused_by_the_disk_is_retried(void **state UNUSED)
{
	struct share b;
	struct buf why;

	share_of("alice", true, &b);
	journal_io.fdatasync = sync_all_but_shares;
	assert_int_equal(erase("alice", ""), 200);
	json_t *o = json_loads(got, 0, NULL);
	const json_t *node = json_array_get(json_object_get(o, "nodes"), 0);
	assert_true(json_is_false(json_object_get(node, "done")));
	json_decref(o);
	assert_int_equal(share_of("alice", false, &b), 0); /* the share is unusable at once */
	buf_init(&why, 1024);
	assert_true(erasing_away(&server.erasing, LIVE_SHARES, &why));
	assert_true(why.n > 0);
	assert_int_equal(records_with("\"type\":\"erase\"", NULL), 0);
	journal_io.fdatasync = fdatasync;
	erasing_again(&server.erasing);
	assert_false(erasing_away(&server.erasing, LIVE_SHARES, &why));
	assert_int_equal(soon_with("\"type\":\"erase\"", 1, NULL), 1);
	list(admin_erasures);
	assert_null(strstr(got, "\"done\":false"));
	buf_free(&why);
}

/* ---- caches ---- */

static struct {
	unsigned here, there, soon;
	bool away; /* the Redis of the cache is unavailable */
	unsigned char name[LIVE_NAME_BYTES];
} caches;

static void
here(void *arg UNUSED, enum live_part part UNUSED, const unsigned char *name UNUSED)
{
	caches.here++;
}

static int
there(void *arg UNUSED, enum live_part part, const unsigned char *name, struct buf *says)
{
	caches.there++;
	if (part == LIVE_CACHE)
		memcpy(caches.name, name, sizeof(caches.name));
	if (part != LIVE_CACHE || !caches.away)
		return 0;
	buf_str(says, "no answer");
	return -1;
}

static void
soon(void *arg UNUSED)
{
	caches.soon++;
}

static const struct erasing_caches caches_calls = { here, there, soon };

/* An order as of a daemon with caches. */
static void
order_of(const char *person)
{
	unsigned char tag[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct buf why;

	live_tag(server.live, span_str(person), tag);
	sodium_bin2hex(hex, sizeof(hex), tag, sizeof(tag));
	json_t *o = json_pack("{s:s%,s:s,s:s,s:s,s:s}", "id", hex, LIVE_ERASE_ID, "tag", hex, "why",
		"asked", "cache_tag", "00112233445566ff", "placeholders_tag", "8899aabbccddeeff");
	buf_init(&why, 1024);
	assert_int_equal(live_put(server.live, LIVE_ERASE, o, 0, &why), 0);
	json_decref(o);
	buf_free(&why);
}

/* Entries in an unavailable Redis are reported and deleted later, also after a restart. Entries
 * of this process are deleted once. */
static void
erasure_in_an_unavailable_cache_is_retried(void **state UNUSED)
{
	struct share b;
	struct buf why;

	memset(&caches, 0, sizeof(caches));
	caches.away = true;
	buf_init(&why, 1024);
	share_of("alice", true, &b);
	erasing_serves(&server.erasing, &caches_calls, NULL);
	order_of("alice");
	assert_int_equal(share_of("alice", false, &b), 0);
	assert_int_equal(caches.here, 2);
	assert_int_equal(caches.there, 0); /* this call does not wait for Redis */
	assert_int_equal(caches.soon, 1);
	list(admin_erasures);
	assert_non_null(strstr(got, "\"left\":[\"cache\",\"placeholders\"]"));
	erasing_forget(&server.erasing);
	assert_memory_equal(caches.name, "\x00\x11\x22\x33\x44\x55\x66\xff", LIVE_NAME_BYTES);
	list(admin_erasures);
	assert_non_null(strstr(got, "\"done\":false"));
	assert_non_null(strstr(got, "\"left\":[\"cache\"]"));
	assert_true(erasing_away(&server.erasing, LIVE_CACHE, &why));
	assert_true(span_is(buf_view(&why), "an erasure is incomplete: no answer"));
	assert_false(erasing_away(&server.erasing, LIVE_PLACEHOLDERS, &why));
	assert_false(erasing_away(&server.erasing, LIVE_SHARES, &why));
	erasing_again(&server.erasing);
	assert_int_equal(caches.soon, 2);
	assert_int_equal(caches.here, 2);
	assert_int_equal(soon_with("\"type\":\"erase\"", 1, NULL), 1);
	down();
	up();
	list(admin_erasures);
	assert_non_null(strstr(got, "\"left\":[\"cache\",\"placeholders\"]"));
	erasing_serves(&server.erasing, &caches_calls, NULL);
	erasing_again(&server.erasing);
	assert_int_equal(caches.soon, 3);
	caches.away = false;
	erasing_forget(&server.erasing);
	assert_false(erasing_away(&server.erasing, LIVE_CACHE, &why));
	list(admin_erasures);
	assert_non_null(strstr(got, "\"done\":true"));
	assert_null(strstr(got, "left"));
	/* After a finished erasure, the next start deletes neither shares nor cache entries. */
	share_of("alice", true, &b);
	down();
	up();
	list(admin_erasures);
	assert_non_null(strstr(got, "\"done\":true"));
	assert_int_equal(share_of("alice", false, &b), b.number);
	assert_int_equal(soon_with("\"type\":\"erase\"", 1, NULL), 1);
	buf_free(&why);
}

/* A daemon without the section seal receives the order of another node after its start and
 * before its admin interface, which deletes from caches, has started. */
static void
order_before_the_caches_are_reachable_is_carried_out_later(void **state UNUSED)
{
	struct shares *shares = server.shares;

	memset(&caches, 0, sizeof(caches));
	server.erasing.shares = NULL;
	run("mv '%s' '%s.away'", file_of_shares, file_of_shares);
	order_of("alice");
	list(admin_erasures);
	assert_non_null(strstr(got, "\"left\":[\"cache\",\"placeholders\"]"));
	erasing_serves(&server.erasing, &caches_calls, NULL);
	erasing_again(&server.erasing);
	assert_int_equal(caches.here, 2);
	assert_int_equal(caches.soon, 1);
	erasing_forget(&server.erasing);
	assert_int_equal(caches.there, 2);
	list(admin_erasures);
	assert_non_null(strstr(got, "\"done\":true"));
	run("mv '%s.away' '%s'", file_of_shares, file_of_shares);
	server.erasing.shares = shares;
}

/* A daemon whose section seal was removed, with an existing file of shares. */
static void
erasure_in_an_unopened_share_file_is_not_done(void **state UNUSED)
{
	struct share b;

	share_of("alice", true, &b);
	assert_int_equal(erase("bob", ""), 200);
	struct shares *shares = server.shares;
	live_close(&server.live);
	server.shares = NULL;
	struct buf why;
	buf_init(&why, 1024);
	static const unsigned char key[SHA256_BYTES] = { 1 };
	server.live = live_open(live_file, NULL, "gw-1", key, &server.metrics, &why);
	server.erasing.live = server.live;
	server.erasing.shares = NULL;
	erasing_now(&server.erasing);
	assert_true(erasing_away(&server.erasing, LIVE_SHARES, &why));
	list(admin_erasures);
	assert_non_null(strstr(got, "\"done\":false"));
	run("mv '%s' '%s.away'", file_of_shares, file_of_shares);
	erasing_now(&server.erasing);
	assert_false(erasing_away(&server.erasing, LIVE_SHARES, &why));
	list(admin_erasures);
	assert_null(strstr(got, "\"done\":false"));
	run("mv '%s.away' '%s'", file_of_shares, file_of_shares);
	server.shares = shares;
	buf_free(&why);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(share_is_recorded_before_it_is_given),
		T(share_without_a_required_reason_is_refused),
		T(missing_share_is_not_given),
		T(share_is_refused_without_a_record),
		T(record_of_a_pseudonym_reading_has_no_name),
		T(erasure_is_done_and_recorded),
		T(erased_person_may_be_erased_again),
		T(restored_share_file_is_erased_before_serving),
		T(erasure_refused_by_the_disk_is_retried),
		T(erasure_in_an_unavailable_cache_is_retried),
		T(order_before_the_caches_are_reachable_is_carried_out_later),
		T(erasure_in_an_unopened_share_file_is_not_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

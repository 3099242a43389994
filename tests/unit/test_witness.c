/* The witness: the rules of C2SP tlog-witness one by one, the state that it keeps and when, and
 * strict parsing of its requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec/base64.h"
#include "base/err.h"
#include "record/anchors/witness.h"
#include "support/guard.h"
#include "support/log_rig.h"
#include "support/replace_rig.h"
#include "support/temp_dir.h"

static struct config cfg;
static struct witness_log logs[2];
static struct metrics metrics;
static struct witness *w;
static struct log_rig l;
static struct buf out, body;
static const char *type;
static char state[192], key[192], log_key[200], journal[192];

static bool
open_witness(const char *want)
{
	struct buf why;

	buf_init(&why, 4096);
	w = witness_open(&cfg, NULL, &metrics, &why);
	buf_putc(&why, '\0');
	if (!want && !w)
		fail_msg("%s", buf_view(&why).p);
	if (want && (w || !strstr(buf_view(&why).p, want)))
		fail_msg("not \"%s\": %s", want, buf_view(&why).p);
	buf_free(&why);
	return w != NULL;
}

static int
setup(void **s)
{
	struct pubkey pub;

	if (temp_dir_make(s))
		return -1;
	snprintf(state, sizeof(state), "%s", path("journal.witness"));
	snprintf(key, sizeof(key), "%s", path("witness.key"));
	snprintf(log_key, sizeof(log_key), "%s", path("log.pub"));
	snprintf(journal, sizeof(journal), "%s", path("journal"));
	buf_init(&out, 0);
	buf_init(&body, 0);
	assert_int_equal(signkey_create(key, &pub, &out), 0);
	log_open(&l, "tollgate/gw-1", journal, 1, log_key);
	logs[0] = (struct witness_log){ .origin = "tollgate/gw-1", .key = log_key };
	logs[1] = (struct witness_log){ .origin = "tollgate/gw-2", .key = log_key };
	cfg = (struct config){ .witness_logs = logs,
		.nwitness_logs = 2,
		.witness_key = key,
		.witness_name = "tollgate/w/witness",
		.witness_state = state };
	memset(&metrics, 0, sizeof(metrics));
	open_witness(NULL);
	return 0;
}

static int
teardown(void **s)
{
	witness_close(&w);
	log_close(&l);
	buf_free(&out);
	buf_free(&body);
	return temp_dir_remove(s);
}

/* Returns the status for a body; the response is in `out`. */
static unsigned
ask(const struct buf *b)
{
	buf_clear(&out);
	unsigned status = witness_add(w, buf_view(b), &out, &type);
	buf_putc(&out, '\0');
	return status;
}

static unsigned
submit(struct log_rig *from, uint64_t old)
{
	buf_clear(&body);
	log_request(from, old, &body);
	return ask(&body);
}

#define assert_size(n)                                                                         \
	do {                                                                                   \
		assert_string_equal(type, "text/x.tlog.size");                                 \
		assert_string_equal(buf_view(&out).p, n "\n");                                 \
	} while (0)

static void
growing_log_is_cosigned(void **s)
{
	struct signkey own;
	struct checkpoint c;
	struct buf note;
	const char *why;

	(void)s;
	buf_init(&note, 0);
	assert_int_equal(signkey_load(key, &own, &note), 0);
	uint64_t old = 0;
	for (uint64_t n = 1; n < 600; n += n / 3 + 1) {
		log_grow(&l, n, 0);
		assert_int_equal(submit(&l, old), 200);
		assert_string_equal(type, "text/plain; charset=utf-8");
		/* As C2SP specifies: appended to the note, it verifies. */
		buf_clear(&note);
		log_note(&l, &note);
		buf_str(&note, buf_view(&out).p);
		assert_int_equal(checkpoint_parse(buf_view(&note), &c, &why), 0);
		uint64_t time =
			checkpoint_cosigned(&c, SPAN_LIT("tollgate/w/witness"), &own.pub);
		assert_true(time > 1700000000);
		assert_int_equal(checkpoint_cosigned(&c, SPAN_LIT("other"), &own.pub), 0);
		old = n;
	}
	signkey_wipe(&own);
	buf_free(&note);
}

static void
repeated_checkpoint_is_cosigned_again(void **s)
{
	(void)s;
	log_grow(&l, 5, 0);
	assert_int_equal(submit(&l, 0), 200);
	assert_int_equal(submit(&l, 5), 200);
}

static void
empty_log_is_cosigned_and_may_grow(void **s)
{
	(void)s;
	assert_int_equal(submit(&l, 0), 200);
	log_grow(&l, 3, 0);
	assert_int_equal(submit(&l, 0), 200);
}

static void
unknown_origin_gets_404(void **s)
{
	(void)s;
	log_grow(&l, 3, 0);
	snprintf(l.origin, sizeof(l.origin), "tollgate/stranger");
	assert_int_equal(submit(&l, 0), 404);
}

static void
signature_by_an_unknown_key_gets_403(void **s)
{
	struct signkey ours = l.key;
	unsigned char seed[32] = { 9 };

	(void)s;
	log_grow(&l, 3, 0);
	signkey_from_seed(seed, &l.key);
	assert_int_equal(submit(&l, 0), 403);
	/* Signed by both: the unknown key is ignored. */
	buf_clear(&body);
	log_request(&l, 0, &body);
	struct span text = buf_view(&body);
	const char *note = strstr(text.p, "\n\n") + 2, *end = strstr(note, "\n\n") + 1;
	char copy[1024];
	snprintf(copy, sizeof(copy), "%.*s", (int)(end - note), note);
	note_sign(&body, span_str(copy), span_str(l.origin), &ours);
	assert_int_equal(ask(&body), 200);
}

/* Makes a second log with this origin and other leaves. */
static void
fork_to(struct log_rig *f, uint64_t n)
{
	static char other[200];

	snprintf(other, sizeof(other), "%s-fork", journal);
	log_open(f, l.origin, other, 1, NULL);
	log_grow(f, n, 7);
}

/* Otherwise a log that was removed from the configuration would be trusted again, and a fork
 * would get a cosignature. */
static void
removed_and_restored_log_is_not_new(void **s)
{
	struct log_rig f;

	(void)s;
	log_grow(&l, 5, 0);
	assert_int_equal(submit(&l, 0), 200);
	for (int round = 0; round < 2; round++) {
		witness_close(&w);
		cfg.nwitness_logs = 1;
		logs[0].origin = "tollgate/gw-2";
		open_witness(NULL);
		snprintf(l.origin, sizeof(l.origin), "tollgate/gw-2");
		assert_int_equal(submit(&l, round ? 5 : 0), 200);
		assert_int_equal(submit(&l, 5), 200);
	}
	witness_close(&w);
	cfg.nwitness_logs = 2;
	logs[1].origin = "tollgate/gw-1";
	open_witness(NULL);
	snprintf(l.origin, sizeof(l.origin), "tollgate/gw-1");
	fork_to(&f, 5);
	assert_int_equal(submit(&f, 0), 409);
	assert_size("5");
	assert_int_equal(submit(&f, 5), 409);
	log_close(&f);
	assert_int_equal(submit(&l, 5), 200);
}

static void
key_added_to_the_file_is_used_at_once(void **s)
{
	unsigned char seed[32] = { 9 };

	(void)s;
	log_grow(&l, 3, 0);
	assert_int_equal(submit(&l, 0), 200);
	log_grow(&l, 4, 0);
	signkey_from_seed(seed, &l.key);
	assert_int_equal(submit(&l, 3), 403);
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(
		EVP_PKEY_ED25519, NULL, l.key.pub.raw, SIGNKEY_PUBLIC_BYTES);
	FILE *f = fopen(log_key, "a");
	assert_true(f && PEM_write_PUBKEY(f, k));
	fclose(f);
	EVP_PKEY_free(k);
	assert_int_equal(submit(&l, 3), 200);
}

static void
old_size_above_the_checkpoints_gets_400(void **s)
{
	(void)s;
	log_grow(&l, 3, 0);
	assert_int_equal(submit(&l, 4), 400);
}

static void
wrong_old_size_gets_409_with_the_known_size(void **s)
{
	(void)s;
	log_grow(&l, 3, 0);
	assert_int_equal(submit(&l, 2), 409);
	assert_size("0");
	assert_int_equal(submit(&l, 0), 200);
	log_grow(&l, 8, 0);
	assert_int_equal(submit(&l, 0), 409);
	assert_size("3");
	assert_int_equal(submit(&l, 2), 409);
	assert_size("3");
	assert_int_equal(submit(&l, 3), 200);
}

static void
fork_of_the_same_size_gets_409(void **s)
{
	struct log_rig f;

	(void)s;
	log_grow(&l, 5, 0);
	assert_int_equal(submit(&l, 0), 200);
	fork_to(&f, 5);
	assert_int_equal(submit(&f, 5), 409);
	assert_size("5");
	log_close(&f);
	log_grow(&l, 6, 0);
	assert_int_equal(submit(&l, 5), 200);
}

static void
fork_that_grew_gets_422(void **s)
{
	struct log_rig f;

	(void)s;
	log_grow(&l, 5, 0);
	assert_int_equal(submit(&l, 0), 200);
	fork_to(&f, 9);
	assert_int_equal(submit(&f, 5), 422);
	log_close(&f);
	log_grow(&l, 9, 0);
	assert_int_equal(submit(&l, 5), 200);
}

/* Its checkpoint is smaller: whichever old size it states, nothing is cosigned. */
static void
restored_old_copy_is_refused(void **s)
{
	struct log_rig f;
	static char other[200];

	(void)s;
	log_grow(&l, 50, 0);
	assert_int_equal(submit(&l, 0), 200);
	snprintf(other, sizeof(other), "%s-old", journal);
	log_open(&f, l.origin, other, 1, NULL);
	log_grow(&f, 20, 0);
	for (uint64_t old = 0; old <= 20; old++) {
		assert_int_equal(submit(&f, old), 409);
		assert_size("50");
	}
	assert_int_equal(submit(&f, 50), 400);
	log_grow(&f, 70, 3); /* the log continues with other records */
	assert_int_equal(submit(&f, 50), 422);
	log_close(&f);
}

/* An attacker has two old checkpoints, which are public, and sends them alternately. */
static void
replayed_checkpoints_do_not_flood_the_log(void **s)
{
	int lines = 0, was = dup(STDERR_FILENO);
	char line[1024];

	(void)s;
	log_grow(&l, 5, 0);
	submit(&l, 0);
	struct log_rig old = l;
	log_grow(&l, 50, 0);
	assert_int_equal(submit(&l, 5), 200);
	FILE *f = fopen(path("stderr"), "w+");
	assert_true(f && was >= 0 && dup2(fileno(f), STDERR_FILENO) >= 0);
	log_setup(LOG_LOGFMT, LOG_WARN);
	for (int i = 0; i < 40; i++) {
		struct buf replay;
		buf_init(&replay, 0);
		old.tiles.n = i % 2 ? 4 : 3;
		merkle_range_at(
			&(struct merkle_source){ tiles_source(&l.tiles).hash, &l.tiles },
			old.tiles.n, &old.tiles.range);
		buf_str(&replay, "old 0\n\n");
		log_note(&old, &replay);
		assert_int_equal(ask(&replay), 409);
		buf_free(&replay);
	}
	log_setup(LOG_LOGFMT, LOG_ERROR);
	dup2(was, STDERR_FILENO);
	close(was);
	rewind(f);
	while (fgets(line, sizeof(line), f))
		lines += strstr(line, "witness.refused") != NULL;
	fclose(f);
	assert_int_equal(lines, 1);
}

static void
invalid_proof_gets_422(void **s)
{
	char *text;

	(void)s;
	log_grow(&l, 5, 0);
	assert_int_equal(submit(&l, 0), 200);
	log_grow(&l, 13, 0);
	buf_clear(&body);
	log_request(&l, 5, &body);
	text = (char *)(uintptr_t)strchr(buf_view(&body).p, '\n') + 1;
	text[3] = text[3] == 'A' ? 'B' : 'A';
	assert_int_equal(ask(&body), 422);
	/* One hash less, one more, none. */
	buf_clear(&body);
	buf_str(&body, "old 5\n\n");
	log_note(&l, &body);
	assert_int_equal(ask(&body), 422);
	buf_clear(&body);
	buf_printf(&body, "old 5\n%.45s", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
	buf_clear(&out);
	log_request(&l, 5, &out);
	struct span rest = buf_view(&out);
	span_next(&rest, '\n');
	buf_span(&body, rest);
	assert_int_equal(ask(&body), 422);
	assert_int_equal(submit(&l, 5), 200);
	/* And no hash if the old size is zero or equals the checkpoint's. */
	buf_clear(&body);
	buf_str(&body, "old 13\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n");
	log_note(&l, &body);
	assert_int_equal(ask(&body), 422);
}

static void
proof_from_size_zero_must_be_empty(void **s)
{
	(void)s;
	log_grow(&l, 5, 0);
	buf_clear(&body);
	buf_str(&body, "old 0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n");
	log_note(&l, &body);
	assert_int_equal(ask(&body), 422);
}

static void
empty_tree_has_its_own_root(void **s)
{
	struct merkle_hash root = { { 1 } };
	struct buf text;

	(void)s;
	buf_init(&text, 0);
	checkpoint_text(&text, span_str(l.origin), 0, &root);
	buf_clear(&body);
	buf_printf(&body, "old 0\n\n%.*s\n", SPAN_ARG(buf_view(&text)));
	note_sign(&body, buf_view(&text), span_str(l.origin), &l.key);
	assert_int_equal(ask(&body), 422);
	buf_free(&text);
}

/* ---- parsing ---- */

#define HASH "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
/* clang-format off */
static const struct { const char *name, *text; int hashes; /* -1: refused */ } requests[] = {
	{ "no proof", "old 0\n\nnote", 0 },
	{ "one hash", "old 7\n" HASH "\n\nnote", 1 },
	{ "the largest size", "old 18446744073709551615\n\nnote", 0 },
	{ "a size beyond it", "old 18446744073709551616\n\nnote", -1 },
	{ "a leading zero", "old 07\n\nnote", -1 },
	{ "two zeroes", "old 00\n\nnote", -1 },
	{ "a sign", "old +7\n\nnote", -1 },
	{ "no size", "old \n\nnote", -1 },
	{ "two blanks", "old  7\n\nnote", -1 },
	{ "a blank after it", "old 7 \n\nnote", -1 },
	{ "another word", "new 7\n\nnote", -1 },
	{ "carriage returns", "old 7\r\n\r\nnote", -1 },
	{ "nothing", "", -1 },
	{ "no empty line", "old 7\n" HASH "\n", -1 },
	{ "no note", "old 7\n\n", -1 },
	{ "a short hash", "old 7\nAAAA\n\nnote", -1 },
	{ "a long hash", "old 7\nAAAA" HASH "\n\nnote", -1 },
	{ "base64url", "old 7\n_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nnote", -1 },
	{ "no padding", "old 7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\nnote", -1 },
	{ "bits too many", "old 7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n\nnote", -1 },
};
/* clang-format on */

static void
requests_to_the_witness_are_parsed_strictly(void **s)
{
	struct witness_request r;

	(void)s;
	for (size_t i = 0; i < COUNT_OF(requests); i++) {
		int err = witness_request_read(span_str(requests[i].text), &r);
		if (err != (requests[i].hashes < 0 ? ERR_SYNTAX : 0) ||
			(!err && (r.nproof != (size_t)requests[i].hashes ||
					 !span_is(r.note, "note"))))
			fail_msg("%s: %d", requests[i].name, err);
	}
	for (int n = 62; n < 66; n++) {
		buf_clear(&body);
		buf_str(&body, "old 7\n");
		for (int i = 0; i < n; i++)
			buf_str(&body, HASH "\n");
		buf_str(&body, "\nnote");
		assert_int_equal(
			witness_request_read(buf_view(&body), &r), n > 63 ? ERR_SYNTAX : 0);
	}
}

static void
cut_request_is_refused(void **s)
{
	(void)s;
	log_grow(&l, 5, 0);
	assert_int_equal(submit(&l, 0), 200);
	log_grow(&l, 13, 0);
	buf_clear(&body);
	log_request(&l, 5, &body);
	struct span whole = buf_view(&body);
	for (size_t n = 0; n < whole.n; n++) {
		char *cut = guard_dup(whole.p, n);
		buf_clear(&out);
		unsigned status = witness_add(w, span_of(cut, n), &out, &type);
		if (status != 400 && status != 403)
			fail_msg("cut at %zu: %u", n, status);
		guard_free(cut, n);
	}
	assert_int_equal(submit(&l, 5), 200);
}

/* ---- state ---- */

static void
cosigned_state_is_kept_over_a_restart(void **s)
{
	struct stat st;

	(void)s;
	log_grow(&l, 5, 0);
	assert_int_equal(submit(&l, 0), 200);
	witness_close(&w);
	open_witness(NULL);
	log_grow(&l, 9, 0);
	assert_int_equal(submit(&l, 0), 409);
	assert_size("5");
	assert_int_equal(submit(&l, 5), 200);
	assert_int_equal(stat(state, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(l.origin, sizeof(l.origin), "tollgate/gw-2");
	assert_int_equal(submit(&l, 9), 409);
	assert_size("0");
}

static void
unsaved_state_is_not_cosigned(void **s)
{
	char cmd[600];

	(void)s;
	log_grow(&l, 5, 0);
	assert_int_equal(submit(&l, 0), 200);
	/* A folder in place of the new file, so that even root cannot write it. */
	snprintf(cmd, sizeof(cmd), "rm -f %s" REPLACE_SUFFIX " && mkdir %s" REPLACE_SUFFIX,
		state, state);
	assert_int_equal(system(cmd), 0);
	log_grow(&l, 9, 0);
	assert_int_equal(submit(&l, 5), 500);
	assert_null(strstr(buf_view(&out).p, "\xe2\x80\x94"));
	assert_int_equal(submit(&l, 9), 409); /* nor in memory */
	assert_size("5");
	snprintf(cmd, sizeof(cmd), "rmdir %s" REPLACE_SUFFIX, state);
	assert_int_equal(system(cmd), 0);
	replace_rig_begin(path("asked"));
	assert_int_equal(submit(&l, 5), 200);
	assert_int_equal(replace_rig_count(state), 1);
	static const enum replace_step steps[] = { REPLACE_WRITE, REPLACE_SYNC, REPLACE_RENAME,
		REPLACE_FOLDER };
	log_grow(&l, 12, 0);
	replace_rig.sys = EIO;
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		replace_rig.of = state;
		replace_rig.step = steps[i];
		assert_int_equal(submit(&l, 9), 500);
	}
	replace_rig_end();
	assert_int_equal(submit(&l, 9), 200);
}

static void
invalid_state_refuses_the_start(void **s)
{
	static const char *const texts[] = { "", "x", "tollgate witness 1",
		"tollgate witness 1\n5\n", "tollgate witness 1\n5 00 tollgate/gw-1\n",
		"tollgate witness 1\n"
		"5 0000000000000000000000000000000000000000000000000000000000000000\n",
		"tollgate witness 1\n"
		"05 0000000000000000000000000000000000000000000000000000000000000000 o\n",
		"tollgate witness 1\n"
		"5 0000000000000000000000000000000000000000000000000000000000000000 "
		"tollgate/gw-1\n"
		"5 0000000000000000000000000000000000000000000000000000000000000000 "
		"tollgate/gw-1\n" };

	(void)s;
	witness_close(&w);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		put("journal.witness", texts[i]);
		assert_false(open_witness("is not the state of a witness"));
	}
}

static void
only_one_process_uses_the_state(void **s)
{
	struct witness *first = w;

	(void)s;
	assert_false(open_witness("another process uses this state"));
	w = first;
}

static void
key_of_the_witness_must_be_its_own(void **s)
{
	struct signkey own;
	struct buf why;

	(void)s;
	buf_init(&why, 4096);
	witness_close(&w);
	assert_int_equal(signkey_load(key, &own, &why), 0);
	assert_null(witness_open(&cfg, &own.pub, &metrics, &why));
	assert_non_null(strstr(buf_view(&why).p, "this is also audit.key"));
	signkey_wipe(&own);
	buf_free(&why);
	snprintf(log_key, sizeof(log_key), "%s.pub", key);
	assert_false(open_witness("this is also the key of a witnessed log"));
}

static void
each_response_is_counted(void **s)
{
	(void)s;
	log_grow(&l, 3, 0);
	submit(&l, 0);
	submit(&l, 0);
	submit(&l, 4);
	assert_int_equal(metrics.v[M_WITNESS_200], 1);
	assert_int_equal(metrics.v[M_WITNESS_409], 1);
	assert_int_equal(metrics.v[M_WITNESS_400], 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(growing_log_is_cosigned),
		T(repeated_checkpoint_is_cosigned_again),
		T(empty_log_is_cosigned_and_may_grow),
		T(unknown_origin_gets_404),
		T(signature_by_an_unknown_key_gets_403),
		T(key_added_to_the_file_is_used_at_once),
		T(old_size_above_the_checkpoints_gets_400),
		T(wrong_old_size_gets_409_with_the_known_size),
		T(fork_of_the_same_size_gets_409),
		T(fork_that_grew_gets_422),
		T(removed_and_restored_log_is_not_new),
		T(restored_old_copy_is_refused),
		T(replayed_checkpoints_do_not_flood_the_log),
		T(invalid_proof_gets_422),
		T(proof_from_size_zero_must_be_empty),
		T(empty_tree_has_its_own_root),
		T(requests_to_the_witness_are_parsed_strictly),
		T(cut_request_is_refused),
		T(cosigned_state_is_kept_over_a_restart),
		T(unsaved_state_is_not_cosigned),
		T(invalid_state_refuses_the_start),
		T(only_one_process_uses_the_state),
		T(key_of_the_witness_must_be_its_own),
		T(each_response_is_counted),
	};

	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Places that return a signature: timestamp authorities and witnesses, including dishonest
 * ones, and a witness's response if the log differs from what it saw before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/anchors_rig.h"
#include "support/note_vkey.h"

/* ---- timestamps ---- */

static const char tsa_config[] =
	"[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nCN=a TSA\n"
	"[tsa_ext]\nextendedKeyUsage=critical,timeStamping\n"
	"[tsa1]\nserial=%s/serial\nsigner_cert=%s/tsa.crt\nsigner_key=%s/tsa.key\n"
	"signer_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests=sha256\n"
	"ess_cert_id_alg=sha256\n";

/* Makes an expired certificate for the same key. */
static void
expire(const char *crt, const char *key)
{
	FILE *f = fopen(crt, "r"), *k = fopen(key, "r");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	EVP_PKEY *pkey = k ? PEM_read_PrivateKey(k, NULL, NULL, NULL) : NULL;

	assert_true(x && pkey);
	X509_gmtime_adj(X509_getm_notBefore(x), -7200);
	X509_gmtime_adj(X509_getm_notAfter(x), -3600);
	assert_true(X509_sign(x, pkey, EVP_sha256()) > 0);
	fclose(f);
	fclose(k);
	f = fopen(crt, "w");
	assert_true(f && PEM_write_X509(f, x));
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(pkey);
}

/* Makes a TSA's key and certificate. */
static void
make_tsa(const char *name, bool expired)
{
	char conf[2048];

	snprintf(conf, sizeof(conf), tsa_config, dir, dir, dir);
	put("tsa.cnf", conf);
	put("serial", "01\n");
	run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
	    "-keyout %s/%s.key -out %s/%s.crt -days 10 -config %s/tsa.cnf -extensions tsa_ext "
	    "2>/dev/null",
		dir, name, dir, name, dir);
	if (expired)
		expire(path("tsa.crt"), path("tsa.key"));
}

/* How the TSA's response is wrong. */
enum lie {
	TRUE,
	OTHER_NOTE,
	OTHER_NONCE,
	GARBAGE,
	EMPTY,
	CUT,
	TRAILING,
	HUGE,
	NO_TOKEN,
	WITH_MODS,
	OTHER_TIME
};
static enum lie lie;

/* Only in this process: responses that `openssl ts` cannot produce. */
static struct buf
changed_status(struct buf *der, int status)
{
	const unsigned char *at = (const unsigned char *)buf_view(der).p;
	TS_RESP *r = d2i_TS_RESP(NULL, &at, (long)der->n);
	TS_STATUS_INFO *info = TS_STATUS_INFO_new();
	unsigned char *to = NULL;
	struct buf b;

	assert_true(r && info && TS_STATUS_INFO_set_status(info, status) &&
		    TS_RESP_set_status_info(r, info));
	int n = i2d_TS_RESP(r, &to);
	buf_init(&b, 0);
	buf_put(&b, to, (size_t)n);
	OPENSSL_free(to);
	TS_STATUS_INFO_free(info);
	TS_RESP_free(r);
	return b;
}

static bool
on_tsa(void *arg, struct rig_conn *c, const struct rig_request *q)
{
	struct buf b;

	(void)arg;
	assert_non_null(
		strcasestr(q->head.p, "\r\nContent-Type: application/timestamp-query\r\n"));
	put_span("q.tsq", q->body);
	if (lie == OTHER_NOTE || lie == OTHER_NONCE) {
		/* The hash has a fixed place; the last byte of the nonce precedes the three of
		 * cert_req. */
		struct span query = q->body;
		assert_int_equal(query.n, 69);
		((char *)(uintptr_t)query.p)[lie == OTHER_NOTE ? 30 : query.n - 4] ^= 1;
		put_span("q.tsq", query);
	}
	run("cd %s && openssl ts -reply -config tsa.cnf -section tsa1 -queryfile q.tsq -out "
	    "r.tsr "
	    "2>/dev/null",
		dir);
	b = slurp(path("r.tsr"));
	if (lie == GARBAGE) {
		buf_clear(&b);
		buf_str(&b, "<html>no time stamps here</html>");
	} else if (lie == EMPTY) {
		buf_clear(&b);
	} else if (lie == CUT) {
		b.n -= 20;
	} else if (lie == TRAILING) {
		buf_putc(&b, 0);
	} else if (lie == HUGE) {
		char *to = buf_reserve(&b, 1 << 20);
		memset(to, 0, 1 << 20);
		buf_commit(&b, 1 << 20);
	} else if (lie == NO_TOKEN) {
		static const unsigned char rejected[] = { 0x30, 5, 0x30, 3, 2, 1, 2 };
		buf_clear(&b);
		buf_put(&b, rejected, sizeof(rejected));
	} else if (lie == WITH_MODS) {
		struct buf other = changed_status(&b, 1);
		buf_free(&b);
		b = other;
	}
	bool more = http_rig_answer(
		c, 200, "Content-Type: application/timestamp-reply\r\n", buf_view(&b));
	buf_free(&b);
	return more;
}

static char tsa_ca[192];

static void
serve_tsa(const char *ca)
{
	serve(on_tsa, ANCHOR_TSA, "/tsr");
	snprintf(tsa_ca, sizeof(tsa_ca), "%s", path(ca));
	places[0].ca = tsa_ca;
	places[0].every_us = 60000000;
	begin();
}

/* Returns a member of the first record. */
static struct span
member(const char *name)
{
	char key[32];
	int n = snprintf(key, sizeof(key), "\"%s\":\"", name);
	const char *p = strstr(buf_view(&audit.records).p, key);

	assert_non_null(p);
	return span_of(p + n, strcspn(p + n, "\""));
}

static void
timestamp_verifies_with_openssl(void **s)
{
	static unsigned char tsr[32768];
	size_t n;

	(void)s;
	lie = TRUE;
	make_tsa("tsa", false);
	serve_tsa("tsa.crt");
	wait_records(1);
	assert_recorded("\"kind\":\"tsa\"");
	assert_recorded("\"result\":\"taken\"");
	assert_int_equal(base64_get(member("answer"), tsr, sizeof(tsr), &n), 0);
	put_span("record.tsr", span_of((const char *)tsr, n));
	put_span("note", buf_view(&audit.note));
	run("openssl ts -verify -data %s/note -in %s/record.tsr -CAfile %s/tsa.crt >/dev/null "
	    "2>&1",
		dir, dir, dir);
	run("echo >>%s/note; ! openssl ts -verify -data %s/note -in %s/record.tsr -CAfile "
	    "%s/tsa.crt >/dev/null 2>&1",
		dir, dir, dir, dir);
}

/* clang-format off */
static const struct { const char *name; enum lie lie; const char *why; } lies[] = {
	{ "over another note", OTHER_NOTE, "message imprint mismatch" },
	{ "with another nonce", OTHER_NONCE, "nonce mismatch" },
	{ "no response", GARBAGE, "the response is not a time stamp response of RFC 3161" },
	{ "nothing", EMPTY, "the response is not a time stamp response of RFC 3161" },
	{ "cut", CUT, "the response is not a time stamp response of RFC 3161" },
	{ "a byte after it", TRAILING, "the response is not a time stamp response of RFC 3161" },
	{ "too much", HUGE, "the response is too long" },
	{ "a refusal", NO_TOKEN, "the status of the response is 2, not granted" },
	{ "with modifications", WITH_MODS, "the status of the response is 1, not granted" },
	{ "of another time", OTHER_TIME, ": correct the clock that is wrong" },
};
/* clang-format on */

static void
wrong_timestamp_is_refused_counted_and_logged(void **s)
{
	(void)s;
	make_tsa("tsa", false);
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		lie = lies[i].lie;
		tsa_off_s = lie == OTHER_TIME ? -1 : 3600; /* no timestamp fits then */
		cfg.nanchors = 0;
		buf_clear(&audit.records);
		audit.n = 0;
		serve_tsa("tsa.crt");
		wait_records(1);
		buf_putc(&audit.records, '\0');
		if (!recorded("\"result\":\"refused\"") || !recorded(lies[i].why))
			fail_msg("%s: %s", lies[i].name, buf_view(&audit.records).p);
		assert_int_equal(count(ANCHOR_TSA, ANCHOR_REFUSED), i + 1);
		assert_int_equal(count(ANCHOR_TSA, ANCHOR_TAKEN), 0);
		assert_shown("\"state\":\"refused\"", lies[i].why);
		anchors_stop(&anchors);
		http_rig_stop(&server);
	}
	tsa_off_s = 3600;
}

static void
timestamp_with_a_wrong_certificate_is_refused(void **s)
{
	static const struct {
		const char *name;
		bool expired;
		const char *ca, *why;
	} rows[] = {
		{ "of another authority", false, "another.crt", "certificate verify error" },
		{ "expired", true, "tsa.crt", "certificate has expired" },
	};

	(void)s;
	lie = TRUE;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		cfg.nanchors = 0;
		buf_clear(&audit.records);
		audit.n = 0;
		make_tsa("another", false);
		make_tsa("tsa", rows[i].expired);
		serve_tsa(rows[i].ca);
		wait_records(1);
		buf_putc(&audit.records, '\0');
		if (!recorded("\"result\":\"refused\"") || !recorded(rows[i].why))
			fail_msg("%s: %s", rows[i].name, buf_view(&audit.records).p);
		anchors_stop(&anchors);
		http_rig_stop(&server);
	}
}

/* ---- witnesses ---- */

static struct {
	struct config cfg;
	struct witness_log log;
	struct metrics metrics;
	struct witness *witness;
	char key[192], pub[200], state[192];
	int status; /* returned instead */
	const char *fields, *body;
	_Atomic unsigned asked;
} other;

static bool
on_witness(void *arg, struct rig_conn *c, const struct rig_request *q)
{
	const char *type;
	struct buf b;
	char fields[64];

	(void)arg;
	assert_true(span_is(q->path, "/w/add-checkpoint"));
	atomic_fetch_add(&other.asked, 1);
	if (other.status == -1)
		return false;
	if (other.status)
		return http_rig_answer(c, other.status, other.fields ? other.fields : "",
			span_str(other.body ? other.body : ""));
	buf_init(&b, 0);
	unsigned status = witness_add(other.witness, q->body, &b, &type);
	snprintf(fields, sizeof(fields), "Content-Type: %s\r\n", type);
	bool more = http_rig_answer(c, (int)status, fields, buf_view(&b));
	buf_free(&b);
	return more;
}

static void
serve_witness(void)
{
	struct pubkey pub;
	struct buf why;

	buf_init(&why, 4096);
	memset(&other, 0, sizeof(other));
	snprintf(other.key, sizeof(other.key), "%s", path("witness.key"));
	snprintf(other.pub, sizeof(other.pub), "%s.pub", other.key);
	snprintf(other.state, sizeof(other.state), "%s", path("witness.state"));
	assert_int_equal(signkey_create(other.key, &pub, &why), 0);
	static char log_pub[192];
	snprintf(log_pub, sizeof(log_pub), "%s", path("log.pub"));
	other.log = (struct witness_log){ .origin = "tollgate/gw-1", .key = log_pub };
	other.cfg = (struct config){ .witness_logs = &other.log,
		.nwitness_logs = 1,
		.witness_key = other.key,
		.witness_name = "tollgate/gw-2/witness",
		.witness_state = other.state };
	other.witness = witness_open(&other.cfg, NULL, &other.metrics, &why);
	if (!other.witness)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	serve(on_witness, ANCHOR_WITNESS, "/w/");
	places[0].key = other.pub;
}

static int
witness_teardown(void **s)
{
	anchors_stop(&anchors);
	if (server)
		http_rig_stop(&server);
	witness_close(&other.witness);
	return teardown(s);
}

static void
witness_cosigns_as_the_log_grows(void **s)
{
	(void)s;
	serve_witness();
	begin();
	wait_records(1);
	assert_recorded("\"answer\":\"\xe2\x80\x94 tollgate/gw-2/witness ");
	for (unsigned n = 2; n < 8; n++) {
		grow(n * 31);
		wait_records(n);
	}
	assert_int_equal(count(ANCHOR_WITNESS, ANCHOR_REFUSED), 0);
	assert_int_equal(other.metrics.v[M_WITNESS_200], 7);
	/* After a restart, the daemon does not know what the witness has seen, and learns it
	 * from the response. */
	anchors_stop(&anchors);
	grow(300);
	begin();
	wait_records(8);
	assert_int_equal(other.metrics.v[M_WITNESS_409], 1);
	assert_int_equal(count(ANCHOR_WITNESS, ANCHOR_REFUSED), 0);
}

static void
witness_key_may_be_in_verifier_form(void **s)
{
	struct pubkey pub;
	struct buf b;

	(void)s;
	serve_witness();
	buf_init(&b, 0);
	assert_int_equal(pubkeys_load(other.pub, &pub, 1, &b), 1);
	note_vkey(&b, NOTE_COSIGNATURE, SPAN_LIT("tollgate/gw-2/witness"), &pub);
	put_span("witness.vkey", buf_view(&b));
	snprintf(other.pub, sizeof(other.pub), "%s", path("witness.vkey"));
	begin();
	wait_records(1);
	assert_recorded("\"result\":\"taken\"");
	buf_free(&b);
}

static void
tiles_of(uint64_t n, unsigned char salt)
{
	log_close(&l);
	run("rm -rf %s.tree", cfg.journal);
	log_open(&l, "tollgate/gw-1", cfg.journal, 1, NULL);
	log_grow(&l, n, salt);
	grow(n);
}

static void
restored_old_copy_is_reported(void **s)
{
	(void)s;
	serve_witness();
	grow(50);
	begin();
	wait_records(1);
	anchors_stop(&anchors);
	tiles_of(20, 0);
	begin();
	wait_records(2);
	assert_recorded("\"result\":\"refused\"");
	assert_shown("the witness has seen 50 records of this log, which has 20 now: its end "
		     "was cut off, an old copy was restored, or another log uses this origin",
		"anchor witness http://127.0.0.1:");
	/* The log continues with other records, beyond what the witness saw. */
	anchors_stop(&anchors);
	tiles_of(80, 9);
	begin();
	wait_records(3);
	assert_shown("this log does not continue the log that the witness has seen (422): the "
		     "journal was forked",
		"refused for ");
	/* The log has exactly as many records as the witness saw. */
	anchors_stop(&anchors);
	tiles_of(50, 9);
	begin();
	wait_records(4);
	assert_shown(
		"another log with this origin and size: the journal was forked, or two daemons "
		"use one origin",
		"refused for ");
	assert_int_equal(other.metrics.v[M_WITNESS_200], 1);
}

static void
flip(const char *file, long at)
{
	FILE *f = fopen(file, "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	int c = fgetc(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_int_not_equal(fputc(c ^ 1, f), EOF);
	assert_int_equal(fclose(f), 0);
}

/* Otherwise the witness would return 422, and a record would state that the log forked. */
static void
damaged_tree_files_are_not_reported_as_a_fork(void **s)
{
	(void)s;
	serve_witness();
	grow(50);
	begin();
	wait_records(1);
	flip(path("journal.tree/gw-1.0"), 10 * MERKLE_BYTES);
	grow(60);
	wait_count(ANCHOR_WITNESS, ANCHOR_AWAY, 1);
	assert_shown("the files of the tree do not match the checkpoint", "away for ");
	flip(path("journal.tree/gw-1.0"), 10 * MERKLE_BYTES);
	wait_records(2);
	assert_false(recorded("refused"));
	assert_int_equal(other.metrics.v[M_WITNESS_422], 0);
	assert_int_equal(other.metrics.v[M_WITNESS_200], 2);
}

static void
daemon_waits_for_a_tree_that_is_behind(void **s)
{
	struct log_rig ahead = l;
	struct merkle_hash leaf = { { 1 } };
	struct buf note;

	(void)s;
	serve_witness();
	begin();
	wait_records(1);
	/* A note over one leaf more than its files hold. */
	buf_init(&note, 0);
	merkle_append(&ahead.tiles.range, &leaf);
	log_note(&ahead, &note);
	pthread_mutex_lock(&audit.lock);
	buf_clear(&audit.note);
	buf_span(&audit.note, buf_view(&note));
	pthread_mutex_unlock(&audit.lock);
	wait_count(ANCHOR_WITNESS, ANCHOR_AWAY, 1);
	assert_shown("there is no proof from record 5: the files of the tree do not reach the "
		     "checkpoint yet",
		"");
	grow(7);
	wait_records(2);
	assert_recorded("\"size\":7,");
	buf_free(&note);
}

/* clang-format off */
#define SIZE_FIELD "Content-Type: text/x.tlog.size\r\n"
static const struct {
	const char *name; int status; const char *fields, *body; enum anchor_end end; const char *why;
} witnesses[] = {
	{ "404", 404, "", "no", ANCHOR_REFUSED, "the witness does not know the origin of this log (404)" },
	{ "403", 403, "", "no", ANCHOR_REFUSED, "after a rotation, add the new public key at the witness" },
	{ "400", 400, "", "no", ANCHOR_REFUSED, "the request is malformed (400)" },
	{ "422", 422, "", "no", ANCHOR_REFUSED, "this log does not continue the log that the witness has seen (422)" },
	{ "409 without its type", 409, "Content-Type: text/plain\r\n", "3\n", ANCHOR_REFUSED, "409 without a size" },
	{ "409 without a size", 409, SIZE_FIELD, "many\n", ANCHOR_REFUSED, "409 without a size" },
	{ "409 with a size beyond", 409, SIZE_FIELD, "18446744073709551615\n", ANCHOR_REFUSED, "the witness has seen 18446744073709551615 records" },
	{ "409 again and again", 409, SIZE_FIELD, "3\n", ANCHOR_AWAY, "the size that the witness reports keeps changing" },
	{ "409 with what we said", 409, SIZE_FIELD, "0\n", ANCHOR_AWAY, "the size that the witness reports keeps changing" },
	{ "200 without a cosignature", 200, "", "", ANCHOR_REFUSED, "no cosignature that verifies with the key" },
	{ "200 with something else", 200, "", "fine\n", ANCHOR_REFUSED, "no cosignature that verifies with the key" },
	{ "500", 500, "", "", ANCHOR_AWAY, "the place returned status 500" },
	{ "429", 429, "Retry-After: 7\r\n", "", ANCHOR_AWAY, "the place asks to wait for 7 s (status 429)" },
	{ "302", 302, "Location: http://127.0.0.1:1/\r\n", "", ANCHOR_AWAY, "the place returned status 302" },
	{ "nothing", -1, "", "", ANCHOR_AWAY, "" },
};
/* clang-format on */

static void
every_response_of_a_witness_is_reported(void **s)
{
	(void)s;
	serve_witness();
	for (size_t i = 0; i < COUNT_OF(witnesses); i++) {
		enum anchor_end end = witnesses[i].end;
		uint64_t before = count(ANCHOR_WITNESS, end);
		other.status = witnesses[i].status;
		other.fields = witnesses[i].fields;
		other.body = witnesses[i].body;
		begin();
		wait_count(ANCHOR_WITNESS, end, before + 1);
		/* Counted first, shown next. */
		for (int n = 0; n < 1000; n++) {
			struct buf b;
			buf_init(&b, 0);
			anchors_ready(anchors, &b);
			bool there = b.n > 0;
			buf_free(&b);
			if (there)
				break;
			usleep(1000);
		}
		assert_shown(
			end == ANCHOR_AWAY ? "\"state\":\"away\"" : "\"state\":\"refused\"",
			witnesses[i].why);
		anchors_stop(&anchors);
	}
	assert_int_equal(count(ANCHOR_WITNESS, ANCHOR_TAKEN), 0);
}

static void
cosignature_by_another_key_is_refused(void **s)
{
	struct pubkey pub;
	struct buf why;

	(void)s;
	serve_witness();
	buf_init(&why, 4096);
	assert_int_equal(signkey_create(path("stranger"), &pub, &why), 0);
	snprintf(other.pub, sizeof(other.pub), "%s", path("stranger.pub"));
	begin();
	wait_records(1);
	assert_recorded("\"why\":\"the response has no cosignature that verifies with the key "
			"of the witness\"");
	buf_free(&why);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define W(name) cmocka_unit_test_setup_teardown(name, setup, witness_teardown)
	const struct CMUnitTest tests[] = {
		T(timestamp_verifies_with_openssl),
		T(wrong_timestamp_is_refused_counted_and_logged),
		T(timestamp_with_a_wrong_certificate_is_refused),
		W(witness_cosigns_as_the_log_grows),
		W(witness_key_may_be_in_verifier_form),
		W(restored_old_copy_is_reported),
		W(damaged_tree_files_are_not_reported_as_a_fork),
		W(daemon_waits_for_a_tree_that_is_behind),
		W(every_response_of_a_witness_is_reported),
		W(cosignature_by_another_key_is_refused),
	};

	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

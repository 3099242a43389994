/* Places that checkpoints are taken to: files, syslog, URLs, time stamps, witnesses; those that
 * are away, that refuse, that lie. What the thread is given and hands over is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "anchors/anchors.h"
#include "anchors/place.h"
#include "anchors/witness.h"
#include "base/clock.h"
#include "base/err.h"
#include "proof/base64.h"
#include "support/http_rig.h"
#include "support/temp_dir.h"
#include "support/log_rig.h"

enum { PATIENCE_S = 60 };

static struct config cfg;
static struct anchor_place places[4];
static struct metrics metrics;
static struct log_rig l;
static struct anchors *anchors;
static struct http_rig *server;

/* What stands for audit. */
static struct {
	pthread_mutex_t lock;
	struct buf note, records; /* the newest; a line each */
	unsigned n;
	int err;
} audit = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool
give_note(void *arg, struct buf *to, uint64_t *size)
{
	(void)arg;
	*size = 0;
	pthread_mutex_lock(&audit.lock);
	buf_span(to, buf_view(&audit.note));
	pthread_mutex_unlock(&audit.lock);
	return to->n > 0;
}

static void
deliver(struct mail *m, void *consumer)
{
	struct audit_entry *e = CONTAINER_OF(m, struct audit_entry, mail);

	(void)consumer;
	e->done(e, e->err);
}

static void
take_record(void *arg, struct audit_entry *e)
{
	(void)arg;
	pthread_mutex_lock(&audit.lock);
	buf_printf(&audit.records, "{%.*s}\n", SPAN_ARG(buf_view(&e->fields)));
	audit.n++;
	e->err = audit.err;
	pthread_mutex_unlock(&audit.lock);
	e->mail.run = deliver;
	mailbox_send(e->reply_to, &e->mail);
}

static void
grow(uint64_t to)
{
	struct buf note;

	buf_init(&note, 0);
	log_grow(&l, to, 0);
	log_note(&l, &note);
	pthread_mutex_lock(&audit.lock);
	buf_clear(&audit.note);
	buf_span(&audit.note, buf_view(&note));
	pthread_mutex_unlock(&audit.lock);
	buf_free(&note);
}

static int
setup(void **s)
{
	static char journal[192], pub[192];

	if (temp_dir_make(s))
		return -1;
	snprintf(journal, sizeof(journal), "%s", path("journal"));
	snprintf(pub, sizeof(pub), "%s", path("log.pub"));
	memset(&metrics, 0, sizeof(metrics));
	memset(places, 0, sizeof(places));
	buf_init(&audit.note, 0);
	buf_init(&audit.records, 0);
	audit.n = 0;
	audit.err = 0;
	log_open(&l, "tollgate/gw-1", journal, 1, pub);
	cfg = (struct config){ .journal = journal, .node = "gw-1", .anchors = places };
	grow(5);
	return 0;
}

static int
teardown(void **s)
{
	anchors_stop(&anchors);
	if (server)
		rig_stop(&server);
	log_close(&l);
	buf_free(&audit.note);
	buf_free(&audit.records);
	return temp_dir_remove(s);
}

static void
add(enum anchor_kind kind, const char *place)
{
	static char text[4][256];
	struct anchor_place *p = &places[cfg.nanchors];

	snprintf(text[cfg.nanchors], sizeof(text[0]), "%s", place);
	*p = (struct anchor_place){
		.kind = kind, .place = text[cfg.nanchors++], .every_us = 20000
	};
}

static void
begin(void)
{
	const struct anchors_audit from = { give_note, take_record, NULL };
	struct buf why;

	buf_init(&why, 4096);
	anchors = anchors_start(&cfg, &from, &metrics, &why);
	if (!anchors)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
}

static uint64_t
count(enum anchor_kind kind, enum anchor_end end)
{
	return atomic_load(&metrics.v[M_ANCHOR_FILE_TAKEN + kind * ANCHOR_ENDS + end]);
}

/* Until so many attempts ended so; a record of it is there then, if there is one. */
static void
wait_count(enum anchor_kind kind, enum anchor_end end, uint64_t n)
{
	uint64_t until = clock_mono_us() + PATIENCE_S * 1000000ull;

	while (count(kind, end) < n) {
		if (clock_mono_us() > until)
			fail_msg("%s: %llu times %d in vain", anchor_words[kind],
				(unsigned long long)n, end);
		usleep(1000);
	}
}

static void
wait_records(unsigned n)
{
	uint64_t until = clock_mono_us() + PATIENCE_S * 1000000ull;

	for (;;) {
		pthread_mutex_lock(&audit.lock);
		bool there = audit.n >= n;
		pthread_mutex_unlock(&audit.lock);
		if (there)
			return;
		if (clock_mono_us() > until)
			fail_msg("%u records in vain", n);
		usleep(1000);
	}
}

static bool
recorded(const char *text)
{
	pthread_mutex_lock(&audit.lock);
	bool found = memmem(buf_view(&audit.records).p, audit.records.n, text, strlen(text));
	pthread_mutex_unlock(&audit.lock);
	return found;
}

static void
assert_recorded(const char *text)
{
	if (!recorded(text))
		fail_msg("no record says %s:\n%.*s", text, SPAN_ARG(buf_view(&audit.records)));
}

static void
assert_shown(const char *status, const char *ready)
{
	struct buf b;

	buf_init(&b, 0);
	anchors_status(anchors, &b);
	buf_putc(&b, '\n');
	anchors_ready(anchors, &b);
	buf_putc(&b, '\0');
	if (!strstr(buf_view(&b).p, status) || !strstr(buf_view(&b).p, ready))
		fail_msg("not %s and %s: %s", status, ready, buf_view(&b).p);
	buf_free(&b);
}

/* ---- files ---- */

static struct buf
slurp(const char *file)
{
	struct buf b;

	buf_init(&b, 0);
	if (!buf_file(&b, file))
		fail_msg("%s", file);
	return b;
}

static void
a_file_gets_each_note_after_the_last(void **s)
{
	struct stat st;

	(void)s;
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	struct buf first = slurp(path("notes"));
	assert_true(span_eq(buf_view(&first), buf_view(&audit.note)));
	grow(9);
	wait_records(2);
	struct buf both = slurp(path("notes"));
	buf_span(&first, buf_view(&audit.note));
	assert_true(span_eq(buf_view(&first), buf_view(&both)));
	assert_int_equal(stat(path("notes"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_recorded("{\"type\":\"anchor\",\"kind\":\"file\",\"place\":\"");
	assert_recorded("\"result\":\"taken\",\"origin\":\"tollgate/gw-1\",\"size\":5,\"root\":\"");
	assert_recorded("\"size\":9,");
	assert_shown("\"state\":\"taken\",\"size\":9,\"taken\":\"20", "");
	buf_free(&first);
	buf_free(&both);
}

static void
the_same_checkpoint_is_taken_once(void **s)
{
	(void)s;
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	usleep(200000); /* ten turns; fewer would find no mistake, and make none */
	assert_int_equal(audit.n, 1);
}

static void
a_file_that_is_rotated_is_made_anew(void **s)
{
	(void)s;
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	assert_int_equal(rename(path("notes"), path("notes.1")), 0);
	grow(9);
	wait_records(2);
	struct buf b = slurp(path("notes"));
	assert_true(span_eq(buf_view(&b), buf_view(&audit.note)));
	buf_free(&b);
}

static void
a_pipe_or_a_link_is_no_file(void **s)
{
	char cmd[300];

	(void)s;
	snprintf(cmd, sizeof(cmd), "mkfifo %s && ln -s /dev/null %s", path("pipe"), path("link"));
	assert_int_equal(system(cmd), 0);
	add(ANCHOR_FILE, path("pipe"));
	add(ANCHOR_FILE, path("link"));
	begin();
	wait_count(ANCHOR_FILE, ANCHOR_AWAY, 2);
	assert_int_equal(audit.n, 0);
	assert_shown("\"state\":\"away\",\"why\":\"", "anchor file ");
}

static void
what_a_full_disk_took_of_a_note_is_taken_back(void **s)
{
	struct rlimit was, now;

	(void)s;
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	struct buf before = slurp(path("notes"));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	now = was;
	now.rlim_cur = before.n + 20;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	pthread_mutex_lock(&audit.lock);
	static const char later[] = "tollgate/gw-1\n6\n"
				    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
				    "\xe2\x80\x94 x AAAAAAAA\n";
	buf_clear(&audit.note);
	buf_str(&audit.note, later);
	pthread_mutex_unlock(&audit.lock);
	wait_count(ANCHOR_FILE, ANCHOR_AWAY, 1);
	struct buf after = slurp(path("notes"));
	assert_true(span_eq(buf_view(&before), buf_view(&after)));
	assert_shown("\"state\":\"away\",\"size\":5", "No space left on device");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	wait_records(2);
	buf_free(&after);
	after = slurp(path("notes"));
	buf_str(&before, later);
	assert_true(span_eq(buf_view(&before), buf_view(&after)));
	buf_free(&before);
	buf_free(&after);
}

static void
one_that_is_away_is_tried_again_and_delays_no_other(void **s)
{
	(void)s;
	add(ANCHOR_FILE, path("missing/notes"));
	add(ANCHOR_FILE, path("notes"));
	begin();
	for (uint64_t n = 1; n <= 5; n++) {
		grow(5 + n);
		wait_records((unsigned)n);
	}
	assert_true(count(ANCHOR_FILE, ANCHOR_AWAY) >= 1);
	assert_shown("\"state\":\"away\",\"why\":\"No such file or directory\"",
		"/missing/notes: away for ");
	assert_int_equal(mkdir(path("missing"), 0700), 0);
	wait_records(6); /* with the newest, not with what it missed */
	struct buf b = slurp(path("missing/notes"));
	assert_true(span_eq(buf_view(&b), buf_view(&audit.note)));
	buf_free(&b);
}

static void
without_a_checkpoint_nothing_is_taken(void **s)
{
	(void)s;
	buf_clear(&audit.note);
	add(ANCHOR_FILE, path("notes"));
	begin();
	assert_shown("\"state\":\"waiting\"", "");
	grow(7);
	wait_records(1);
	assert_recorded("\"size\":7,");
}

static void
a_record_that_the_disk_refuses_is_no_end(void **s)
{
	(void)s;
	audit.err = ERR_IO;
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	audit.err = 0;
	grow(8);
	wait_records(2);
	assert_recorded("\"size\":8,");
}

/* ---- URLs ---- */

static struct {
	int status;
	const char *fields;
	struct span body;
	bool hang;
	char path[128], head[2048], got[4096];
	size_t n;
} web;

static bool
on_web(void *arg, struct rig_conn *c, const struct rig_request *q)
{
	(void)arg;
	snprintf(web.path, sizeof(web.path), "%.*s", SPAN_ARG(q->path));
	snprintf(web.head, sizeof(web.head), "%.*s", SPAN_ARG(q->head));
	web.n = q->body.n < sizeof(web.got) ? q->body.n : sizeof(web.got);
	memcpy(web.got, q->body.p, web.n);
	if (web.hang) {
		rig_hang(c);
		return false;
	}
	return rig_answer(c, web.status, web.fields ? web.fields : "", web.body);
}

static void
serve(rig_handler *handle, enum anchor_kind kind, const char *rest)
{
	char url[128];

	server = rig_start(handle, NULL, NULL, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server->port, rest);
	add(kind, url);
}

static void
a_url_gets_the_note_as_text(void **s)
{
	(void)s;
	memset(&web, 0, sizeof(web));
	web.status = 204;
	serve(on_web, ANCHOR_URL, "/notes?token=hidden");
	begin();
	wait_records(1);
	assert_string_equal(web.path, "/notes?token=hidden");
	assert_non_null(strcasestr(web.head, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	assert_true(span_eq(span_of(web.got, web.n), buf_view(&audit.note)));
	assert_recorded("\"answer\":\"204\"");
	assert_false(recorded("hidden"));
}

static void
a_url_that_says_no_is_recorded_once_and_said(void **s)
{
	(void)s;
	memset(&web, 0, sizeof(web));
	web.status = 403;
	serve(on_web, ANCHOR_URL, "/");
	begin();
	wait_count(ANCHOR_URL, ANCHOR_REFUSED, 2);
	assert_int_equal(audit.n, 1);
	assert_recorded("\"result\":\"refused\"");
	assert_recorded("\"answer\":\"403\",\"why\":\"it answers with status 403\"");
	assert_shown("\"state\":\"refused\",\"why\":\"it answers with status 403\"",
		"/: refused for ");
	web.status = 200;
	grow(6);
	wait_count(ANCHOR_URL, ANCHOR_TAKEN, 1);
}

static void
a_url_that_fails_is_away(void **s)
{
	(void)s;
	memset(&web, 0, sizeof(web));
	web.status = 503;
	serve(on_web, ANCHOR_URL, "/");
	begin();
	wait_count(ANCHOR_URL, ANCHOR_AWAY, 1);
	assert_int_equal(audit.n, 0);
}

static void
a_stop_waits_for_nobody_that_hangs(void **s)
{
	(void)s;
	memset(&web, 0, sizeof(web));
	web.hang = true;
	serve(on_web, ANCHOR_URL, "/");
	begin();
	while (!web.n)
		usleep(1000);
	anchors_stop(&anchors);
	assert_null(anchors);
	assert_int_equal(audit.n, 0);
}

/* ---- time stamps ---- */

static const char tsa_config[] =
	"[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nCN=a TSA\n"
	"[tsa_ext]\nextendedKeyUsage=critical,timeStamping\n"
	"[tsa1]\nserial=%s/serial\nsigner_cert=%s/tsa.crt\nsigner_key=%s/tsa.key\n"
	"signer_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests=sha256\n"
	"ess_cert_id_alg=sha256\n";

static void
run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

/* A certificate whose time is over, for the same key. */
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

/* A TSA's key and certificate. */
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

/* How the TSA lies. */
enum lie { TRUE, OTHER_NOTE, OTHER_NONCE, GARBAGE, EMPTY, CUT, TRAILING, HUGE, NO_TOKEN, WITH_MODS };
static enum lie lie;

/* Of this process alone: what `openssl ts` cannot be made to say. */
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
	assert_non_null(strcasestr(q->head.p, "\r\nContent-Type: application/timestamp-query\r\n"));
	put_span("q.tsq", q->body);
	if (lie == OTHER_NOTE || lie == OTHER_NONCE) {
		/* The hash is in its place; the nonce's last byte is before cert_req's three. */
		struct span query = q->body;
		assert_int_equal(query.n, 69);
		((char *)(uintptr_t)query.p)[lie == OTHER_NOTE ? 30 : query.n - 4] ^= 1;
		put_span("q.tsq", query);
	}
	run("cd %s && openssl ts -reply -config tsa.cnf -section tsa1 -queryfile q.tsq -out r.tsr "
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
	bool more = rig_answer(
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

/* The first record's member. */
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
a_time_stamp_verifies_with_openssl(void **s)
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
	run("openssl ts -verify -data %s/note -in %s/record.tsr -CAfile %s/tsa.crt >/dev/null 2>&1",
		dir, dir, dir);
	run("echo >>%s/note; ! openssl ts -verify -data %s/note -in %s/record.tsr -CAfile "
	    "%s/tsa.crt >/dev/null 2>&1",
		dir, dir, dir, dir);
}

/* clang-format off */
static const struct { const char *name; enum lie lie; const char *why; } lies[] = {
	{ "over another note", OTHER_NOTE, "message imprint mismatch" },
	{ "with another nonce", OTHER_NONCE, "nonce mismatch" },
	{ "no response", GARBAGE, "its answer is no response of RFC 3161" },
	{ "nothing", EMPTY, "its answer is no response of RFC 3161" },
	{ "cut", CUT, "its answer is no response of RFC 3161" },
	{ "a byte after it", TRAILING, "its answer is no response of RFC 3161" },
	{ "too much", HUGE, "the answer is too long" },
	{ "a refusal", NO_TOKEN, "its status is 2, not granted" },
	{ "with modifications", WITH_MODS, "its status is 1, not granted" },
};
/* clang-format on */

static void
a_tsa_that_lies_is_refused_counted_and_said(void **s)
{
	(void)s;
	make_tsa("tsa", false);
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		lie = lies[i].lie;
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
		rig_stop(&server);
	}
}

static void
a_tsa_with_a_wrong_certificate_is_refused(void **s)
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
		rig_stop(&server);
	}
}

/* ---- witnesses ---- */

static struct {
	struct config cfg;
	struct witness_log log;
	struct metrics metrics;
	struct witness *witness;
	char key[192], pub[200], state[192];
	int status; /* answered instead */
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
		return rig_answer(c, other.status, other.fields ? other.fields : "",
			span_str(other.body ? other.body : ""));
	buf_init(&b, 0);
	unsigned status = witness_add(other.witness, q->body, &b, &type);
	snprintf(fields, sizeof(fields), "Content-Type: %s\r\n", type);
	bool more = rig_answer(c, (int)status, fields, buf_view(&b));
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
		rig_stop(&server);
	witness_close(&other.witness);
	return teardown(s);
}

static void
a_witness_cosigns_as_the_log_grows(void **s)
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
	/* After a restart it does not know what the witness has seen: it is told. */
	anchors_stop(&anchors);
	grow(300);
	begin();
	wait_records(8);
	assert_int_equal(other.metrics.v[M_WITNESS_409], 1);
	assert_int_equal(count(ANCHOR_WITNESS, ANCHOR_REFUSED), 0);
}

static void
a_verifier_key_in_the_file_will_do(void **s)
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
a_restored_old_copy_is_shown_as_what_it_is(void **s)
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
	assert_shown("it has seen 50 records of this log, which has 20 now: a cut tail, a restored "
		     "old copy, or another log of the same origin",
		"anchor witness http://127.0.0.1:");
	/* It goes on, with other records, beyond what was seen. */
	anchors_stop(&anchors);
	tiles_of(80, 9);
	begin();
	wait_records(3);
	assert_shown("this log does not continue what it has seen (422): a fork", "refused for ");
	/* And with exactly as many. */
	anchors_stop(&anchors);
	tiles_of(50, 9);
	begin();
	wait_records(4);
	assert_shown("another log of this origin with as many records: a fork, or two daemons with "
		     "one origin",
		"refused for ");
	assert_int_equal(other.metrics.v[M_WITNESS_200], 1);
}

static void
a_tree_that_is_behind_is_waited_for(void **s)
{
	struct log_rig ahead = l;
	struct merkle_hash leaf = { { 1 } };
	struct buf note;

	(void)s;
	serve_witness();
	begin();
	wait_records(1);
	/* A note of one more than its files hold. */
	buf_init(&note, 0);
	merkle_append(&ahead.tiles.range, &leaf);
	log_note(&ahead, &note);
	pthread_mutex_lock(&audit.lock);
	buf_clear(&audit.note);
	buf_span(&audit.note, buf_view(&note));
	pthread_mutex_unlock(&audit.lock);
	wait_count(ANCHOR_WITNESS, ANCHOR_AWAY, 1);
	assert_shown("no proof from 5: the tree's files do not reach the checkpoint yet", "");
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
	{ "404", 404, "", "no", ANCHOR_REFUSED, "it does not know our origin (404)" },
	{ "403", 403, "", "no", ANCHOR_REFUSED, "a rotation that it has not heard of" },
	{ "400", 400, "", "no", ANCHOR_REFUSED, "it finds our request malformed (400)" },
	{ "422", 422, "", "no", ANCHOR_REFUSED, "this log does not continue what it has seen (422)" },
	{ "409 without its type", 409, "Content-Type: text/plain\r\n", "3\n", ANCHOR_REFUSED, "409 and no size" },
	{ "409 without a size", 409, SIZE_FIELD, "many\n", ANCHOR_REFUSED, "409 and no size" },
	{ "409 with a size beyond", 409, SIZE_FIELD, "18446744073709551615\n", ANCHOR_REFUSED, "it has seen 18446744073709551615 records" },
	{ "409 again and again", 409, SIZE_FIELD, "3\n", ANCHOR_AWAY, "its size changes while we ask" },
	{ "409 with what we said", 409, SIZE_FIELD, "0\n", ANCHOR_AWAY, "its size changes while we ask" },
	{ "200 without a cosignature", 200, "", "", ANCHOR_REFUSED, "no cosignature of its key" },
	{ "200 with something else", 200, "", "fine\n", ANCHOR_REFUSED, "no cosignature of its key" },
	{ "500", 500, "", "", ANCHOR_AWAY, "it answers with status 500" },
	{ "302", 302, "Location: http://127.0.0.1:1/\r\n", "", ANCHOR_AWAY, "it answers with status 302" },
	{ "nothing", -1, "", "", ANCHOR_AWAY, "" },
};
/* clang-format on */

static void
every_answer_of_a_witness_is_named(void **s)
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
		assert_shown(end == ANCHOR_AWAY ? "\"state\":\"away\"" : "\"state\":\"refused\"",
			witnesses[i].why);
		anchors_stop(&anchors);
	}
	assert_int_equal(count(ANCHOR_WITNESS, ANCHOR_TAKEN), 0);
}

static void
a_cosignature_by_another_key_is_refused(void **s)
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
	assert_recorded("\"why\":\"its answer holds no cosignature of its key that verifies\"");
	buf_free(&why);
}

/* ---- syslog ---- */

static struct {
	int fd;
	SSL_CTX *tls;
	bool resets;
	pthread_t thread;
	pthread_mutex_t lock;
	struct buf got; /* of one connection, to its end */
	_Atomic unsigned n;
} collector = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *
collect(void *arg)
{
	(void)arg;
	for (int fd; (fd = accept(collector.fd, NULL, NULL)) >= 0; close(fd)) {
		char chunk[4096];
		SSL *ssl = collector.tls ? SSL_new(collector.tls) : NULL;
		bool ok = !ssl || (SSL_set_fd(ssl, fd) && SSL_accept(ssl) == 1);
		if (collector.resets) {
			struct linger l0 = { 1, 0 };
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &l0, sizeof(l0));
			continue;
		}
		pthread_mutex_lock(&collector.lock);
		buf_clear(&collector.got);
		for (ssize_t n; ok && (n = ssl ? SSL_read(ssl, chunk, sizeof(chunk))
					       : read(fd, chunk, sizeof(chunk))) > 0;)
			buf_put(&collector.got, chunk, (size_t)n);
		pthread_mutex_unlock(&collector.lock);
		if (ssl)
			SSL_shutdown(ssl);
		SSL_free(ssl);
		atomic_fetch_add(&collector.n, 1);
	}
	return NULL;
}

static void
collector_start(const char *scheme, SSL_CTX *tls)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);
	char to[64];

	signal(SIGPIPE, SIG_IGN);
	collector.tls = tls;
	collector.n = 0;
	collector.resets = false;
	buf_init(&collector.got, 0);
	collector.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(collector.fd, (void *)&in, sizeof(in)), 0);
	assert_int_equal(listen(collector.fd, 8), 0);
	assert_int_equal(getsockname(collector.fd, (void *)&in, &n), 0);
	snprintf(to, sizeof(to), "%s://127.0.0.1:%u", scheme, ntohs(in.sin_port));
	assert_int_equal(pthread_create(&collector.thread, NULL, collect, NULL), 0);
	add(ANCHOR_SYSLOG, to);
}

static void
collector_stop(void)
{
	anchors_stop(&anchors);
	shutdown(collector.fd, SHUT_RDWR);
	pthread_join(collector.thread, NULL);
	close(collector.fd);
	SSL_CTX_free(collector.tls);
	buf_free(&collector.got);
}

/* LENGTH <109>1 TIME NODE tollgate PID checkpoint - NOTE */
static void
assert_message(struct span m)
{
	struct span length = span_next(&m, ' '), whole = m;
	uint64_t n;

	assert_int_equal(span_u64(length, &n), 0);
	assert_int_equal(n, whole.n);
	assert_true(span_is(span_next(&m, ' '), "<109>1"));
	struct span when = span_next(&m, ' ');
	assert_int_equal(when.n, strlen("2026-11-22T15:00:00.123456Z"));
	assert_int_equal(when.p[19], '.');
	assert_int_equal(when.p[26], 'Z');
	assert_true(span_is(span_next(&m, ' '), "gw-1"));
	assert_true(span_is(span_next(&m, ' '), "tollgate"));
	assert_true(span_u64(span_next(&m, ' '), &n) == 0);
	assert_true(span_is(span_next(&m, ' '), "checkpoint"));
	assert_true(span_is(span_next(&m, ' '), "-"));
	assert_true(span_eq(m, buf_view(&audit.note)));
}

static void
syslog_by_tcp_counts_its_octets(void **s)
{
	(void)s;
	collector_start("tcp", NULL);
	begin();
	wait_records(1);
	while (!collector.n)
		usleep(1000);
	assert_message(buf_view(&collector.got));
	assert_recorded("\"kind\":\"syslog\"");
	assert_recorded("\"answer\":null");
	collector_stop();
}

static void
syslog_by_tls_verifies_whom_it_speaks_to(void **s)
{
	static char ca[192], other_ca[192];

	(void)s;
	snprintf(ca, sizeof(ca), "%s", path("syslog.pem"));
	snprintf(other_ca, sizeof(other_ca), "%s", path("other.pem"));
	SSL_CTX_free(rig_tls("127.0.0.1", other_ca));
	collector_start("tls", rig_tls("127.0.0.1", ca));
	places[0].tls_ca = ca;
	begin();
	wait_records(1);
	while (!collector.n)
		usleep(1000);
	assert_message(buf_view(&collector.got));
	anchors_stop(&anchors);
	places[0].tls_ca = other_ca;
	grow(6);
	begin();
	wait_count(ANCHOR_SYSLOG, ANCHOR_AWAY, 1);
	assert_shown("\"state\":\"away\"", "TLS: self-signed certificate");
	assert_int_equal(audit.n, 1);
	collector_stop();
	/* A certificate for another name. */
	cfg.nanchors = 0;
	collector_start("tls", rig_tls("logs.example", ca));
	places[0].tls_ca = ca;
	begin();
	wait_count(ANCHOR_SYSLOG, ANCHOR_AWAY, 2);
	assert_shown("\"state\":\"away\"", "TLS: IP address mismatch");
	collector_stop();
}

static void
a_collector_that_drops_the_connection_has_taken_nothing(void **s)
{
	(void)s;
	collector_start("tcp", NULL);
	collector.resets = true;
	begin();
	wait_count(ANCHOR_SYSLOG, ANCHOR_AWAY, 1);
	assert_int_equal(count(ANCHOR_SYSLOG, ANCHOR_TAKEN), 0);
	collector_stop();
}

static void
syslog_by_a_unix_socket_is_a_datagram(void **s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char to[200], got[4096];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)s;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path("log"));
	assert_int_equal(bind(fd, (void *)&un, sizeof(un)), 0);
	snprintf(to, sizeof(to), "unix:%s", path("log"));
	add(ANCHOR_SYSLOG, to);
	begin();
	wait_records(1);
	ssize_t n = recv(fd, got, sizeof(got), 0);
	assert_true(n > 0);
	char counted[4200];
	int all = snprintf(counted, sizeof(counted), "%zd %.*s", n, (int)n, got);
	assert_message(span_of(counted, (size_t)all));
	close(fd);
}

/* ---- beginning ---- */

static void
files_that_cannot_be_used_refuse_the_start(void **s)
{
	const struct anchors_audit from = { give_note, take_record, NULL };
	struct buf why;

	(void)s;
	buf_init(&why, 4096);
	put("junk.pem", "junk\n");
	add(ANCHOR_TSA, "http://127.0.0.1:1/");
	places[0].ca = path("junk.pem");
	assert_null(anchors_start(&cfg, &from, &metrics, &why));
	assert_non_null(strstr(buf_view(&why).p, "holds no certificate that can be read"));
	cfg.nanchors = 0;
	buf_clear(&why);
	add(ANCHOR_WITNESS, "http://127.0.0.1:1/");
	places[0].key = path("junk.pem");
	assert_null(anchors_start(&cfg, &from, &metrics, &why));
	assert_true(why.n > 0);
	buf_free(&why);
}

static void
how_late_a_place_is_is_a_gauge(void **s)
{
	struct buf b;

	(void)s;
	buf_init(&b, 0);
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	anchors_metrics(anchors, &b);
	buf_putc(&b, '\0');
	assert_non_null(strstr(buf_view(&b).p, "tollgate_anchor_late_seconds{kind=\"file\",place=\""));
	assert_non_null(strstr(buf_view(&b).p, "/notes\"} 0\n"));
	buf_free(&b);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define W(name) cmocka_unit_test_setup_teardown(name, setup, witness_teardown)
	const struct CMUnitTest tests[] = {
		T(a_file_gets_each_note_after_the_last),
		T(the_same_checkpoint_is_taken_once),
		T(a_file_that_is_rotated_is_made_anew),
		T(a_pipe_or_a_link_is_no_file),
		T(what_a_full_disk_took_of_a_note_is_taken_back),
		T(one_that_is_away_is_tried_again_and_delays_no_other),
		T(without_a_checkpoint_nothing_is_taken),
		T(a_record_that_the_disk_refuses_is_no_end),
		T(a_url_gets_the_note_as_text),
		T(a_url_that_says_no_is_recorded_once_and_said),
		T(a_url_that_fails_is_away),
		T(a_stop_waits_for_nobody_that_hangs),
		T(a_time_stamp_verifies_with_openssl),
		T(a_tsa_that_lies_is_refused_counted_and_said),
		T(a_tsa_with_a_wrong_certificate_is_refused),
		W(a_witness_cosigns_as_the_log_grows),
		W(a_verifier_key_in_the_file_will_do),
		W(a_restored_old_copy_is_shown_as_what_it_is),
		W(a_tree_that_is_behind_is_waited_for),
		W(every_answer_of_a_witness_is_named),
		W(a_cosignature_by_another_key_is_refused),
		T(syslog_by_tcp_counts_its_octets),
		T(syslog_by_tls_verifies_whom_it_speaks_to),
		T(a_collector_that_drops_the_connection_has_taken_nothing),
		T(syslog_by_a_unix_socket_is_a_datagram),
		T(files_that_cannot_be_used_refuse_the_start),
		T(how_late_a_place_is_is_a_gauge),
	};

	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

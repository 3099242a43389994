/* The gateway's own credentials against a real token endpoint that answers correctly, slowly,
 * wrongly or not at all: the fields that requests get, the number of fetches, and the token in
 * force afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/moved_clock.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/codec/credentials.h"
#include "base/err.h"
#include "gate/auth/auth_private.h"
#include "support/http_rig.h"
#include "support/temp_dir.h"

enum mood {
	FINE,
	HANGS,
	FAILS,
	HTML,
	NO_LIFE,
	HUGE_LIFE,
	NEWLINE,
	OTHER_TYPE,
	REFUSES,
	OLD_CLOCK,
	SHORT
};
static _Atomic int mood;
static _Atomic unsigned asked, wrong_forms;
static char secret[64];
static pthread_mutex_t secret_lock = PTHREAD_MUTEX_INITIALIZER;

static bool
on_request(void *arg, struct rig_conn *c, const struct rig_request *q)
{
	char text[512], want[512], date[64], fields[128];
	unsigned n = atomic_fetch_add(&asked, 1) + 1;
	const char *life = "3600", *type = "Bearer", *more = "";

	(void)arg;
	pthread_mutex_lock(&secret_lock);
	snprintf(want, sizeof(want),
		"grant_type=client_credentials&client_id=me&client_secret=%s&scope=s", secret);
	pthread_mutex_unlock(&secret_lock);
	if (!span_is(q->body, want) || !span_is(q->path, "/T/oauth2/v2.0/token"))
		atomic_fetch_add(&wrong_forms, 1);
	switch ((enum mood)atomic_load(&mood)) {
	case HANGS: http_rig_hang(c); return false;
	case FAILS:
		return http_rig_answer(c, 500, "", SPAN_LIT("{\"error\":\"invalid_grant\"}"));
	case HTML: return http_rig_answer(c, 200, "", SPAN_LIT("<html>sign in</html>"));
	case REFUSES:
		return http_rig_answer(c, 400, "", SPAN_LIT("{\"error\":\"invalid_grant\"}"));
	/* refuses the first request and returns a Date that differs from the daemon's clock */
	case OLD_CLOCK: {
		time_t now = time(NULL);
		struct tm tm;
		gmtime_r(&now, &tm);
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		snprintf(fields, sizeof(fields), "Date: %s\r\n", date);
		if (n == 1)
			return http_rig_answer(
				c, 400, fields, SPAN_LIT("{\"error\":\"invalid_grant\"}"));
		break;
	}
	case NO_LIFE: life = "null"; break;
	case HUGE_LIFE: life = "1000000000000"; break;
	case NEWLINE: more = "\\r\\nx-evil: 1"; break;
	case OTHER_TYPE: type = "mac"; break;
	case SHORT: life = "10"; break;
	case FINE: break;
	}
	int len = snprintf(text, sizeof(text),
		"{\"token_type\":\"%s\",\"expires_in\":%s,\"access_token\":\"token-%u%s\"}",
		type, life, n, more);
	return http_rig_answer(c, 200, "", span_of(text, (size_t)len));
}

/* ---- the stage ---- */

static struct {
	struct http_rig *rig;
	struct auths *all;
	struct auth *a;
	struct metrics metrics;
	struct provider_credential c;
	char url[96];
} stage;

/* Waits until the condition holds, ten seconds at most. */
#define WAIT_FOR(cond)                                                                         \
	do {                                                                                   \
		for (int ms = 0; !(cond) && ms < 10000; ms++)                                  \
			usleep(1000);                                                          \
		assert_true(cond);                                                             \
	} while (0)

static void
put_secret(const char *text)
{
	pthread_mutex_lock(&secret_lock);
	snprintf(secret, sizeof(secret), "%s", text);
	put("new", text);
	chmod(path("new"), 0600);
	assert_int_equal(rename(path("new"), path("secret")), 0);
	pthread_mutex_unlock(&secret_lock);
}

static void
up(enum mood m)
{
	static char file[192];
	struct buf why;

	atomic_store(&mood, m);
	atomic_store(&asked, 0);
	atomic_store(&wrong_forms, 0);
	put_secret("first");
	stage.rig = http_rig_start(on_request, NULL, NULL, NULL);
	stage.all = auths_new(&stage.metrics);
	snprintf(stage.url, sizeof(stage.url), "http://127.0.0.1:%u/T/oauth2/v2.0/token",
		stage.rig->port);
	snprintf(file, sizeof(file), "%s", path("secret"));
	stage.c = (struct provider_credential){ .provider = "azure",
		.kind = BY_ENTRA,
		.file = file,
		.url = stage.url,
		.scope = "s",
		.token_uri = "T",
		.client_id = "me" };
	buf_init(&why, 0);
	stage.a = auth_open(stage.all, &stage.c, &why);
	assert_non_null(stage.a);
	buf_free(&why);
}

static void
down(void)
{
	auth_close(&stage.a);
	auths_stop(stage.all);
	auths_free(&stage.all);
	http_rig_stop(&stage.rig);
	atomic_store(&passed_us, 0);
	atomic_store(&wall_off_ns, 0);
	assert_int_equal(atomic_load(&wrong_forms), 0);
}

/* Returns the value of the only field that a request would carry, or "" if the request may not
 * be sent. */
static const char *
value(unsigned *generation)
{
	static const unsigned char body[SHA256_BYTES];
	static char out[128];
	struct http_head head = { .method = SPAN_LIT("POST"), .path = SPAN_LIT("/") };
	struct auth_fields f;
	struct arena a;

	arena_init(&a, 0, true);
	int err = auth_fields(stage.a, &a, &head, body, &f);
	snprintf(out, sizeof(out), "%.*s", err ? 0 : (int)f.field[0].value.n,
		err ? "" : f.field[0].value.p);
	if (!err)
		assert_true(span_is(f.field[0].name, CREDENTIAL_SET "authorization"));
	else
		assert_int_equal(err, ERR_CLOSED);
	if (generation)
		*generation = f.generation;
	arena_reset(&a);
	return out;
}

static bool
has(const char *want)
{
	return !strcmp(value(NULL), want);
}

/* ---- tests ---- */

static void
token_is_fetched_once_and_kept(void **state)
{
	(void)state;
	up(FINE);
	auths_first(stage.all, 5000000);
	assert_true(auth_usable(stage.a));
	assert_string_equal(value(NULL), "Bearer token-1");
	/* an equal credential shares the same object */
	struct buf why;
	buf_init(&why, 0);
	struct auth *other = auth_open(stage.all, &stage.c, &why);
	assert_ptr_equal(other, stage.a);
	auth_close(&other);
	buf_free(&why);
	usleep(50000);
	assert_int_equal(atomic_load(&asked), 1);
	down();
}

static void
token_is_refreshed_at_four_fifths_of_its_life(void **state)
{
	(void)state;
	up(SHORT); /* the token lives ten seconds and is refreshed after eight */
	auths_first(stage.all, 5000000);
	assert_string_equal(value(NULL), "Bearer token-1");
	atomic_store(&mood, FAILS);
	WAIT_FOR(atomic_load(&asked) >= 2);
	/* the refresh fails, and the first token stays valid for two more seconds */
	assert_true(has("Bearer token-1"));
	atomic_store(&mood, FINE);
	WAIT_FOR(has("Bearer token-3"));
	down();
}

static void
invalid_token_response_gives_no_token(void **state)
{
	static const enum mood lies[] = { HTML, NO_LIFE, HUGE_LIFE, NEWLINE, OTHER_TYPE,
		FAILS };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		up(lies[i]);
		auths_first(stage.all, 5000000);
		assert_int_equal(atomic_load(&asked), 1);
		assert_false(auth_usable(stage.a));
		assert_string_equal(value(NULL), "");
		/* the endpoint is asked again and now answers correctly */
		atomic_store(&mood, FINE);
		WAIT_FOR(has("Bearer token-2"));
		down();
	}
}

static void
silent_endpoint_blocks_no_request(void **state)
{
	(void)state;
	up(HANGS);
	auths_first(stage.all, 50000);
	assert_string_equal(value(NULL), "");
	assert_int_equal(atomic_load(&asked) <= 1, 1);
	down();
}

static void
refusal_is_final_until_the_file_changes(void **state)
{
	(void)state;
	up(REFUSES);
	auths_first(stage.all, 5000000);
	assert_false(auth_usable(stage.a));
	atomic_store(&mood, FINE);
	/* after a failure, the endpoint would have been asked again within half a second */
	usleep(1200000);
	assert_int_equal(atomic_load(&asked), 1);
	put_secret("second");
	WAIT_FOR(has("Bearer token-2"));
	down();
}

static void
refused_credential_is_tried_again_after_reload(void **state)
{
	struct buf why;

	(void)state;
	up(REFUSES);
	auths_first(stage.all, 5000000);
	atomic_store(&mood, FINE);
	buf_init(&why, 0);
	struct auth *again = auth_open(stage.all, &stage.c, &why);
	WAIT_FOR(has("Bearer token-2"));
	auth_close(&again);
	buf_free(&why);
	down();
}

static void
file_readable_by_others_is_reported(void **state)
{
	(void)state;
	up(FINE);
	auths_first(stage.all, 5000000);
	uint64_t before = atomic_load(&stage.metrics.v[M_CREDENTIALS_FAILED]);
	chmod(path("secret"), 0644);
	WAIT_FOR(atomic_load(&stage.metrics.v[M_CREDENTIALS_FAILED]) > before);
	assert_true(has("Bearer token-1"));
	down();
}

/* Writes a new secret into the file, piece by piece. Returns false if this machine paused for
 * so long between two pieces that the daemon took the file for complete. */
static bool
write_slowly(const char *text)
{
	uint64_t last_us = clock_mono_us(), longest_us = 0;
	FILE *f = fopen(path("secret"), "w");

	assert_non_null(f);
	for (const char *c = text; *c; c++) {
		fputc(*c, f);
		fflush(f);
		usleep(100000);
		uint64_t now = clock_mono_us();
		longest_us = now - last_us > longest_us ? now - last_us : longest_us;
		last_us = now;
	}
	fclose(f);
	return longest_us < 300000;
}

static void
file_written_in_place_is_read_once_it_stops_changing(void **state)
{
	bool fair = false;

	(void)state;
	for (int i = 0; !fair && i < 20; i++) {
		up(FINE);
		auths_first(stage.all, 5000000);
		pthread_mutex_lock(&secret_lock);
		strcpy(secret, "another-secret-than-the-first");
		pthread_mutex_unlock(&secret_lock);
		fair = write_slowly("another-secret-than-the-first");
		if (fair)
			WAIT_FOR(has("Bearer token-2"));
		auths_stop(stage.all);
		if (!fair)
			atomic_store(&wrong_forms, 0);
		down();
	}
	assert_true(fair);
}

/* When a machine starts, the endpoint or the network may start a moment later. */
static void
missing_token_is_logged_after_ten_seconds(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		up(FAILS);
		auths_first(stage.all, 5000000);
		if (late)
			atomic_store(&passed_us, 10500000);
		unsigned n = atomic_load(&asked);
		WAIT_FOR(atomic_load(&asked) > n);
		usleep(50000);
		auths_stop(stage.all);
		assert_int_equal(stage.a->expired_said, late);
		down();
	}
}

static void
clock_offset_is_learned_once(void **state)
{
	(void)state;
	atomic_store(&wall_off_ns, -3600ll * 1000000000);
	up(OLD_CLOCK);
	WAIT_FOR(has("Bearer token-2"));
	assert_true(llabs((long long)auth_now_s(stage.a) - time(NULL)) < 60);
	/* the offset stays correct when the machine's clock is set */
	atomic_store(&wall_off_ns, 0);
	assert_true(llabs((long long)auth_now_s(stage.a) - time(NULL)) < 60);
	down();
}

static void
token_refused_by_provider_is_dropped_and_fetched_once(void **state)
{
	struct http_head refused = { .status = 401 };
	unsigned generation;

	(void)state;
	up(FINE);
	auths_first(stage.all, 5000000);
	assert_string_equal(value(&generation), "Bearer token-1");
	assert_true(auth_refused(stage.a, generation, &refused));
	WAIT_FOR(has("Bearer token-2"));
	/* a further refusal of the old token has no effect; a second 401 for the new one starts
	 * no fetch */
	assert_true(auth_refused(stage.a, generation, &refused));
	value(&generation);
	assert_false(auth_refused(stage.a, generation, &refused));
	assert_string_equal(value(NULL), "Bearer token-2");
	assert_int_equal(atomic_load(&asked), 2);
	down();
}

/* ---- files ---- */

static struct auth *
open_file(struct auths *s, const struct provider_credential *c)
{
	struct buf why;

	buf_init(&why, 0);
	struct auth *a = auth_open(s, c, &why);
	if (!a)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return a;
}

static void
changed_key_file_is_read_again(void **state)
{
	const struct provider_credential c = { .provider = "openai",
		.kind = BY_FILE,
		.file = path("secret"),
		.header = "authorization",
		.prefix = "Bearer " };

	(void)state;
	put_secret("sk-1");
	stage.all = auths_new(&stage.metrics);
	stage.a = open_file(stage.all, &c);
	assert_string_equal(value(NULL), "Bearer sk-1"); /* available at once */
	put_secret("sk-2");
	WAIT_FOR(has("Bearer sk-2"));
	put_secret("two\nlines");
	usleep(1500000);
	assert_true(has("Bearer sk-2")); /* an unusable file leaves the old key in use */
	put_secret("sk-3");
	WAIT_FOR(has("Bearer sk-3"));
	auth_close(&stage.a);
	auths_stop(stage.all);
	auths_free(&stage.all);
}

static void
refused_signature_with_distant_time_sets_clock_offset(void **state)
{
	static const struct {
		const char *name, *type;
		int status;
		int64_t ahead_s;
		bool mends;
	} rows[] = {
		{ "an hour ahead", "InvalidSignatureException:http://x/", 403, 3600, true },
		{ "an hour behind", "RequestExpired", 403, -3600, true },
		{ "four minutes ahead", "InvalidSignatureException", 403, 240, false },
		{ "an error about something else", "ThrottlingException", 403, 3600, false },
		{ "a status other than 403", "InvalidSignatureException", 400, 3600, false },
		/* in ns, such a time does not fit into 64 bits */
		{ "the year 9999", "InvalidSignatureException", 403, 251000000000, false },
		{ "before 1970", "InvalidSignatureException", 403, -3000000000, false },
	};
	const struct provider_credential c = { .provider = "aws",
		.kind = BY_SIGV4,
		.file = path("secret"),
		.profile = "default",
		.region = "r",
		.service = "bedrock",
		.host = "h" };

	(void)state;
	put_secret("[default]\naws_access_key_id=A\naws_secret_access_key=S\n");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		time_t at = time(NULL) + rows[i].ahead_s;
		char date[64];
		struct tm tm;
		gmtime_r(&at, &tm);
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		struct http_field fields[] = { { SPAN_LIT("X-Amzn-ErrorType"),
						       span_str(rows[i].type) },
			{ SPAN_LIT("Date"), span_str(date) } };
		const struct http_head h = {
			.status = rows[i].status, .fields = fields, .nfields = 2
		};
		stage.all = auths_new(&stage.metrics);
		stage.a = open_file(stage.all, &c);
		if (auth_refused(stage.a, 1, &h) != rows[i].mends)
			fail_msg("%s", rows[i].name);
		int64_t off = auth_now_s(stage.a) - time(NULL);
		if (llabs((long long)(off - (rows[i].mends ? rows[i].ahead_s : 0))) > 2)
			fail_msg("%s: %lld", rows[i].name, (long long)off);
		/* false: the next signature already has the corrected time */
		assert_false(auth_refused(stage.a, 1, &h));
		auth_close(&stage.a);
		auths_stop(stage.all);
		auths_free(&stage.all);
	}
}

/* ---- the cell ---- */

static struct cell cell;
static _Atomic bool over;

static void *
reads(void *arg)
{
	static _Thread_local struct cell_value v;
	size_t *torn = arg;

	while (!atomic_load(&over)) {
		cell_get(&cell, &v);
		struct span x = cell_part(&v, 0), y = cell_part(&v, 2);
		for (size_t i = 1; i < x.n; i++)
			*torn += x.p[i] != x.p[0];
		*torn += x.n != y.n || (x.n && x.p[0] != y.p[0]);
	}
	return NULL;
}

static void
value_is_read_whole_while_being_replaced(void **state)
{
	static char text[4000];
	pthread_t t[2];
	size_t torn[2] = { 0, 0 };

	(void)state;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, reads, &torn[i]);
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = i * 37 % sizeof(text);
		memset(text, 'a' + (int)(i % 26), n);
		const struct span parts[CELL_PARTS] = { span_of(text, n), { NULL, 0 },
			span_of(text, n) };
		assert_true(cell_put(&cell, parts));
	}
	atomic_store(&over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(torn[0] + torn[1], 0);
	const struct span much[CELL_PARTS] = { span_of(text, 4000), span_of(text, 4000),
		span_of(text, 4000) };
	assert_false(cell_put(&cell, much));
	cell_wipe(&cell);
	for (size_t i = 0; i < COUNT_OF(cell.words); i++)
		assert_int_equal(atomic_load(&cell.words[i]), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_is_fetched_once_and_kept),
		cmocka_unit_test(token_is_refreshed_at_four_fifths_of_its_life),
		cmocka_unit_test(invalid_token_response_gives_no_token),
		cmocka_unit_test(silent_endpoint_blocks_no_request),
		cmocka_unit_test(refusal_is_final_until_the_file_changes),
		cmocka_unit_test(refused_credential_is_tried_again_after_reload),
		cmocka_unit_test(file_readable_by_others_is_reported),
		cmocka_unit_test(file_written_in_place_is_read_once_it_stops_changing),
		cmocka_unit_test(missing_token_is_logged_after_ten_seconds),
		cmocka_unit_test(clock_offset_is_learned_once),
		cmocka_unit_test(token_refused_by_provider_is_dropped_and_fetched_once),
		cmocka_unit_test(changed_key_file_is_read_again),
		cmocka_unit_test(refused_signature_with_distant_time_sets_clock_offset),
		cmocka_unit_test(value_is_read_whole_while_being_replaced),
	};

	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}

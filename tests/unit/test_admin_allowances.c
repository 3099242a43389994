/* The share of one caller of the admin server of a running daemon. Whatever one token writes,
 * runs or holds, other callers are served and no reading goes unrecorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "base/caps.h"
#include "operator/admin/allowances.h"
#include "record/archive/files.h"
#include "support/admin_rig.h"

enum { FLOOD = 300, ASKED = 20000 };

static char second[TOKEN_TEXT];
static bool *disk_is_full; /* shared with the daemon */

static int
fake_fstatvfs(int fd, struct statvfs *st)
{
	int err = fstatvfs(fd, st);

	if (*disk_is_full) {
		st->f_bavail = (10u << 20) / st->f_frsize;
		st->f_blocks = ((uint64_t)100 << 30) / st->f_frsize;
	}
	return err;
}

static int
start_with_disk(void **state)
{
	disk_is_full =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	keep_io.fstatvfs = fake_fstatvfs;
	int err = start(state);
	new_token("second", "auditor,operator", second);
	return err;
}

/* ---- records ---- */

/* Readings by one token in the journal, the records that report them, and their bytes. */
struct readings {
	long long readings, records, bytes, shown, other;
};

static struct readings
count_readings(const char *by)
{
	struct readings n = { 0 };
	json_t *o;
	static char line[1 << 20];

	assert_int_equal(tollgate("", "audit", "export", "--journal", path("j"), "--public-key",
				 path("key.pub"), "--type", "read", NULL),
		0);
	put("reads", cmd_out);
	FILE *f = fopen(path("reads"), "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		o = json_loads(line, 0, NULL);
		const char *who = json_string_value(json_object_get(o, "by")),
			   *what = json_string_value(json_object_get(o, "read"));
		const json_t *after = json_object_get(o, "after");
		if (who && what && !strcmp(who, by)) {
			const json_t *sum = json_object_get(after, "readings");
			n.records++;
			n.bytes += (long long)strlen(line);
			n.readings += sum ? json_integer_value(sum) : 1;
			n.shown += json_integer_value(json_object_get(after, "records"));
			n.other += sum && strcmp(what, "several") != 0;
		}
		json_decref(o);
	}
	fclose(f);
	return n;
}

static void
readings_beyond_a_share_are_summed_and_none_is_lost(void **state)
{
	static char body[ASKED + 256];
	int n = snprintf(body, sizeof(body),
		"{\"command\":\"audit list\",\"records\":3,\"asked\":{\"x\":\"");
	const struct ask flood = {
		.door = DOOR_TLS, .path = "/audit/read", .token = viewer, .body = body
	};
	uint64_t began = clock_mono_us();

	(void)state;
	memset(body + n, 'x', ASKED);
	snprintf(body + n + ASKED, sizeof(body) - (size_t)n - ASKED, "\"}}");
	for (int i = 0; i < FLOOD; i++)
		if (ask(&flood) != 200)
			fail_msg("%ld %s", got.status, got.body);
	assert_non_null(strstr(got.body, "\"summed\":true"));
	double took_s = (double)(clock_mono_us() - began) / 1e6;
	struct readings r = count_readings("viewer");
	for (int i = 0; i < 600 && r.readings < FLOOD; i++) {
		usleep(50000);
		r = count_readings("viewer");
	}
	took_s = (double)(clock_mono_us() - began) / 1e6;
	assert_int_equal(r.readings, FLOOD);
	assert_int_equal(r.shown, 3 * FLOOD);
	assert_int_equal(r.other, 0);
	assert_true((double)r.records <= 34 + 5 * (took_s + 2));
	assert_true(r.bytes <= 3 * ASKED + 1000 * r.records);
	/* Meanwhile, the reading of another token has its own record. */
	const struct ask other = { .door = DOOR_TLS,
		.path = "/audit/read",
		.token = auditor,
		.body = "{\"command\":\"audit list\",\"records\":1,\"asked\":{}}" };
	assert_int_equal(ask(&other), 200);
	assert_null(strstr(got.body, "summed"));
}

/* The share of changes is 200 at once and twenty a second. */
static void
fill_share(const struct ask *a, unsigned at_once)
{
	uint64_t began = clock_mono_us();
	unsigned done = 0;

	while (ask(a) == 200) {
		/* a machine that is too busy to exceed the rate refuses nobody */
		if (++done == 4 * FLOOD)
			skip();
	}
	assert_int_equal(got.status, 429);
	assert_in_range(done, at_once, 201 + 21 * (clock_mono_us() - began) / 1000000);
}

static void
changes_beyond_a_share_are_refused_and_others_continue(void **state)
{
	const struct ask flood = { .door = DOOR_TLS,
		.path = "/log",
		.token = operator_,
		.body = "{\"level\":\"info\"}" },
			 reload = { .door = DOOR_TLS,
				 .path = "/reload",
				 .token = operator_,
				 .body = "" },
			 other = { .door = DOOR_TLS,
				 .path = "/log",
				 .token = second,
				 .body = "{\"level\":\"info\"}" };
	(void)state;
	/* one more change is admitted every 50 ms, so another kind of change soon finds the
	 * share empty */
	long status = 0;
	for (int i = 0; i < 20 && status != 429; i++) {
		fill_share(&flood, i ? 0 : 200);
		assert_non_null(
			strstr(got.body, "because you caused too many records: try again in "));
		status = ask(&reload);
	}
	assert_int_equal(status, 429);
	assert_int_equal(ask(&other), 200);
}

static void
last_disk_space_is_kept_for_decisions(void **state)
{
	const struct ask read = { .door = DOOR_TLS,
		.path = "/audit/read",
		.token = auditor,
		.body = "{\"command\":\"audit list\",\"records\":1,\"asked\":{}}" },
			 change = { .door = DOOR_TLS,
				 .path = "/log",
				 .token = second,
				 .body = "{\"level\":\"info\"}" };

	const struct ask end = { .door = DOOR_TLS,
		.path = "/audit/read",
		.token = short_,
		.body = "{\"command\":\"audit list\",\"records\":7,\"asked\":{},"
			"\"follow\":\"end\"}" };

	(void)state;
	*disk_is_full = true;
	assert_int_equal(ask(&read), 503);
	assert_non_null(strstr(got.body, "the rest of the disk is reserved for decisions"));
	assert_int_equal(ask(&change), 503);
	/* Earlier readings are recorded once there is room. */
	assert_int_equal(ask(&end), 200);
	assert_non_null(strstr(got.body, "\"summed\":true"));
	usleep(1300000);
	assert_int_equal(count_readings("short").shown, 0);
	*disk_is_full = false;
	assert_int_equal(ask(&read), 200);
	assert_int_equal(ask(&change), 200);
	usleep(1300000);
	assert_int_equal(count_readings("short").shown, 7);
}

static void
sessions_beyond_a_share_are_refused(void **state)
{
	char body[128], origin[64];

	(void)state;
	snprintf(body, sizeof(body), "{\"token\":\"%s\"}", gone);
	snprintf(origin, sizeof(origin), "origin: https://localhost:%u", tls_port);
	const struct ask login = { .door = DOOR_TLS,
		.path = "/session",
		.body = body,
		.fields = { origin, "sec-fetch-site: same-origin", OURS } };
	fill_share(&login, 200);
	assert_non_null(strstr(got.head, "retry-after: 1\r\n"));
	usleep(1100000);
	assert_int_equal(ask(&login), 200);
}

/* ---- child processes ---- */

static size_t
drop_body(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

static void
policy_tests_of_one_caller_block_no_search(void **state)
{
	enum { MANY = 24 };
	CURLM *all = curl_multi_init();
	CURL *one[MANY];
	char field[128], url[64], *text;
	int running = MANY, found = 0;
	json_t *body;
	const struct ask search = {
		.door = DOOR_TLS, .path = "/records/search?limit=1", .token = auditor
	};

	(void)state;
	cmd_slurp("p.yaml", cmd_out, sizeof(cmd_out));
	body = json_pack("{s:s}", "policy", cmd_out);
	text = json_dumps(body, 0);
	snprintf(field, sizeof(field), "authorization: Bearer %s", viewer);
	snprintf(url, sizeof(url), "https://localhost:%u/policy/check", tls_port);
	struct curl_slist *fields = curl_slist_append(NULL, field);
	for (int i = 0; i < MANY; i++) {
		one[i] = curl_easy_init();
		curl_easy_setopt(one[i], CURLOPT_URL, url);
		curl_easy_setopt(one[i], CURLOPT_NOPROXY, "*");
		curl_easy_setopt(one[i], CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(one[i], CURLOPT_SSL_VERIFYHOST, 0L);
		curl_easy_setopt(one[i], CURLOPT_HTTPHEADER, fields);
		curl_easy_setopt(one[i], CURLOPT_POSTFIELDS, text);
		curl_easy_setopt(one[i], CURLOPT_WRITEFUNCTION, drop_body);
		curl_multi_add_handle(all, one[i]);
	}
	for (int turn = 0; running; turn++) {
		assert_int_equal(curl_multi_perform(all, &running), CURLM_OK);
		if (turn % 20 == 19 && found < 5) { /* the records exist by then */
			if (ask(&search) != 200)
				fail_msg("%ld %s", got.status, got.body);
			found++;
		}
		curl_multi_wait(all, NULL, 0, 20, NULL);
	}
	assert_true(found > 0);
	long done = 0, refused = 0, status;
	for (int i = 0; i < MANY; i++) {
		curl_easy_getinfo(one[i], CURLINFO_RESPONSE_CODE, &status);
		done += status == 200;
		refused += status == 503;
		curl_multi_remove_handle(all, one[i]);
		curl_easy_cleanup(one[i]);
	}
	assert_true(done >= CAP_CHILDREN_EACH && refused > 0 && done + refused == MANY);
	curl_multi_cleanup(all);
	curl_slist_free_all(fields);
	json_decref(body);
	free(text);
}

/* ---- streams and connections ---- */

/* Opens a connection to the socket that stays open, and returns the status of its request. */
static int
hold(const char *what, const char *token, int *status)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char text[512];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path("admin.sock"));
	assert_int_equal(connect(fd, (void *)&un, sizeof(un)), 0);
	int n = snprintf(text, sizeof(text),
		"GET %s HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer %s\r\n\r\n", what,
		token);
	assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
	ssize_t took = recv(fd, text, sizeof(text) - 1, 0);
	text[took > 0 ? took : 0] = '\0';
	*status = took > 12 ? atoi(text + 9) : 0;
	return fd;
}

static void
one_who_holds_many_leaves_room(
	const char *what, int share, int all, const char *one, const char *other)
{
	int *fd = calloc((size_t)all, sizeof(*fd)), status, held = 0;

	for (int i = 0; i < all; i++) {
		fd[i] = hold(what, one, &status);
		held += status == 200;
		if (status != 200)
			assert_int_equal(status, 503);
	}
	assert_int_equal(held, share);
	int last = hold(what, other, &status);
	assert_int_equal(status, 200);
	close(last);
	for (int i = 0; i < all; i++)
		close(fd[i]);
	free(fd);
}

static void
many_streams_of_one_caller_leave_room(void **state)
{
	(void)state;
	one_who_holds_many_leaves_room(
		"/decisions/live", CAP_VIEWERS_EACH, CAP_DECISION_VIEWERS, auditor, second);
}

static void
many_connections_of_one_caller_leave_room(void **state)
{
	(void)state;
	one_who_holds_many_leaves_room("/status", CAP_ADMIN_CONNS_EACH,
		CAP_ADMIN_CONNS - CAP_ADMIN_CONNS_EACH, viewer, auditor);
}

/* Makes keys of maximal length until their list is much longer than the test reads. */
static void
make_long_keys(void)
{
	const char *const makers[] = { operator_, second, gone };
	json_t *key = json_pack("{s:s,s:[]}", "person", "p", "models");
	const struct ask list = { .door = DOOR_TLS, .path = "/keys", .token = second };
	char model[100];

	for (int i = 0; i < 64; i++) {
		memset(model, 'm', sizeof(model));
		snprintf(model, 4, "%d", 100 + i);
		model[3] = 'm';
		json_array_append_new(
			json_object_get(key, "models"), json_stringn(model, sizeof(model)));
	}
	char *text = json_dumps(key, 0);
	for (int beyond = 0; beyond < 2; beyond += got.err == CURLE_WRITE_ERROR) {
		for (size_t i = 0; i < 3; i++) {
			const struct ask make = { .door = DOOR_TLS,
				.path = "/keys/new",
				.token = makers[i],
				.body = text };
			while (ask(&make) == 200) {
			}
			if (got.status != 429)
				fail_msg("%ld %s", got.status, got.body);
		}
		usleep(500000);
		ask(&list); /* longer than there is room for */
	}
	free(text);
	json_decref(key);
}

static void
caller_who_reads_no_responses_holds_little_memory(void **state)
{
	enum { MANY = CAP_ADMIN_HELD / sizeof(got.body) };
	int fd[MANY], status, held = 0;

	(void)state;
	make_long_keys();
	for (int i = 0; i < MANY; i++) {
		fd[i] = hold("/keys", viewer, &status);
		held += status == 200;
		if (status != 200)
			assert_int_equal(status, 503);
	}
	assert_in_range(held, 8, MANY - 1);
	int last = hold("/keys", auditor, &status);
	assert_int_equal(status, 200);
	close(last);
	for (int i = 0; i < MANY; i++)
		close(fd[i]);
	usleep(200000);
	close(hold("/keys", viewer, &status));
	assert_int_equal(status, 200);
}

/* ---- the parts alone ---- */

static void
share_limits_number_and_bytes(void **state)
{
	struct allowances *s = allowances_new(NULL, NULL);
	struct caller_id a = { { 1 } }, b = { { 2 } };
	const uint64_t s1 = 1000000;
	unsigned taken = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		taken += allowances_take(s, &a, ALLOW_READS, 10, s1) == 0;
	assert_int_equal(taken, 32);
	assert_int_equal(allowances_take(s, &b, ALLOW_READS, 10, s1), 0);
	assert_int_equal(allowances_take(s, &a, ALLOW_CHANGES, 10, s1), 0);
	for (int i = 0; i < 100; i++)
		taken += allowances_take(s, &a, ALLOW_READS, 10, 2 * s1) == 0;
	assert_int_equal(taken, 36);
	/* A long record takes the time of its bytes. */
	assert_int_equal(allowances_take(s, &b, ALLOW_READS, 32 << 10, 9 * s1), 0);
	assert_int_equal(allowances_take(s, &b, ALLOW_READS, 10, 9 * s1), 9);
	assert_int_equal(allowances_take(s, &b, ALLOW_READS, 10, 18 * s1), 0);
	/* With many callers, the one that wrote nothing for the longest time is forgotten. */
	for (unsigned i = 0; i < 3 * CAP_ADMIN_CALLERS; i++) {
		memcpy(b.b + 4, &i, sizeof(i));
		assert_int_equal(allowances_take(s, &b, ALLOW_READS, 10, (100 + i) * s1), 0);
	}
	allowances_free(&s);
}

static long long summed, refusals;
static size_t commands;
static bool last_told;

static int
fails_twice(struct server *s, const struct admin_peer *peer, json_t *after, bool last)
{
	(void)s;
	last_told |= last;
	assert_string_equal(peer->name, "one");
	int err = refusals++ < 2 ? ERR_FULL : 0;
	if (!err) {
		summed += json_integer_value(json_object_get(after, "readings"));
		commands = json_object_size(json_object_get(after, "commands"));
	}
	json_decref(after);
	return err;
}

static void
unrecorded_readings_are_added_to_the_sum(void **state)
{
	struct allowances *s = allowances_new(NULL, fails_twice);
	struct admin_peer peer = { .who = { { 1 } }, .name = "one" };
	char name[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "cmd %c", 'a' + i % 20);
		assert_int_equal(allowances_sum(s, &peer, name, 1), 0);
		if (i % 100 == 0)
			usleep(250000);
	}
	usleep(1200000);
	allowances_free(&s);
	assert_int_equal(summed, 1000);
	assert_false(last_told); /* everything was written before */
	assert_true(refusals >= 3 && refusals < 8);
	assert_true(commands > 0 && commands <= CAP_ADMIN_COMMANDS + 1);
}

int
main(int argc, char **argv)
{
	if (argc > 1) /* the daemon's child process */
		return cmd_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(share_limits_number_and_bytes),
		cmocka_unit_test(unrecorded_readings_are_added_to_the_sum),
		cmocka_unit_test(readings_beyond_a_share_are_summed_and_none_is_lost),
		cmocka_unit_test(changes_beyond_a_share_are_refused_and_others_continue),
		cmocka_unit_test(last_disk_space_is_kept_for_decisions),
		cmocka_unit_test(sessions_beyond_a_share_are_refused),
		cmocka_unit_test(policy_tests_of_one_caller_block_no_search),
		cmocka_unit_test(many_streams_of_one_caller_leave_room),
		cmocka_unit_test(many_connections_of_one_caller_leave_room),
		cmocka_unit_test(caller_who_reads_no_responses_holds_little_memory),
	};

	return cmocka_run_group_tests(tests, start_with_disk, stop);
}

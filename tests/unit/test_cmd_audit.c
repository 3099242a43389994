/* tollgate audit on the command line: its output and exit codes, for journals, files and
 * streams, intact and damaged. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "support/audit_rig.h"
#include "support/calm_fork.h"
#include "support/redis_rig.h"

static struct rig r;
static struct redis_rig redis;
static char out[1 << 20], err[65536];

static void
slurp_into(const char *name, char *to, size_t size)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", r.dir, name);
	struct buf b = rig_slurp(path);
	snprintf(to, size, "%.*s", SPAN_ARG(buf_view(&b)));
	buf_free(&b);
}

/* Runs "audit " with the words of fmt; fills `out` and `err`. */
__attribute__((format(printf, 1, 2))) static int
audit(const char *fmt, ...)
{
	char line[2048], path[256], *argv[32];
	int argc = 0, status;
	va_list ap;

	va_start(ap, fmt);
	int n = snprintf(line, sizeof(line), "audit ");
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	for (char *at = line, *w; argc < 31 && (w = strsep(&at, " "));)
		if (*w)
			argv[argc++] = w;
	argv[argc] = NULL;
	fflush(stdout);
	pid_t pid = calm_fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		snprintf(path, sizeof(path), "%s/out", r.dir);
		if (!freopen(path, "w", stdout))
			_exit(99);
		snprintf(path, sizeof(path), "%s/err", r.dir);
		if (!freopen(path, "w", stderr))
			_exit(99);
		int code = cmd_audit(argc, argv);
		fflush(stdout);
		fflush(stderr);
		_exit(code);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	slurp_into("out", out, sizeof(out));
	slurp_into("err", err, sizeof(err));
	return WEXITSTATUS(status);
}

static int
verify(const char *what)
{
	return audit("verify %s --public-key %s/key.pub", what, r.dir);
}

static const char *
source(const char *option, const char *value)
{
	static char text[512];

	snprintf(text, sizeof(text), "--%s %s", option, value);
	return text;
}

static void
assert_out(const char *begins, const char *holds)
{
	if (strncmp(out, begins, strlen(begins)) != 0 || !strstr(out, holds))
		fail_msg("want \"%s…%s…\", got: %s%s", begins, holds, out, err);
}

static int
setup(void **state)
{
	(void)state;
	rig_init(&r);
	r.cfg.journal_segment_bytes = 3000;
	if (!rig_start(&r))
		return -1;
	for (int i = 0; i < 20; i++) {
		char id[16];
		snprintf(id, sizeof(id), "id-%d", i);
		if (rig_put(&r, id))
			return -1;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	audit_stop(&r.audit);
	redis_rig_stop(&redis);
	rig_free(&r);
	return 0;
}

static void
live_journal_verifies(void **state)
{
	(void)state;
	assert_true(rig_segments(&r) > 2);
	assert_int_equal(verify(source("journal", r.journal)), EXIT_DONE);
	assert_out("ok node=gw-1 source=journal records=21 seq=21 ", " head=");
	assert_null(strstr(out, "unfinished"));
	audit_stop(&r.audit);
	assert_int_equal(verify(source("journal", r.journal)), EXIT_DONE);
	assert_out("ok node=gw-1 source=journal records=22 seq=22 boots=1 ", " time=20");
}

static void
unfinished_commit_is_reported(void **state)
{
	char path[512];

	(void)state;
	audit_stop(&r.audit);
	snprintf(path, sizeof(path), "%s", rig_segment(&r, -1));
	struct buf b = rig_slurp(path);
	rig_spill(path, span_cut(buf_view(&b), 0, b.n - 30));
	buf_free(&b);
	assert_int_equal(verify(source("journal", r.journal)), EXIT_DONE);
	assert_out("ok node=gw-1 source=journal records=21 ",
		"unfinished=\"last commit: 1 records and ");
}

static void
edit(const char *path, const char *from, const char *to)
{
	char keep[512];

	snprintf(keep, sizeof(keep), "%s", path);
	rig_sh("grep -q '%s' '%s' && sed -i 's/%s/%s/' '%s'", from, keep, from, to, keep);
}

static void
damage_is_named_by_its_record(void **state)
{
	char want[128], second[512];
	struct journal_list list;

	(void)state;
	audit_stop(&r.audit);
	assert_int_equal(journal_list(r.journal, "gw-1", &list, &r.why), 0);
	unsigned from = (unsigned)list.seg[1].first;
	journal_list_free(&list);
	snprintf(second, sizeof(second), "%s", rig_segment(&r, 1));
	/* The first record of the second segment: id-K has sequence number K + 2. */
	char id[32], changed[32];
	snprintf(id, sizeof(id), "\"id\":\"id-%u\"", from - 2);
	snprintf(changed, sizeof(changed), "\"id\":\"id-x\"");
	edit(second, id, changed);
	assert_int_equal(verify(source("journal", r.journal)), EXIT_NO);
	snprintf(want, sizeof(want), "seq=%u why=\"changed", from);
	assert_out("bad node=gw-1 source=journal ", want);
	edit(second, changed, id);
	assert_int_equal(verify(source("journal", r.journal)), EXIT_DONE);
	/* A whole segment is missing. */
	rig_sh("mv '%s' '%s/kept'", second, r.dir);
	assert_int_equal(verify(source("journal", r.journal)), EXIT_NO);
	snprintf(want, sizeof(want), "seq=%u why=\"missing", from);
	assert_out("bad node=gw-1 source=journal ", want);
	/* The oldest segment is missing, which is permitted if an option states so. */
	rig_sh("cp '%s/kept' '%s' && rm '%s'", r.dir, second, rig_segment(&r, 0));
	assert_int_equal(verify(source("journal", r.journal)), EXIT_NO);
	assert_out("bad node=gw-1 source=journal seq=1 why=\"missing", "");
	assert_int_equal(audit("verify --journal %s --from %u --public-key %s/key.pub",
				 r.journal, from, r.dir),
		EXIT_DONE);
	snprintf(want, sizeof(want), "trimmed=%u", from - 1);
	assert_out("ok node=gw-1 source=journal ", want);
	assert_int_equal(audit("verify --journal %s --from %u --public-key %s/key.pub",
				 r.journal, from - 1, r.dir),
		EXIT_NO);
	/* An empty journal proves nothing. */
	rig_sh("rm '%s'/*", r.journal);
	assert_int_equal(verify(source("journal", r.journal)), EXIT_NO);
	assert_out("bad ", "no signed record");
}

static void
exported_file_verifies(void **state)
{
	char file[256];

	(void)state;
	audit_stop(&r.audit);
	assert_int_equal(audit("export --journal %s", r.journal), EXIT_DONE);
	struct buf j = rig_text(&r);
	assert_string_equal(out, buf_view(&j).p);
	buf_free(&j);
	snprintf(file, sizeof(file), "%s/export.jsonl", r.dir);
	rig_spill(file, span_str(out));
	assert_int_equal(verify(source("file", file)), EXIT_DONE);
	assert_out("ok node=gw-1 source=file records=22 ", "");
	static const struct {
		const char *name, *sed, *want;
	} rows[] = {
		{ "a record changed", "/\"id\":\"id-7\"/s/permit/deny/",
			"seq=9 why=\"changed" },
		{ "a record missing", "/\"id\":\"id-7\"/d", "seq=9 why=\"missing" },
		{ "a record doubled", "/\"id\":\"id-7\"/p", "seq=9 why=\"doubled" },
		{ "records swapped", "/\"id\":\"id-7\"/{h;d};/\"id\":\"id-8\"/{G}",
			"seq=9 why=\"swapped" },
		{ "the last commit missing", "$d", "seq=22 why=\"unsigned" },
		{ "the last record missing", "/\"type\":\"close\"/d", "seq=22 why=\"missing" },
		{ "junk inserted", "7ijunk", "junk" },
		{ "a signature changed",
			"20{s/\"sig\":\"+/\"sig\":\"A/;t;s/\"sig\":\"./\"sig\":\"+/}",
			"seq=10 why=\"bad signature" },
		{ "a node changed", "/\"id\":\"id-7\"/s/gw-1/gw-2/", "seq=9 why=\"" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_sh("sed '%s' '%s' > '%s/bad.jsonl'", rows[i].sed, file, r.dir);
		int code = audit(
			"verify --file %s/bad.jsonl --public-key %s/key.pub", r.dir, r.dir);
		if (code != EXIT_NO || !strstr(out, rows[i].want))
			fail_msg("%s: exit %d: %s%s", rows[i].name, code, out, err);
	}
	rig_sh("truncate -s -9 '%s'", file);
	assert_int_equal(verify(source("file", file)), EXIT_NO);
	rig_spill(file, SPAN_LIT(""));
	assert_int_equal(verify(source("file", file)), EXIT_NO);
}

/* Names come from callers, and terminals interpret C1 controls and bidirectional marks like
 * escapes. */
static void
json_list_contains_no_control_characters(void **state)
{
	char file[256];

	(void)state;
	audit_stop(&r.audit);
	assert_int_equal(audit("export --journal %s", r.journal), EXIT_DONE);
	snprintf(file, sizeof(file), "%s/export.jsonl", r.dir);
	rig_spill(file, span_str(out));
	rig_sh("sed -i '/\"id\":\"id-7\"/s/{/{\"model\":\"\xc3\xa9\xc2\x9b"
	       "31m\xe2\x80\xae"
	       "\xe2\x81\xa6\x7f\xf3\xa0\x81\x81\",/' '%s'",
		file);
	assert_int_equal(audit("list --json --file %s", file), EXIT_DONE);
	assert_non_null(strstr(out, "{\"model\":\"\xc3\xa9\\u009b31m\\u202e\\u2066\\u007f"
				    "\\udb40\\udc41\","));
	for (const char *c = out; *c; c++)
		assert_true((unsigned char)*c >= ' ' || *c == '\n');
}

/* The file is named once, and its content is not read as records. The chain stays valid. */
static void
foreign_file_in_a_journal_is_named(void **state)
{
	static const char *const names[] = { "README",
		"zz-notes.txt" }; /* first and last in the order of names */

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		rig_sh("echo 'notes of the operator' > '%s/%s'", r.journal, names[i]);
		assert_int_equal(verify(source("journal", r.journal)), EXIT_NO);
		assert_out("ok node=gw-1 source=journal records=21 seq=21 ", "");
		assert_null(strstr(out, "junk"));
		const char *at = strstr(err, names[i]);
		assert_non_null(at);
		assert_null(strstr(at + 1, names[i]));
		assert_int_equal(audit("export --journal %s", r.journal), EXIT_DONE);
		assert_null(strstr(out, "operator"));
		rig_sh("rm '%s/%s'", r.journal, names[i]);
	}
	assert_int_equal(verify(source("journal", r.journal)), EXIT_DONE);
}

static void
keys_and_usage_errors(void **state)
{
	struct pubkey other;
	char key[256];

	(void)state;
	snprintf(key, sizeof(key), "%s/other", r.dir);
	assert_int_equal(signkey_create(key, &other, &r.why), 0);
	assert_int_equal(
		audit("verify --journal %s --public-key %s.pub", r.journal, key), EXIT_NO);
	assert_out("bad node=gw-1 source=journal seq=1 why=\"wrong key", "");
	assert_int_equal(
		audit("verify --journal %s --public-key %s.pub --public-key %s/key.pub",
			r.journal, key, r.dir),
		EXIT_DONE);
	assert_int_equal(
		audit("verify --journal %s --public-key %s.none", r.journal, key), EXIT_CANNOT);
	assert_int_equal(
		audit("verify --journal %s/none --public-key %s.pub", r.dir, key), EXIT_CANNOT);
	assert_int_equal(
		audit("verify --file %s/none --public-key %s.pub", r.dir, key), EXIT_CANNOT);
	assert_int_equal(audit("verify --redis unix:%s/none --public-key %s.pub", r.dir, key),
		EXIT_CANNOT);
	assert_int_equal(
		audit("verify --redis nonsense --public-key %s.pub", key), EXIT_CANNOT);
	assert_int_equal(
		audit("verify --journal %s --from 0 --public-key %s.pub", r.journal, key),
		EXIT_CANNOT);
	assert_int_equal(
		audit("verify --journal %s -c %s/none.yaml", r.journal, r.dir), EXIT_CANNOT);
	assert_int_equal(audit("verify --what"), EXIT_CANNOT);
	assert_int_equal(audit("verify extra --journal %s --public-key %s.pub", r.journal, key),
		EXIT_CANNOT);
	assert_int_equal(audit("frobnicate"), EXIT_CANNOT);
	assert_int_equal(audit("%s", ""), EXIT_CANNOT);
	assert_int_equal(audit("show --journal %s", r.journal), EXIT_CANNOT);
}

static void
configuration_supplies_missing_options(void **state)
{
	char yaml[1024], path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/tollgate.yaml", r.dir);
	snprintf(yaml, sizeof(yaml),
		"agent: {listen: [unix@%s/agent.sock]}\npolicy: %s/policy.yaml\naudit: "
		"{journal: journal, key: key}\n",
		r.dir, r.dir);
	rig_spill(path, span_str(yaml));
	if (audit("verify -c %s", path) != EXIT_DONE)
		fail_msg("%s%s", out, err);
	assert_out("ok node=gw-1 source=journal records=21 ", "");
	assert_int_equal(audit("show id-3 -c %s", path), EXIT_DONE);
	assert_int_equal(audit("export -c %s", path), EXIT_DONE);
}

static void
show_prints_each_record_of_an_id(void **state)
{
	(void)state;
	assert_int_equal(rig_put(&r, "id-3"), 0);
	assert_int_equal(rig_put(&r, "not-id-3"), 0);
	assert_int_equal(audit("show id-3 --journal %s", r.journal), EXIT_DONE);
	json_t *j = json_loads(out, 0, NULL);
	assert_true(json_is_array(j));
	assert_int_equal(json_array_size(j), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(j, i), "id")), "id-3");
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(j, i), "type")),
			"decision");
	}
	assert_int_equal(json_integer_value(json_object_get(json_array_get(j, 0), "seq")), 5);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(j, 1), "seq")), 22);
	json_decref(j);
	assert_non_null(strstr(out, "\n    \"seq\": 5,\n"));
	assert_int_equal(audit("show id-99 --journal %s", r.journal), EXIT_NO);
	assert_string_equal(out, "");
	assert_non_null(strstr(err, "id-99"));
}

static void
stream_and_journal_are_verified_together(void **state)
{
	(void)state;
	if (!redis_rig_installed()) {
		print_message("SKIPPED: redis-server is not installed\n");
		skip();
	}
	redis_rig_start(&redis, r.dir);
	audit_stop(&r.audit);
	r.cfg.redis_url = redis.url;
	r.cfg.audit_stream = true;
	assert_true(rig_start(&r));
	audit_stop(&r.audit);
	assert_int_equal(verify(source("redis", redis.url)), EXIT_DONE);
	assert_out("ok node=gw-1 source=stream records=24 seq=24 boots=2 ", "");
	assert_int_equal(audit("verify --redis %s --journal %s --public-key %s/key.pub",
				 redis.url, r.journal, r.dir),
		EXIT_DONE);
	assert_out("ok node=gw-1 source=stream records=24 ",
		"\nok node=gw-1 source=journal records=24 ");
	assert_int_equal(audit("export --redis %s", redis.url), EXIT_DONE);
	struct buf j = rig_text(&r);
	assert_string_equal(out, buf_view(&j).p);
	buf_free(&j);
	assert_int_equal(audit("show id-3 --redis %s", redis.url), EXIT_DONE);

	/* A stream that lags, and one that was trimmed. */
	assert_int_equal(redis_rig_do(&redis, "COPY tollgate:audit:gw-1 lags"), 1);
	assert_true(rig_start(&r));
	audit_stop(&r.audit);
	assert_int_equal(redis_rig_do(&redis, "COPY tollgate:audit:gw-1 keep"), 1);
	redis_rig_do(&redis, "RENAME lags tollgate:audit:gw-1");
	redis_rig_do(&redis, "XTRIM tollgate:audit:gw-1 MAXLEN 10");
	assert_int_equal(audit("verify --redis %s --journal %s --public-key %s/key.pub",
				 redis.url, r.journal, r.dir),
		EXIT_DONE);
	assert_out("ok node=gw-1 source=stream records=10 seq=24 ", "trimmed=14");
	assert_non_null(strstr(out, "ok node=gw-1 source=journal records=26 "));

	/* The end of the stream was deleted: its commits still verify, but Redis knows the last
	 * id. */
	redis_rig_do(&redis, "XDEL tollgate:audit:gw-1 2-24");
	assert_int_equal(verify(source("redis", redis.url)), EXIT_NO);
	assert_out("bad node=gw-1 source=stream seq=24 why=\"missing: the stream had entries", "");

	/* An entry is missing in the middle, an id differs from its record's, and an unknown
	 * entry was added. */
	redis_rig_do(&redis, "XDEL tollgate:audit:gw-1 1-18");
	assert_int_equal(verify(source("redis", redis.url)), EXIT_NO);
	assert_out("bad node=gw-1 source=stream seq=18 why=\"missing", "");
	assert_int_equal(redis_rig_do(&redis, "COPY keep keep2"), 1);
	redis_rig_do(&redis, "RENAME keep tollgate:audit:gw-1");
	redis_rig_do(&redis, "XADD tollgate:audit:gw-1 3-27 x y");
	assert_int_equal(verify(source("redis", redis.url)), EXIT_NO);
	assert_out("bad node=gw-1 source=stream seq=27 why=\"junk: entry 3-27 of the stream "
		   "has no record",
		"");
	redis_rig_do(&redis, "DEL tollgate:audit:gw-1");
	assert_int_equal(redis_rig_do(&redis, "COPY keep2 tollgate:audit:gw-1"), 1);
	assert_int_equal(verify(source("redis", redis.url)), EXIT_DONE);

	/* The journal was cut after a commit, which only the stream shows. */
	char path[512];
	snprintf(path, sizeof(path), "%s", rig_segment(&r, -1));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(verify(source("journal", r.journal)), EXIT_DONE);
	assert_int_equal(audit("verify --redis %s --journal %s --public-key %s/key.pub",
				 redis.url, r.journal, r.dir),
		EXIT_NO);
	assert_non_null(
		strstr(out, "bad node=gw-1 source=journal,stream seq=25 why=\"missing"));

	/* A second node, and no data at all. */
	redis_rig_do(&redis, "COPY tollgate:audit:gw-1 tollgate:audit:gw-2");
	assert_int_equal(verify(source("redis", redis.url)), EXIT_NO);
	assert_non_null(strstr(out, "ok node=gw-1"));
	assert_non_null(strstr(out, "bad node=gw-2 source=stream seq=1 why=\"changed"));
	redis_rig_do(&redis, "FLUSHALL");
	assert_int_equal(verify(source("redis", redis.url)), EXIT_NO);
}

/* Both histories are signed and complete, and they differ. */
static void
two_different_histories_are_detected(void **state)
{
	(void)state;
	if (!redis_rig_installed()) {
		print_message("SKIPPED: redis-server is not installed\n");
		skip();
	}
	redis_rig_start(&redis, r.dir);
	audit_stop(&r.audit);
	rig_sh("cp -r '%s' '%s/first' && rm '%s'/* '%s.head'", r.journal, r.dir, r.journal,
		r.journal);
	r.cfg.redis_url = redis.url;
	r.cfg.audit_stream = true;
	assert_true(rig_start(&r));
	assert_int_equal(rig_put(&r, "id-0"), 0);
	audit_stop(&r.audit);
	assert_int_equal(audit("verify --redis %s --journal %s/first --public-key %s/key.pub",
				 redis.url, r.dir, r.dir),
		EXIT_NO);
	assert_non_null(strstr(out, "bad node=gw-1 source=journal,stream seq=1 why=\"changed"));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(live_journal_verifies),
		T(unfinished_commit_is_reported),
		T(damage_is_named_by_its_record),
		T(exported_file_verifies),
		T(json_list_contains_no_control_characters),
		T(foreign_file_in_a_journal_is_named),
		T(keys_and_usage_errors),
		T(configuration_supplies_missing_options),
		T(show_prints_each_record_of_an_id),
		T(stream_and_journal_are_verified_together),
		T(two_different_histories_are_detected),
	};
	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

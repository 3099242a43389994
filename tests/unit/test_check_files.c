/* tollgate check: permissions of the files that contain keys, for the daemon and for others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "policy/config/config.h"
#include "support/run_cmd.h"

/* The arguments end with NULL. */
#define check(...) tollgate("", "check", __VA_ARGS__)

#define CONFIG "policy: p.yaml\nbackends: [openai, local]\nagent: {listen: unix@/a}\n"
#define RELAY  "relay: {listen: unix@/r, egress: unix@/e}\n"
#define POLICY                                                                                 \
	"tollgate: 1\nname: t\n"                                                               \
	"providers: {own: {backend: openai, external: false}}\n"                               \
	"routes: [{name: chat, match: {path: /v1/chat/completions}, targets: own}]\n"

/* The user `nobody` stands for the daemon's user, which this machine may lack. */
static void
file_unreadable_for_the_daemon_is_reported_with_its_fix(void **state)
{
	static const struct {
		mode_t folder, file;
		const char *fix; /* NULL: the file can be read */
	} rows[] = {
		{ 0755, 0644, NULL },
		{ 0755, 0640, "chgrp nobody " },
		{ 0755, 0600, "chown nobody " },
		{ 0750, 0644, "&& chmod g+rx " },
		{ 0711, 0604, NULL },
	};
	char fix[CMD_FIX_BYTES];

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(mkdir(path("d"), 0755) == 0 && chmod(path("."), 0755) == 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put("d/f", "x");
		assert_int_equal(chmod(path("d"), rows[i].folder), 0);
		assert_int_equal(chmod(path("d/f"), rows[i].file), 0);
		bool kept = cmd_user_cannot("nobody", path("d/f"), 04, fix, sizeof(fix));
		if (kept != !!rows[i].fix || (kept && !strstr(fix, rows[i].fix)))
			fail_msg("%o %o: %s", rows[i].folder, rows[i].file, kept ? fix : "");
		assert_false(cmd_user_cannot("root", path("d/f"), 04, fix, sizeof(fix)));
	}
	assert_false(cmd_user_cannot("nobody", path("d/g"), 04, fix, sizeof(fix)));
	assert_int_equal(unlink(path("d/f")) | rmdir(path("d")) | chmod(path("."), 0700), 0);
}

/* Writes a signing key into a file of the test's folder. */
static void
put_key(const char *file)
{
	char pub[64];

	snprintf(pub, sizeof(pub), "%s.pub", file);
	unlink(path(file));
	unlink(path(pub));
	assert_int_equal(tollgate("", "keygen", path(file), NULL), 0);
	unlink(path(pub));
}

/* The same checks as in `tollgate serve`. */
static void
key_and_state_files_must_be_private(void **state)
{
	static const struct {
		const char *config, *file, *said;
	} rows[] = {
		{ "audit: {journal: j, key: a.pem}\n", "a.pem", ":5:26: audit.key: " },
		{ "state_key: k.yaml\nstate_file: s\n", "s", ":6:13: state_file: " },
		{ "state_key: k.yaml\naudit: {journal: j, key: a.pem}\n", "j.live",
			":5:12: state_file: " },
	};
	char text[300];

	(void)state;
	put("p.yaml", POLICY);
	put("k.yaml", "0123456789abcdef0123456789abcdef\n");
	assert_int_equal(chmod(path("k.yaml"), 0600), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", CONFIG RELAY, rows[i].config);
		put("c.yaml", text);
		put(rows[i].file, "");
		put_key("a.pem");
		for (unsigned bit = 1; bit < 0100; bit <<= 1) {
			assert_int_equal(chmod(path(rows[i].file), 0600 | bit), 0);
			assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
			if (!strstr(cmd_err, rows[i].said) ||
				!strstr(cmd_err, "its mode is 06"))
				fail_msg("%s: %s", rows[i].file, cmd_err);
		}
		assert_int_equal(chmod(path(rows[i].file), 0600), 0);
		assert_int_equal(check("-c", path("c.yaml"), NULL), 0);
		unlink(path(rows[i].file));
	}
	unlink(path("k.yaml"));
}

static void
redis_password_must_be_readable(void **state)
{
	char want[300];

	(void)state;
	put("p.yaml", POLICY);
	put("c.yaml", CONFIG RELAY "redis: {url: 'redis://127.0.0.1', password_file: pw}\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	snprintf(want, sizeof(want), "%s:5:", path("c.yaml"));
	assert_memory_equal(cmd_err, want, strlen(want));
	assert_non_null(strstr(cmd_err, "redis.password_file: "));
	put("pw", "secret\n");
	assert_int_equal(chmod(path("pw"), 0644), 0);
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_err, "mode is 0644"));
	assert_int_equal(chmod(path("pw"), 0600), 0);
	assert_int_equal(check("-c", path("c.yaml"), NULL), 0);
	assert_null(strstr(cmd_out, "secret"));
	put("c.yaml", CONFIG RELAY
		"redis: {url: 'redis+sentinel://127.0.0.1/m', sentinel_password_file: none}\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_err, "redis.sentinel_password_file: "));
	unlink(path("pw"));
}

static void
missing_file_that_serve_needs_is_an_error(void **state)
{
	char want[256];

	(void)state;
	put("p.yaml", POLICY);
	put("c.yaml",
		CONFIG RELAY "group: nobodys-group\naudit: {journal: j, key: no-audit.key}\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_err, ": group: this machine has no group nobodys-group: "));
	snprintf(want, sizeof(want),
		": audit.key: %s does not exist (tollgate keygen makes it): tollgate serve "
		"does not start",
		path("no-audit.key"));
	assert_non_null(strstr(cmd_err, want));
	assert_int_equal(check("-c", path("c.yaml"), "--policy", path("p.yaml"), NULL), 0);
	assert_non_null(strstr(cmd_out, want));
	put_key("no-audit.key");
	put("c.yaml", CONFIG RELAY "group: root\naudit: {journal: j, key: no-audit.key}\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 0);
	assert_null(strstr(cmd_out, "group: "));
	assert_null(strstr(cmd_out, "audit.key"));
	unlink(path("no-audit.key"));
}

static void
haproxy_files_may_be_checked_alone(void **state)
{
	char file[4096];
	const char *installed = config_installed;

	(void)state;
	snprintf(file, sizeof(file), "%s", path("no-such.yaml"));
	config_installed = file;
	assert_int_equal(check("--haproxy", "haproxy/haproxy.cfg", "haproxy/tollgate.cfg",
				 "--haproxy-version", "2.6.12", NULL),
		2);
	assert_non_null(strstr(cmd_err, "no tollgate.yaml here"));
	assert_non_null(strstr(cmd_err, "--haproxy-only"));
	assert_int_equal(check("--haproxy-only", "--policy", path("p.yaml"), NULL), 2);
	config_installed = installed;
	put("c.yaml", "policy: gone.yaml\nagent: {listen: unix@/a}\n" RELAY);
	assert_int_not_equal(
		check("-c", path("c.yaml"), "--haproxy", "haproxy/haproxy.cfg",
			"haproxy/tollgate.cfg", "--haproxy-version", "2.6.12", NULL),
		0);
	assert_non_null(strstr(cmd_err, "gone.yaml"));
}

static void
redis_that_does_not_answer_is_reported(void **state)
{
	(void)state;
	put("p.yaml", POLICY "limits: [{name: l, requests: 5, window: 1m}]\n");
	put("c.yaml", CONFIG RELAY "redis: {url: 'redis://127.0.0.1:1'}\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_err, "c.yaml:"));
	assert_non_null(strstr(cmd_err, "redis.url: "));
	assert_non_null(strstr(cmd_err, "gets 503"));
	put("p.yaml", POLICY "limits: [{name: l, requests: 5, window: 1m}]\n"
			     "on_failure: {quota: permit}\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 0);
	assert_non_null(strstr(cmd_out, "redis.url: "));
	put("p.yaml", POLICY);
	assert_int_equal(check("-c", path("c.yaml"), NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_file_that_serve_needs_is_an_error),
		cmocka_unit_test(haproxy_files_may_be_checked_alone),
		cmocka_unit_test(redis_that_does_not_answer_is_reported),
		cmocka_unit_test(file_unreadable_for_the_daemon_is_reported_with_its_fix),
		cmocka_unit_test(key_and_state_files_must_be_private),
		cmocka_unit_test(redis_password_must_be_readable),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}

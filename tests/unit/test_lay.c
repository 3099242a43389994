/* init: the choices it asks for, what it lays where, the difference as patch(1) reads it, and
 * that twice is once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "edge/lay.h"
#include "support/run_cmd.h"

#define SITE                                                                                   \
	"global\n    user haproxy\ndefaults\n    mode http\n    timeout server 50s\n"          \
	"frontend web\n    bind :80\n    bind :443\n    http-request set-header x-a b\n"       \
	"    use_backend two if { path_beg /v1/messages }\n    default_backend one\n"

/* Files, what is said, and what of the choices is asked; "": nothing. */
static const struct {
	const char *name, *text, *frontend, *host, *backend, *dialect, *asks;
} choices[] = {
	{ "one frontend and known providers need a host alone",
		SITE "backend one\n server a api.openai.com:443\n http-request set-header "
		     "authorization x\nbackend two\n server a api.anthropic.com:443\n "
		     "http-request set-header x-api-key x\n",
		NULL, "ai.example.com", NULL, NULL, "" },
	{ "the host is asked for", SITE "backend one\n http-request set-header api-key x\n",
		NULL, NULL, "one", "openai", "--host NAME" },
	{ "the one host of the frontend's ACLs is it",
		"defaults\n mode http\nfrontend web\n bind :80\n acl ai hdr(host) -i "
		"ai.corp.com\nbackend one\n",
		NULL, NULL, "one", "openai", "" },
	{ "two hosts are a choice",
		"defaults\n mode http\nfrontend web\n bind :80\n acl ai hdr(host) -i a.com "
		"b.com\nbackend one\n",
		NULL, NULL, "one", "openai", "    --host b.com\n" },
	{ "two frontends are a choice",
		"defaults\n mode http\nfrontend web\n bind :80\nfrontend api\n bind "
		":81\nbackend "
		"one\n",
		NULL, "h", "one", "openai", "    --frontend web\n    --frontend api\n" },
	{ "a frontend that is not there",
		"defaults\n mode http\nfrontend web\n bind :80\nbackend one\n", "ap", "h",
		"one", "openai", "--frontend ap: there is none" },
	{ "one that speaks no HTTP is none", "frontend web\n bind :80\nbackend one\n", NULL,
		"h", "one", "openai", "no frontend speaks HTTP" },
	{ "a credential whose dialect is not clear",
		SITE "backend one\n http-request set-header authorization x\n server a :1\n",
		NULL, "h", NULL, NULL,
		"--backend one=DIALECT: it holds a credential (line 13)" },
	{ "no credential at all", SITE "backend one\n server a :1\n", NULL, "h", NULL, NULL,
		"    --backend one=openai\n" },
	{ "a backend that is not there", SITE "backend one\n server a :1\n", NULL, "h", "onee",
		"openai", "--backend onee: HAProxy's files have none" },
};

static void
what_is_not_clear_is_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(choices); i++) {
		struct lay_wish wish = { .frontend = choices[i].frontend,
			.host = choices[i].host,
			.nbackend = choices[i].backend != NULL };
		struct haproxy h;
		struct lay l;
		wish.backend[0] =
			(struct lay_backend){ choices[i].backend, choices[i].dialect, NULL };
		haproxy_init(&h);
		assert_int_equal(haproxy_read_text(&h, "h.cfg", span_str(choices[i].text)), 0);
		haproxy_resolve(&h);
		lay_choose(&l, &h, &wish, &h.arena);
		buf_putc(&l.choices, 0);
		if (*choices[i].asks ? !strstr(l.choices.p, choices[i].asks) : *l.choices.p)
			fail_msg("%s: %s", choices[i].name, l.choices.p);
		lay_free(&l);
		haproxy_free(&h);
	}
}

static void
put_tree(const char *haproxy, const char *extraopts)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "rm -rf %s/etc && mkdir -p %s/etc/haproxy %s/etc/default",
		dir, dir, dir);
	assert_int_equal(system(cmd), 0);
	put("etc/haproxy/haproxy.cfg", haproxy);
	if (extraopts)
		put("etc/default/haproxy", extraopts);
}

#define PROVIDERS                                                                              \
	"backend one\n    http-request set-header authorization \"Bearer x\"\n"                \
	"    server a api.openai.com:443\nbackend two\n    http-request set-header x-api-key " \
	"x\n    server a api.anthropic.com:443\nbackend site\n    server a :1\n"

#define INIT(...)                                                                              \
	tollgate("", "init", "--root", dir, "--haproxy-binary", "/bin/true", __VA_ARGS__, NULL)

static char *
whole(const char *name)
{
	static char text[3][1 << 16];
	static unsigned turn;
	char *p = text[turn++ % 3];

	cmd_slurp(name, p, sizeof(text[0]));
	return p;
}

static void
nothing_is_written_without_being_asked(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS, "# none\n");
	assert_int_equal(INIT("--host", "ai.example.com"), 0);
	assert_non_null(strstr(cmd_out, "create /etc/tollgate/tollgate.yaml\n"));
	assert_non_null(strstr(
		cmd_out, "+    acl tollgate req.hdr(host),host_only -i ai.example.com\n"));
	assert_non_null(strstr(cmd_out, "Nothing was written."));
	assert_string_equal(whole("etc/haproxy/haproxy.cfg"), SITE PROVIDERS);
	assert_int_not_equal(access(path("etc/tollgate"), F_OK), 0);
	assert_int_not_equal(access(path("etc/haproxy/tollgate"), F_OK), 0);
	assert_string_equal(whole("etc/default/haproxy"), "# none\n");
}

static void
the_difference_is_what_patch_reads(void **state)
{
	char cmd[512];

	(void)state;
	put_tree(SITE PROVIDERS, "EXTRAOPTS=\"-S /run/m.sock\" \n");
	assert_int_equal(INIT("--host", "ai.example.com"), 0);
	put("difference", strstr(cmd_out, "--- "));
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	snprintf(cmd, sizeof(cmd),
		"cd %s && mkdir p && cp etc/haproxy/haproxy.cfg.before-tollgate p/haproxy.cfg "
		"&& "
		"cp etc/default/haproxy.before-tollgate p/haproxy && "
		"sed -n '1,/^--- .*default/p' difference | sed '$d' | patch -s p/haproxy.cfg "
		"&& "
		"sed -n '/^--- .*default/,/^$/p' difference | sed '$d' | patch -s p/haproxy && "
		"cmp p/haproxy.cfg etc/haproxy/haproxy.cfg && cmp p/haproxy "
		"etc/default/haproxy && "
		"rm -r p",
		dir);
	assert_int_equal(system(cmd), 0);
	assert_string_equal(whole("etc/default/haproxy"),
		"EXTRAOPTS=\"-S /run/m.sock -f /etc/haproxy/tollgate/tollgate.cfg\"\n");
}

static void
what_is_laid_is_what_check_wants_and_twice_is_once(void **state)
{
	struct stat st;

	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--person", "alice", "--write"), 0);
	assert_non_null(strstr(cmd_out, "\ntg_"));
	assert_non_null(strstr(cmd_err, " of alice is in "));
	assert_int_equal(tollgate("", "check", "--haproxy", path("etc/haproxy/haproxy.cfg"),
				 path("etc/haproxy/tollgate/tollgate.cfg"), "--haproxy-version",
				 "2.6.12", NULL),
		0);
	assert_string_equal(cmd_err, "");
	assert_non_null(
		strstr(whole("etc/tollgate/tollgate.yaml"), "\nbackends: [one, two]\n"));
	assert_non_null(strstr(whole("etc/tollgate/default.yaml"),
		"\n  two: {backend: two, dialect: anthropic, external: true}\n"));
	assert_int_equal(
		tollgate("", "check", "-c", path("etc/tollgate/tollgate.yaml"), NULL), 0);
	assert_int_equal(stat(path("etc/tollgate/audit.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	put("first", whole("etc/haproxy/haproxy.cfg"));
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
	assert_null(strstr(cmd_out, "tg_"));
	assert_string_equal(whole("first"), whole("etc/haproxy/haproxy.cfg"));
	assert_string_equal(whole("etc/haproxy/haproxy.cfg.before-tollgate"), SITE PROVIDERS);
}

static void
a_guard_that_was_forgotten_is_laid(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	FILE *f = fopen(path("etc/haproxy/haproxy.cfg"), "a");
	assert_non_null(f);
	fputs("backend late\n    http-request set-header api-key x\n", f);
	fclose(f);
	assert_int_equal(INIT("--backend", "one=openai"), 0);
	assert_non_null(strstr(cmd_out, " backend late\n+    http-request return status 503"));
	assert_null(strstr(cmd_out, "+    filter spoe"));
}

/* Backends with a key, all of them OpenAI's by their servers. */
static void
put_many(unsigned n)
{
	struct buf text;

	buf_init(&text, 0);
	buf_str(&text, SITE);
	for (unsigned i = 0; i < n; i++)
		buf_printf(&text,
			"backend many%u\n    http-request set-header x-api-key k\n"
			"    server a api.openai.com:443\n",
			i);
	buf_putc(&text, 0);
	put_tree(text.p, NULL);
	buf_free(&text);
}

static void
hundreds_of_backends_each_get_their_guard(void **state)
{
	unsigned guards = 0;

	(void)state;
	put_many(400);
	assert_int_equal(INIT("--host", "ai.example.com", "--backend", "many1=openai"), 0);
	for (const char *p = cmd_out; (p = strstr(p, "did not pass the gate")); p++)
		guards++;
	assert_int_equal(guards, 400);
	assert_non_null(strstr(cmd_out, "+EXTRAOPTS="));
	assert_int_equal(INIT("--host", "ai.example.com"), 2);
	assert_non_null(strstr(cmd_err, "more than 64 backends hold a credential"));
	assert_null(strstr(strstr(cmd_err, "more than") + 1, "more than"));
	assert_int_equal(INIT("--host", "ai.example.com", "--backend", "many1=openai",
				 "--backend", "many1=rest"),
		2);
	assert_non_null(strstr(cmd_err, "--backend many1: named twice"));
}

static void
a_link_stays_one(void **state)
{
	struct stat st;

	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(
		rename(path("etc/haproxy/haproxy.cfg"), path("etc/haproxy/real.cfg")), 0);
	assert_int_equal(symlink("real.cfg", path("etc/haproxy/haproxy.cfg")), 0);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_int_equal(lstat(path("etc/haproxy/haproxy.cfg"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_non_null(strstr(whole("etc/haproxy/real.cfg"), "filter spoe engine tollgate"));
}

static void
lines_without_an_end_and_with_two_are_read(void **state)
{
	static const char dos[] =
		"defaults\r\n mode http\r\nfrontend web\r\n bind :80\r\n default_backend "
		"one\r\nbackend one\r\n http-request set-header api-key x\r\n server a :1";

	(void)state;
	put_tree(dos, "EXTRAOPTS='-de -m 16'");
	assert_int_equal(
		INIT("--host", "ai.example.com", "--backend", "one=openai", "--write"), 0);
	assert_non_null(strstr(whole("etc/haproxy/haproxy.cfg"), "\n server a :1\n"));
	assert_string_equal(whole("etc/default/haproxy"),
		"EXTRAOPTS=\"-de -m 16 -f /etc/haproxy/tollgate/tollgate.cfg\"\n");
	assert_int_equal(INIT("--host", "ai.example.com", "--backend", "one=openai"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
}

static void
what_haproxy_refuses_is_not_written(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(tollgate("", "init", "--root", dir, "--haproxy-binary", "/bin/false",
				 "--host", "ai.example.com", "--write", NULL),
		1);
	assert_non_null(strstr(cmd_err, "haproxy -c refuses the result, nothing was written"));
	assert_string_equal(whole("etc/haproxy/haproxy.cfg"), SITE PROVIDERS);
	assert_int_not_equal(access(path("etc/tollgate"), F_OK), 0);
	assert_int_equal(INIT("--host", "h", "--backend", "one=klingon"), 2);
	assert_int_equal(INIT("--haproxy", "/etc/none.cfg", "--host", "h"), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_clear_is_asked),
		cmocka_unit_test(nothing_is_written_without_being_asked),
		cmocka_unit_test(the_difference_is_what_patch_reads),
		cmocka_unit_test(what_is_laid_is_what_check_wants_and_twice_is_once),
		cmocka_unit_test(a_guard_that_was_forgotten_is_laid),
		cmocka_unit_test(hundreds_of_backends_each_get_their_guard),
		cmocka_unit_test(a_link_stays_one),
		cmocka_unit_test(lines_without_an_end_and_with_two_are_read),
		cmocka_unit_test(what_haproxy_refuses_is_not_written),
	};

	return cmocka_run_group_tests_name("lay", tests, temp_dir_make, temp_dir_remove);
}

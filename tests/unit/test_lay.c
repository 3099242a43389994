/* tollgate init: the choices that it asks for, the lines and their places, the difference as
 * patch(1) reads it, and that a second run changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "operator/edge/lay.h"
#include "operator/edge/shipped.h"
#include "support/lay_rig.h"

/* Files and given options, and the choices that init asks for; "": none. */
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
	{ "a host with a port", SITE "backend one\n http-request set-header api-key x\n", NULL,
		"a.example.com:8080", "one", "openai",
		"--host a.example.com:8080: use a host name" },
	{ "a host with a dot at its end, which the ACL trims",
		SITE "backend one\n http-request set-header api-key x\n", NULL,
		"a.example.com.", "one", "openai", "--host a.example.com.: use a host name" },
	{ "no host at all", SITE "backend one\n http-request set-header api-key x\n", NULL, "",
		"one", "openai", "use a host name without a port" },
	{ "a name that tollgate does not take",
		SITE "backend a:b\n http-request set-header api-key x\n", NULL, "h", "a:b",
		"openai", "--backend a:b: tollgate accepts names of" },
	{ "hosts of a file are not known",
		"defaults\n mode http\nfrontend web\n bind :80\n acl x hdr(host) -f /h.lst\n "
		"acl "
		"y hdr(host) -m end .b.com\n acl ai hdr(host) -i ai.corp.com\nbackend one\n",
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
	{ "of two, one that answers all by itself is none to lay",
		"defaults\n mode http\nfrontend web\n bind :80\n redirect scheme https if "
		"!{ ssl_fc }\nbackend one\n",
		"web", "h", "one", "openai",
		"h.cfg:5: this line answers every request of its frontend" },
	{ "a frontend that is not there",
		"defaults\n mode http\nfrontend web\n bind :80\nbackend one\n", "ap", "h",
		"one", "openai", "--frontend ap: no such frontend" },
	{ "one that speaks no HTTP is none", "frontend web\n bind :80\nbackend one\n", NULL,
		"h", "one", "openai", "no frontend speaks HTTP" },
	{ "a credential whose dialect is not clear",
		SITE "backend one\n http-request set-header authorization x\n server a :1\n",
		NULL, "h", NULL, NULL,
		"--backend one=DIALECT: this backend holds a credential (line 13)" },
	{ "no credential at all", SITE "backend one\n server a :1\n", NULL, "h", NULL, NULL,
		"    --backend one=openai\n" },
	{ "a listen may be one, the gate not",
		"defaults\n mode http\nfrontend web\n bind :80\nlisten own\n bind :81\n server "
		"a "
		":1\n",
		"web", "h", NULL, NULL, "    --backend own=openai\n" },
	{ "no backend that leads anywhere",
		"defaults\n mode http\nfrontend web\n bind :80\nbackend table\n stick-table "
		"type ip size 1\n",
		NULL, "h", NULL, NULL, "no backend has a server" },
	{ "a backend that is not there", SITE "backend one\n server a :1\n", NULL, "h", "onee",
		"openai", "--backend onee: HAProxy's files have no such backend" },
};

static void
unclear_choices_are_asked_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(choices); i++) {
		struct lay_wish wish = { .frontend = { choices[i].frontend },
			.nfrontend = choices[i].frontend != NULL,
			.host = { choices[i].host },
			.nhost = choices[i].host != NULL,
			.close_others = true,
			.nbackend = choices[i].backend != NULL };
		struct haproxy h;
		struct lay l;
		wish.backend[0] =
			(struct lay_backend){ .name = choices[i].backend, .dialect = choices[i].dialect };
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

#define HOSTS "global\n    group haproxy\ndefaults\n    mode http\nfrontend web\n    bind :80\n"
#define ONE "backend one\n    http-request set-header authorization \"Bearer x\"\n    server a api.openai.com:443\n"

/* Other hosts and frontends that lead to a backend which gets the guard, and the questions of
 * init about them; "": none. */
static const struct {
	const char *name, *text, *hosts[2], *frontends[2], *asks, *silent;
} others[] = {
	{ "the host alone",
		HOSTS "    use_backend one if { req.hdr(host) -i ai.example.com }\n" ONE,
		{ "ai.example.com" }, { NULL }, "", "" },
	{ "another host by an ACL",
		HOSTS "    acl b hdr(host) -i b.example.com\n    use_backend one if b\n" ONE,
		{ "ai.example.com" }, { NULL },
		"    --host b.example.com    (/etc/haproxy/haproxy.cfg:8: to backend one)\n", "" },
	{ "both are said",
		HOSTS "    acl b hdr(host) -i b.example.com ai.example.com\n    use_backend one if b\n" ONE,
		{ "ai.example.com", "b.example.com" }, { NULL }, "", "" },
	{ "all below a name",
		HOSTS "    use_backend one if { hdr(host) -i b.ai.example.com }\n" ONE,
		{ "*.ai.example.com" }, { NULL }, "", "" },
	{ "hosts of either part",
		HOSTS "    use_backend one if { hdr(host) -i a.com } or { hdr(host) -i b.com } { path_beg /v1 }\n" ONE,
		{ "a.com" }, { NULL }, "    --host b.com ", "other hosts" },
	{ "whatever the host", HOSTS "    use_backend one if { path_beg /v1 }\n" ONE,
		{ "ai.example.com" }, { NULL },
		"    /etc/haproxy/haproxy.cfg:7: other hosts of frontend web, which this line "
		"sends to backend one\n",
		"" },
	{ "by default", HOSTS "    default_backend one\n" ONE, { "ai.example.com" }, { NULL },
		":7: other hosts of frontend web", "" },
	{ "by a map",
		HOSTS "    use_backend %[req.hdr(host),lower,map(tests/data/judge/hosts.map,site)]\n" ONE,
		{ "ai.example.com" }, { NULL }, "    --host chat.example.com ", "other hosts" },
	{ "another frontend",
		HOSTS "frontend api\n    bind :81\n    default_backend one\n" ONE,
		{ "ai.example.com" }, { "web" },
		"    --frontend api    (/etc/haproxy/haproxy.cfg:9: to backend one)\n", "" },
	{ "one that redirects all of it",
		HOSTS "frontend plain\n    bind :81\n    acl acme path_beg "
		      "/.well-known/acme-challenge/\n    http-request redirect scheme https unless "
		      "acme\n    default_backend one\n" ONE,
		{ "ai.example.com" }, { "web" }, "", "" },
	{ "a backend that gets no guard",
		HOSTS "    default_backend two\nbackend two\n    server a :1\n" ONE,
		{ "ai.example.com" }, { NULL }, "", "" },
};

static void
other_ways_to_a_guarded_backend_are_asked_about(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		const char *argv[16] = { "init", "--root", dir, "--haproxy-binary", "/bin/true" };
		size_t n = 5;
		for (size_t k = 0; k < 2 && others[i].hosts[k]; k++) {
			argv[n++] = "--host";
			argv[n++] = others[i].hosts[k];
		}
		for (size_t k = 0; k < 2 && others[i].frontends[k]; k++) {
			argv[n++] = "--frontend";
			argv[n++] = others[i].frontends[k];
		}
		while (n < COUNT_OF(argv))
			argv[n++] = NULL;
		put_tree(others[i].text, NULL);
		int code = tollgate("", argv[0], argv[1], argv[2], argv[3], argv[4], argv[5],
			argv[6], argv[7], argv[8], argv[9], argv[10], NULL);
		if (code != (*others[i].asks ? 2 : 0) ||
			(*others[i].asks && (!strstr(cmd_err, others[i].asks) ||
						    !strstr(cmd_err, "--close-others:\n"))) ||
			(*others[i].silent && strstr(cmd_err, others[i].silent)))
			fail_msg("%s: %d %s", others[i].name, code, cmd_err);
		if (!*others[i].asks)
			continue;
		assert_string_equal(whole("etc/haproxy/haproxy.cfg"), others[i].text);
		if (INIT("--host", others[i].hosts[0], "--frontend", "web") != 0)
			fail_msg("%s: %s", others[i].name, cmd_err);
	}
	/* a second run asks no question */
	put_tree(HOSTS "    default_backend one\n" ONE, NULL);
	assert_int_equal(INIT("--host", "a.com", "--host", "b.com", "--host", "*.c.com", "--write"), 0);
	assert_non_null(strstr(whole("etc/haproxy/haproxy.cfg"),
		"    acl tollgate req.hdr(host),host_only,rtrim(.) -i a.com b.com  # requests to these hosts pass the gate\n"
		"    acl tollgate req.hdr(host),host_only,rtrim(.) -m end -i .c.com  # requests to these hosts pass the gate\n"));
	assert_int_equal(tollgate("", "init", "--root", dir, "--haproxy-binary", "/bin/true", NULL),
		0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
}

/* A later run adds hosts to the stanza, and guards backends without a question about their dialect,
 * because the policy exists. */
static void
later_run_adds_hosts_and_backends(void **state)
{
	static const char two[] =
		"backend two\n    http-request set-header authorization \"Bearer y\"\n    server a :1\n";
	char text[64 << 10];

	(void)state;
	put_tree(HOSTS "    default_backend one\n" ONE, NULL);
	assert_int_equal(INIT("--host", "a.com", "--host", "*.c.com", "--close-others", "--write"), 0);
	snprintf(text, sizeof(text), "%s%s", whole("etc/haproxy/haproxy.cfg"), two);
	put("etc/haproxy/haproxy.cfg", text);
	assert_int_equal(INIT("--host", "A.com", "--host", "b.com", "--host", "x.c.com", "--write"), 0);
	assert_non_null(strstr(cmd_out, "requests of b.com pass the gate from now on"));
	assert_null(strstr(cmd_out, "requests of A.com"));
	assert_null(strstr(cmd_out, "requests of x.c.com"));
	assert_non_null(strstr(cmd_out, "backend two gets the guard: "));
	const char *is = whole("etc/haproxy/haproxy.cfg");
	const char *added = strstr(is,
		"    acl tollgate req.hdr(host),host_only,rtrim(.) -m end -i .c.com  # requests to these hosts pass the gate\n"
		"    acl tollgate req.hdr(host),host_only,rtrim(.) -i b.com  # requests to these hosts pass the gate\n");
	assert_non_null(added);
	assert_true(added < strstr(is, "# tollgate: end stanza"));
	assert_non_null(strstr(strstr(is, "backend two\n"), "did not inspect this request"));
	assert_int_equal(INIT("--host", "b.com", "--host", "y.c.com"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
	assert_int_equal(tollgate("", "init", "--root", dir, "--haproxy-binary", "/bin/true", "--undo",
				 "--write", NULL),
		0);
	assert_null(strstr(whole("etc/haproxy/haproxy.cfg"), "b.com"));
}

/* Below the operator's own rules, wherever default_backend is, and above lines that route
 * requests, let them skip all that follows, or change their host. */
static const struct {
	const char *name, *rules, *above, *below;
} places[] = {
	{ "refusals",
		"    default_backend one\n    filter spoe engine crowdsec config /c.cfg\n"
		"    http-request send-spoe-group crowdsec http\n"
		"    http-request deny if { var(txn.crowdsec.remediation) -m str ban }\n"
		"    http-request track-sc0 src\n"
		"    http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100 }\n",
		"gt 100", NULL },
	{ "routes", "    http-request deny if { path /x }\n    use_backend two if { path /y }\n",
		"path /x", "path /y" },
	{ "allow", "    http-request deny if { path /x }\n    http-request allow if { path /y }\n",
		"path /x", "allow if" },
	{ "another host",
		"    http-request deny if { path /x }\n    http-request set-header Host b.com if { path /y }\n",
		"path /x", "set-header Host" },
	{ "an .if to its end",
		"    http-request deny if { path /x }\n.if version_atleast(2.4)\n    http-request "
		"deny if { path /y }\n.endif\n    use_backend two if { path /z }\n",
		".endif", "path /z" },
};

static void
stanza_is_placed_below_refusing_rules(void **state)
{
	char text[4096];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		snprintf(text, sizeof(text), "%s%s%s", HOSTS, places[i].rules, PROVIDERS);
		put_tree(text, NULL);
		if (INIT("--host", "ai.example.com", "--write") != 0)
			fail_msg("%s: %s%s", places[i].name, cmd_err, strstr(cmd_out, "What is left"));
		const char *is = whole("etc/haproxy/haproxy.cfg");
		const char *begin = strstr(is, "    # tollgate: begin stanza");
		const char *end = strstr(is, "    # tollgate: end stanza\n");
		assert_true(begin && end && begin < end);
		const char *above = strstr(is, places[i].above);
		const char *below = places[i].below ? strstr(is, places[i].below) : NULL;
		if (!above || above > begin || (places[i].below && (!below || below < end)))
			fail_msg("%s: %s", places[i].name, is);
	}
}

#define MODE "    mode http\n"
#define WEB  "    bind :80\n    http-request deny if { path /x }\n    default_backend site\n"
#define GATE "defaults tollgate-gate from "

/* The beginning of the frontend, and the place of the lines for responses: in their own
 * `defaults` if these can have the same content, else in the frontend. */
static const struct {
	const char *name, *text, *want[5];
} answers[] = {
	{ "anonymous defaults get a name", "defaults # all\n" MODE "frontend web # here\n" WEB,
		{ "defaults tollgate-base  # tollgate: was defaults # all\n",
			"# tollgate: begin answers, laid by tollgate init\n" GATE "tollgate-base ",
			"    http-after-response set-header x-tollgate-id ",
			"defaults tollgate-rest from tollgate-base ",
			"frontend web from tollgate-gate  # tollgate: was frontend web # here\n" } },
	{ "named ones keep theirs", "defaults main\n" MODE "frontend web from main\n" WEB,
		{ "defaults main\n", GATE "main ", "defaults tollgate-rest from main ",
			"frontend web from tollgate-gate  # tollgate: was frontend web from main\n" } },
	{ "the last ones, by no name", "defaults a\ndefaults main from a\n" MODE "frontend web\n" WEB,
		{ GATE "main ", "frontend web from tollgate-gate " } },
	{ "two frontends share them",
		"defaults\n" MODE "frontend web\n" WEB "frontend api\n    bind :81\n    default_backend site\n",
		{ GATE "tollgate-base ", "defaults tollgate-rest ", "frontend web from tollgate-gate ",
			"frontend api from tollgate-gate " } },
	{ "two of other defaults do not",
		"defaults\n" MODE "frontend web\n" WEB "defaults\n" MODE
		"frontend api\n    bind :81\n    default_backend site\n",
		{ GATE "tollgate-base ", "frontend web from tollgate-gate ", "defaults tollgate-base-2 ",
			"defaults tollgate-gate-2 from tollgate-base-2 ",
			"frontend api from tollgate-gate-2 " } },
};
static const struct {
	const char *name, *text;
} no_answers[] = {
	{ "defaults with rules, which are not inherited",
		"defaults main\n" MODE "    http-request deny if { path /y }\nfrontend web from main\n" WEB },
	{ "two of one name", "defaults main\n" MODE "defaults main\n" MODE "frontend web from main\n" WEB },
	{ "anonymous ones of others", "defaults a\n" MODE "defaults from a\nfrontend web\n" WEB },
	{ "a listen", "defaults\n" MODE "listen web\n    bind :80\n    server a :1\n" },
	{ "none", "frontend web\n" MODE WEB "defaults\n" MODE },
	{ "some that an .if may take away",
		".if version_atleast(2.4)\ndefaults main\n" MODE ".endif\nfrontend web from main\n" WEB },
};

static size_t
wanted(const char *const *words)
{
	size_t n = 0;

	while (n < COUNT_OF(answers[0].want) && words[n])
		n++;
	return n;
}

static unsigned
stanza_lines(const char *text)
{
	const char *p = strstr(text, "# tollgate: begin stanza"), *end = strstr(text, "# tollgate: end stanza");
	unsigned n = 0;

	for (p = strchr(p, '\n') + 1; p < end; p = strchr(p, '\n') + 1)
		n++;
	return n - 1; /* the line with the mark has begun */
}

static void
response_lines_have_their_own_defaults(void **state)
{
	static const char *const both[] = { "--frontend", "web", "--frontend", "api" };
	char text[4096];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers) + COUNT_OF(no_answers); i++) {
		bool own = i < COUNT_OF(answers);
		size_t k = own ? i : i - COUNT_OF(answers);
		const char *name = own ? answers[k].name : no_answers[k].name;
		const char *mine = own ? answers[k].text : no_answers[k].text;
		bool two = strstr(mine, "frontend api") != NULL;
		snprintf(text, sizeof(text), "global\n    group haproxy\n%s%s", mine, PROVIDERS);
		put_tree(text, NULL);
		int code = two ? INIT("--host", "h", both[0], both[1], both[2], both[3], "--write")
			       : INIT("--host", "h", "--write");
		if (code != 0)
			fail_msg("%s: %s%s", name, cmd_err, strstr(cmd_out, "What is left"));
		const char *is = whole("etc/haproxy/haproxy.cfg");
		unsigned lines = stanza_lines(is);
		if (own ? lines > 20 : lines < 30)
			fail_msg("%s: %u lines", name, lines);
		if (own)
			in_order(is, answers[k].want, wanted(answers[k].want));
		else if (strstr(is, "tollgate-gate from") || strstr(is, "# tollgate: was"))
			fail_msg("%s: %s", name, is);
		assert_int_equal(tollgate("", "check", "--haproxy-only", "--haproxy",
					 path("etc/haproxy/haproxy.cfg"),
					 path("etc/haproxy/tollgate/tollgate.cfg"),
					 "--haproxy-version", "2.6.12", NULL),
			0);
		if (strstr(cmd_out, "-lines: ") || *cmd_err)
			fail_msg("%s: %s%s", name, cmd_err, cmd_out);
		assert_int_equal(INIT("--write"), 0);
		if (!strstr(cmd_out, "Nothing to do."))
			fail_msg("%s: %s", name, cmd_out);
	}
	/* a HAProxy that supports no rules in defaults */
	put_tree("defaults\n" MODE "frontend web\n" WEB PROVIDERS, NULL);
	put("old", "#!/bin/sh\necho 'HAProxy version 2.4.22'\n");
	assert_int_equal(chmod(path("old"), 0755), 0);
	tollgate("", "init", "--root", dir, "--haproxy-binary", path("old"), "--host", "h", NULL);
	assert_non_null(strstr(cmd_out, "+    filter spoe"));
	assert_null(strstr(cmd_out, "tollgate-gate from"));
}

/* Messages about the result name lines of the files as they are. */
static void
error_shows_the_difference_and_the_operators_lines(void **state)
{
#define CORS "    http-after-response set-header access-control-allow-origin *\n"
	static const char refuses[] =
		"#!/bin/sh\nfor f; do :; done\nn=$(grep -n 'server a api' ${f%/*}/0.cfg | cut -d: -f1)\n"
		"echo \"[ALERT] config : parsing [${f%/*}/0.cfg:$n] : unknown\"\n"
		"echo \"[ALERT] config : parsing [${f%/*}/tollgate.cfg:9]\"\nexit 1\n";

	(void)state;
	put_tree(HOSTS CORS ONE "backend two\n" CORS
		       "    http-request set-header x-api-key x\n    server a api.anthropic.com:443\n",
		NULL);
	assert_int_equal(INIT("--host", "ai.example.com"), 1);
	assert_non_null(strstr(cmd_out, "/etc/haproxy/haproxy.cfg:7:1: own-origins: "));
	assert_non_null(strstr(cmd_out, "/etc/haproxy/haproxy.cfg:12:1: own-origins: "));
	assert_non_null(strstr(cmd_out, "\n+    filter spoe engine tollgate"));
	assert_non_null(strstr(cmd_err, "the result has 2 errors, and nothing was written"));
	put_tree(HOSTS "    default_backend site\n" ONE "backend site\n    server a :1\n", NULL);
	put("refuses", refuses);
	assert_int_equal(chmod(path("refuses"), 0755), 0);
	assert_int_equal(tollgate("", "init", "--root", dir, "--haproxy-binary",
				 path("refuses"), "--host", "ai.example.com", NULL),
		1);
	assert_non_null(strstr(cmd_err, "[/etc/haproxy/haproxy.cfg:10] : unknown"));
	assert_non_null(strstr(cmd_err, "[/etc/haproxy/tollgate/tollgate.cfg:9]"));
	assert_non_null(strstr(cmd_out, "\n+    filter spoe engine tollgate"));
	assert_null(strstr(cmd_err, "/tmp/tollgate-init"));
}

/* An older tollgate.cfg has no frontend for the second pass, and is not overwritten. */
static void
older_tollgate_cfg_is_not_overwritten(void **state)
{
	char cmd[256];

	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	snprintf(cmd, sizeof(cmd), "mkdir %s/etc/haproxy/tollgate", dir);
	assert_int_equal(system(cmd), 0);
	put("etc/haproxy/tollgate/tollgate.cfg", "# older\n");
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 2);
	assert_non_null(strstr(cmd_err, "lacks the frontend tollgate-inner: copy "));
	put("etc/haproxy/tollgate/tollgate.cfg", "# TOLLGATE_INNER\n");
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 2);
	assert_non_null(strstr(cmd_err, "does not read TOLLGATE_SOCKETS: copy "));
	assert_string_equal(whole("etc/haproxy/haproxy.cfg"), SITE PROVIDERS);
	/* one that an earlier init wrote for a HAProxy without chroot stays right */
	put("etc/haproxy/tollgate/tollgate.cfg",
		"# TOLLGATE_INNER unix@/var/lib/haproxy/tollgate/agent.sock\n");
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_null(strstr(whole("etc/haproxy/haproxy.cfg"), "TOLLGATE_SOCKETS"));
}

static void
nothing_is_written_without_the_option(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS, "# none\n");
	assert_int_equal(INIT("--host", "ai.example.com"), 0);
	assert_non_null(strstr(cmd_out, "create /etc/tollgate/tollgate.yaml\n"));
	assert_non_null(strstr(cmd_out,
		"+    acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com  # requests to these hosts pass the gate\n"));
	assert_non_null(strstr(cmd_out, "Nothing was written."));
	assert_string_equal(whole("etc/haproxy/haproxy.cfg"), SITE PROVIDERS);
	assert_int_not_equal(access(path("etc/tollgate"), F_OK), 0);
	assert_int_not_equal(access(path("etc/haproxy/tollgate"), F_OK), 0);
	assert_string_equal(whole("etc/default/haproxy"), "# none\n");
}

static void
difference_is_readable_for_patch(void **state)
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
		"sed -n '/^--- .*haproxy.cfg/,/^$/p' difference | sed '$d' | patch -s "
		"p/haproxy.cfg && "
		"sed -n '/^--- .*default/,/^--- .*cfg/p' difference | sed '$d' | patch -s "
		"p/haproxy && "
		"cmp p/haproxy.cfg etc/haproxy/haproxy.cfg && cmp p/haproxy "
		"etc/default/haproxy && "
		"rm -r p",
		dir);
	assert_int_equal(system(cmd), 0);
	assert_string_equal(whole("etc/default/haproxy"),
		"EXTRAOPTS=\"-S /run/m.sock -f /etc/haproxy/tollgate/tollgate.cfg\"\n");
}

static void
result_passes_check_and_a_second_run_changes_nothing(void **state)
{
	struct stat st;

	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--person", "alice", "--write"), 0);
	assert_non_null(strstr(cmd_out, "\ntg_"));
	assert_non_null(strstr(cmd_err, " of alice is in "));
	assert_int_equal(tollgate("", "check", "--haproxy-only", "--haproxy",
				 path("etc/haproxy/haproxy.cfg"),
				 path("etc/haproxy/tollgate/tollgate.cfg"), "--haproxy-version",
				 "2.6.12", NULL),
		0);
	assert_string_equal(cmd_err, "");
	assert_non_null(
		strstr(whole("etc/tollgate/tollgate.yaml"), "\nbackends: [one, two]\n"));
	assert_non_null(strstr(whole("etc/tollgate/default.yaml"),
		"\n  two: {backend: two, dialect: anthropic, external: true}\n"));
	assert_int_equal(tollgate("", "check", "-c", path("etc/tollgate/tollgate.yaml"),
				 "--policy", path("etc/tollgate/default.yaml"), NULL),
		0);
	assert_int_equal(stat(path("etc/tollgate/audit.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	put("first", whole("etc/haproxy/haproxy.cfg"));
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
	assert_null(strstr(cmd_out, "tg_"));
	assert_string_equal(whole("first"), whole("etc/haproxy/haproxy.cfg"));
	assert_string_equal(whole("etc/haproxy/haproxy.cfg.before-tollgate"), SITE PROVIDERS);
}

/* Providers of other dialects are recognized by their servers, and get a route for all their
 * paths. */
static void
dialect_gets_its_route(void **state)
{
	(void)state;
	put_tree(SITE "backend one\n    http-request set-header x-goog-api-key k\n    server a "
		      "generativelanguage.googleapis.com:443\nbackend two\n    http-request "
		      "set-header authorization k\n    server a "
		      "bedrock-runtime.us-east-1.amazonaws.com:443\n",
		NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	const char *policy = whole("etc/tollgate/default.yaml");
	assert_non_null(
		strstr(policy, "\n  one: {backend: one, dialect: gemini, external: true}\n"));
	assert_non_null(strstr(policy,
		"\n  - {name: two, match: {path_prefix: \"/v1/messages\"}, response: [meter], "
		"targets: [two]}\n"));
	assert_non_null(strstr(policy,
		"\n  - {name: two-2, match: {api: bedrock}, response: [meter, record], targets: "
		"[two]}\n"));
	assert_int_equal(tollgate("", "check", "-c", path("etc/tollgate/tollgate.yaml"),
				 "--policy", path("etc/tollgate/default.yaml"), NULL),
		0);
	assert_int_equal(INIT("--backend", "one=grpc"), 2);
	assert_non_null(strstr(cmd_err, "one of openai, "));
}

/* A line of the stanza that haproxy/laid.lst lacks is left in place, or is an error. */
static void
undo_removes_the_added_lines(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS, "EXTRAOPTS='-de'   # mine\n");
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_int_equal(INIT("--undo", "--write"), 0);
	assert_string_equal(whole("etc/haproxy/haproxy.cfg"), SITE PROVIDERS);
	assert_string_equal(whole("etc/default/haproxy"), "EXTRAOPTS='-de'   # mine\n");
	assert_int_equal(INIT("--undo", "--write"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to undo"));
}

static void
missing_guard_is_added(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	FILE *f = fopen(path("etc/haproxy/haproxy.cfg"), "a");
	assert_non_null(f);
	fputs("backend late\n    http-request set-header api-key x\n", f);
	fclose(f);
	assert_int_equal(INIT("--backend", "one=openai"), 0);
	assert_non_null(strstr(cmd_out, " backend late\n+    # tollgate: begin guard, laid by tollgate init\n+    "
				"http-request return status 503"));
	assert_null(strstr(cmd_out, "+    filter spoe"));
}

/* Writes backends with a key, which are all OpenAI's by their servers. */
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

/* Counts the lines of the file between the comments that begin and end a block of init. */
static unsigned
laid_lines(const char *block)
{
	char begin[64], end[64];
	unsigned n = 0;

	snprintf(begin, sizeof(begin), "# tollgate: begin %s,", block);
	snprintf(end, sizeof(end), "# tollgate: end %s\n", block);
	const char *at = strstr(whole("etc/haproxy/haproxy.cfg"), begin), *stop = strstr(at, end);
	assert_non_null(stop);
	while (stop[-1] != '\n')
		stop--;
	for (at = strchr(at, '\n') + 1; at < stop; at = strchr(at, '\n') + 1)
		n += strcspn(at, "\n") > strspn(at, " \t"); /* not an empty line */
	return n;
}

static void
read_page(const char *name, char *page, size_t size)
{
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	page[fread(page, 1, size - 1, f)] = '\0';
	fclose(f);
}

static void
pages_state_how_many_lines_are_laid(void **state)
{
	static char page[128 << 10];
	static const char *const words[] = { "no", "one", "two", "three", "four", "five" };
	char line[128];

	(void)state;
	put_tree(HOSTS "    default_backend one\n" ONE, NULL);
	assert_int_equal(
		INIT("--host", "ai.example.com", "--frontend", "web", "--close-others", "--write"), 0);
	read_page("README.md", page, sizeof(page));
	snprintf(line, sizeof(line), ": %u lines below your own rules", laid_lines("stanza"));
	if (!strstr(page, line))
		fail_msg("README.md lacks \"%s\"", line);
	snprintf(line, sizeof(line), "- %u lines of `defaults`", laid_lines("answers"));
	if (!strstr(page, line))
		fail_msg("README.md lacks \"%s\"", line);
	/* this HAProxy has no chroot */
	unsigned global = laid_lines("global");
	assert_in_range(global, 1, 5);
	snprintf(line, sizeof(line), "- %s lines in `global`, and a ", words[global - 1]);
	if (!strstr(page, line))
		fail_msg("README.md lacks \"%s\"", line);
	read_page("CHANGES.md", page, sizeof(page));
	snprintf(line, sizeof(line), "The frontend gets %u lines", laid_lines("stanza"));
	if (!strstr(page, line))
		fail_msg("CHANGES.md lacks \"%s\"", line);
}

static void
hundreds_of_backends_get_their_guards(void **state)
{
	unsigned guards = 0;

	(void)state;
	put_many(400);
	assert_int_equal(INIT("--host", "ai.example.com", "--backend", "many1=openai"), 0);
	for (const char *p = cmd_out; (p = strstr(p, "did not inspect this request")); p++)
		guards++;
	assert_int_equal(guards, 400);
	assert_non_null(strstr(cmd_out, "+EXTRAOPTS="));
	assert_int_equal(INIT("--host", "ai.example.com"), 2);
	assert_non_null(strstr(cmd_err, "more than 64 backends hold a credential"));
	assert_null(strstr(strstr(cmd_err, "more than") + 1, "more than"));
	assert_int_equal(INIT("--host", "ai.example.com", "--backend", "many1=openai",
				 "--backend", "many1=rest"),
		2);
	assert_non_null(strstr(cmd_err, "--backend many1: this backend is named twice"));
}

static void
backend_without_a_route_is_reported(void **state)
{
	(void)state;
	put_tree("global\n    chroot /var/lib/haproxy\n" SITE
		 "backend own\n    http-request set-header x-api-key k\n    server a "
		 "10.0.0.1:80\n",
		NULL);
	assert_int_equal(
		INIT("--host", "ai.example.com", "--backend", "own=rest", "--write"), 0);
	assert_non_null(strstr(cmd_out, "tollgate does not know the paths of own"));
	assert_null(strstr(cmd_out, "HAProxy's chroot"));
	assert_int_equal(tollgate("", "check", "-c", path("etc/tollgate/tollgate.yaml"),
				 "--policy", path("etc/tollgate/default.yaml"), NULL),
		0);
}

/* Two providers of one dialect: the first one gets the routes, and init names the other one. */
static void
second_backend_of_a_dialect_is_named(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS "backend vllm\n    http-request set-header authorization k\n"
				"    server a 10.0.0.9:8000\n",
		NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_non_null(strstr(cmd_out, "default.yaml: no route leads to backend vllm: add it"));
	assert_null(strstr(cmd_out, "no route leads to backend one"));
	assert_non_null(
		strstr(whole("etc/tollgate/default.yaml"), "  # vllm has no route yet:\n"));
}

/* One host for several services. `rules` are the frontend's; `policy` and `stanza` are parts of the
 * result, and `table` is a line of what init prints. */
#define SERVICES                                                                               \
	"backend www\n    server a 127.0.0.1:80\nbackend docs\n    server a 127.0.0.1:81\n"    \
	"backend local\n    server a 10.0.0.5:8000\nbackend tools\n    http-request "          \
	"set-header x-api-key k\n    server a 127.0.0.1:82\nbackend openai\n    http-request "  \
	"set-header authorization k\n    server a api.openai.com:443\n"
static void
routing_of_the_operator_is_kept(void **state)
{
	static const char ai[] = "    acl ai hdr(host) -i ai.example.com\n    use_backend tools if ai "
				 "{ path_beg /tools/ }\n";
	static const struct {
		const char *name, *rules, *policy, *stanza, *table;
	} rows[] = {
		{ "a whole path to a local model", "    use_backend local if ai { path /v1/chat/completions }\n    use_backend openai if ai\n",
			"path: /v1/chat/completions}\n    targets: [local]\n", NULL,
			"/v1/chat/completions         local                local (route chat)\n" },
		{ "a local model is internal", "    use_backend local if ai { path_end /chat/completions }\n    use_backend openai if ai\n",
			"  local: {backend: local, dialect: openai, external: false}\n", NULL, NULL },
		{ "the rest stays with the provider", "    use_backend local if ai { path_beg /v1/chat/ }\n    use_backend openai if ai\n",
			"path: /v1/embeddings}\n    targets: [openai]\n", NULL, NULL },
		{ "a page without a key stays outside the gate", "    use_backend docs if ai { path_beg /docs }\n    use_backend openai if ai\n",
			NULL, "bool(false) if tollgate { path_beg /docs }  #",
			"docs, outside the gate\n" },
		{ "a negated path", "    use_backend docs if ai !{ path_beg /v1/ }\n    use_backend openai if ai\n",
			"path: /v1/responses}\n    targets: [openai]\n",
			"bool(true) if tollgate { path_beg /v1/ }  #", NULL },
		{ "a service with a key gets a route", "    use_backend openai if ai\n",
			"{name: tools, match: {path_prefix: \"/tools/\"}, targets: [tools]}\n", NULL,
			"tools (route tools)\n" },
		{ "a map of paths", "    use_backend %[path,map_beg(tests/data/judge/paths.map,openai)] if ai\n",
			"path: /v1/chat/completions}\n    targets: [local]\n",
			"bool(false) if tollgate { path_beg /docs }  #", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[8192];
		snprintf(text, sizeof(text),
			"global\n    group haproxy\n    chroot /var/lib/haproxy\ndefaults\n    mode "
			"http\nfrontend web\n    bind :80\n%s%s    default_backend www\n" SERVICES,
			ai, rows[i].rules);
		put_tree(text, NULL);
		if (INIT("--host", "ai.example.com", "--close-others", "--write") != 0)
			fail_msg("%s: %s%s", rows[i].name, cmd_err, cmd_out);
		if (rows[i].table && !strstr(cmd_out, rows[i].table))
			fail_msg("%s: the table: %s", rows[i].name, cmd_out);
		if (rows[i].policy &&
			!strstr(whole("etc/tollgate/default.yaml"), rows[i].policy))
			fail_msg("%s: %s", rows[i].name, whole("etc/tollgate/default.yaml"));
		if (rows[i].stanza &&
			!strstr(whole("etc/haproxy/haproxy.cfg"), rows[i].stanza))
			fail_msg("%s: %s", rows[i].name, whole("etc/haproxy/haproxy.cfg"));
		tollgate("", "check", "--haproxy-only", "--haproxy", path("etc/haproxy/haproxy.cfg"),
			path("etc/haproxy/tollgate/tollgate.cfg"), "--haproxy-version", "2.6.12",
			NULL);
		assert_string_equal(cmd_err, "");
		assert_int_equal(INIT("--undo", "--write"), 0);
		assert_string_equal(whole("etc/haproxy/haproxy.cfg"), text);
	}
}

/* A rule that reads more than host and path is a question, unless it leads where the others do. */
static void
rule_that_the_policy_cannot_repeat_is_asked_about(void **state)
{
	static const struct {
		const char *rule;
		bool asked;
	} rows[] = {
		{ "use_backend local if ai { src 10.0.0.0/8 }", true },
		{ "use_backend local if ai { req.cook(beta) 1 }", true },
		{ "use_backend %[lua.choose] if ai", true },
		{ "use_backend local if ai { path_reg ^/v[12]/ }", true },
		{ "use_backend openai if ai { src 10.0.0.0/8 }", false },
		{ "use_backend local if !ai { src 10.0.0.0/8 }", false },
		{ "use_backend local if { hdr(host) www.example.com } { src 10.0.0.0/8 }", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[8192];
		snprintf(text, sizeof(text),
			"global\n    group haproxy\n    chroot /var/lib/haproxy\ndefaults\n    mode "
			"http\nfrontend web\n    bind :80\n    acl ai hdr(host) -i "
			"ai.example.com\n    use_backend tools if ai { path /tools }\n    %s\n    "
			"use_backend openai if ai\n    default_backend www\n" SERVICES,
			rows[i].rule);
		put_tree(text, NULL);
		int code = INIT("--host", "ai.example.com", "--close-others");
		if (code != (rows[i].asked ? 2 : 0) ||
			(strstr(cmd_err, rows[i].rule) != NULL) != rows[i].asked)
			fail_msg("%s: %d %s", rows[i].rule, code, cmd_err);
		assert_int_equal(INIT("--host", "ai.example.com", "--close-others",
					 "--policy-routes", "--write"),
			0);
	}
}

static void
sockets_are_placed_where_haproxy_looks(void **state)
{
	static const struct {
		const char *global, *set, *listen; /* NULL: not set; the default */
	} rows[] = {
		{ "global\n    chroot /var/lib/haproxy/\n", NULL, NULL },
		{ "", "/var/lib/haproxy/tollgate", NULL },
		{ "global\n    user haproxy\n    group haproxy\n",
			"/var/lib/haproxy/tollgate", NULL },
		{ "global\n    chroot /var/lib\n", "/haproxy/tollgate", NULL },
		{ "global\n    chroot /\n", "/var/lib/haproxy/tollgate", NULL },
		{ "global\n    chroot /srv/jail/\n", NULL, "/srv/jail/tollgate" },
		{ "global\n    setenv TOLLGATE_SOCKETS /var/lib/haproxy/tollgate\n", NULL, NULL },
	};
	const char *unit = "etc/systemd/system/tollgate.service.d/chroot.conf";
	static char shipped_cfg[64 << 10];
	struct span cfg = shipped("haproxy/tollgate.cfg");

	(void)state;
	assert_true(cfg.n < sizeof(shipped_cfg));
	memcpy(shipped_cfg, cfg.p, cfg.n);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[4096], want[256];
		snprintf(text, sizeof(text), "%s" SITE PROVIDERS, rows[i].global);
		put_tree(text, NULL);
		/* the package's tollgate.cfg, which is the same on each machine */
		assert_int_equal(mkdir(path("etc/haproxy/tollgate"), 0755), 0);
		put("etc/haproxy/tollgate/tollgate.cfg", shipped_cfg);
		assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
		assert_null(strstr(cmd_out, "it differs from the file of this version"));
		snprintf(want, sizeof(want), "    setenv TOLLGATE_SOCKETS %s  #",
			rows[i].set ? rows[i].set : "");
		const char *laid = strstr(whole("etc/haproxy/haproxy.cfg"), want);
		assert_true((laid != NULL) == (rows[i].set != NULL));
		snprintf(want, sizeof(want), "  listen: unix@%s/relay.sock\n",
			rows[i].listen ? rows[i].listen : "/var/lib/haproxy/tollgate");
		assert_non_null(strstr(whole("etc/tollgate/tollgate.yaml"), want));
		assert_true((access(path(unit), F_OK) == 0) == (rows[i].listen != NULL));
		if (rows[i].listen) {
			snprintf(want, sizeof(want), "\nReadWritePaths=\"%s\"\n",
				rows[i].listen);
			assert_non_null(strstr(whole(unit), want));
		}
		/* a second run changes nothing, and check has no finding */
		assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
		assert_non_null(strstr(cmd_out, "Nothing to do."));
		tollgate("", "check", "-c", path("etc/tollgate/tollgate.yaml"), "--haproxy",
			path("etc/haproxy/haproxy.cfg"),
			path("etc/haproxy/tollgate/tollgate.cfg"), NULL);
		assert_null(strstr(cmd_err, ": sockets: "));
	}
}

static unsigned
mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path(name), &st), 0);
	return st.st_mode & 07777;
}

static void
kept_files_are_no_more_readable_than_before(void **state)
{
	mode_t before = umask(077);

	(void)state;
	put_tree(SITE PROVIDERS, "KEY=sk-none\n");
	assert_int_equal(chmod(path("etc/haproxy/haproxy.cfg"), 0640), 0);
	assert_int_equal(chmod(path("etc/default/haproxy"), 0600), 0);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	umask(before);
	assert_int_equal(mode_of("etc/haproxy/haproxy.cfg"), 0640);
	assert_int_equal(mode_of("etc/haproxy/haproxy.cfg.before-tollgate"), 0640);
	assert_int_equal(mode_of("etc/default/haproxy"), 0600);
	assert_int_equal(mode_of("etc/default/haproxy.before-tollgate"), 0600);
	/* files that others must read are readable for them, whatever the umask */
	assert_int_equal(mode_of("etc/haproxy/tollgate"), 0755);
	assert_int_equal(mode_of("etc/haproxy/tollgate/spoe.cfg"), 0644);
	assert_int_equal(mode_of("etc/tollgate/default.yaml"), 0644);
	assert_int_equal(mode_of("etc/tollgate/keys.yaml"), 0640);
	assert_int_equal(mode_of("etc/tollgate/audit.key"), 0600);
	assert_int_equal(mode_of("etc/tollgate/state.key"), 0600);
}

static void
secrets_are_not_printed(void **state)
{
	(void)state;
	put_tree(SITE "backend one\n    http-request set-header authorization \"Bearer "
		      "abcdefgh12345678\"\n    server a api.openai.com:443\nbackend two\n"
		      "    http-request set-query k=AIzaSyABCDEF0123456789&%[query]\n"
		      "    server a api.anthropic.com:443\n",
		"OPENAI_API_KEY=sk-abcdef0123456789\nEXTRAOPTS=\"-S /m.sock\"\nOTHER=\"hidden "
		"too\"\n");
	assert_int_equal(INIT("--host", "ai.example.com"), 0);
	assert_null(strstr(cmd_out, "abcdefgh12345678"));
	assert_null(strstr(cmd_out, "ABCDEF0123456789"));
	assert_null(strstr(cmd_out, "sk-abcdef"));
	assert_null(strstr(cmd_out, "hidden too"));
	assert_non_null(strstr(cmd_out, " OPENAI_API_KEY=[not shown]\n"));
	assert_non_null(
		strstr(cmd_out, "     http-request set-header authorization [not shown]\n"));
	assert_non_null(strstr(cmd_out, "-EXTRAOPTS=\"-S /m.sock\"\n"));
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_non_null(strstr(whole("etc/haproxy/haproxy.cfg"), "Bearer abcdefgh12345678"));
	assert_non_null(strstr(whole("etc/default/haproxy"), "=sk-abcdef0123456789\n"));
}

/* Points at which a run may have been killed, with the files that it left. */
static void
killed_run_is_completed(void **state)
{
	static const struct {
		const char *name, *command;
	} left[] = {
		{ "files aside, empty",
			"cp haproxy/haproxy.cfg.before-tollgate haproxy/haproxy.cfg && rm "
			"haproxy/tollgate/spoe.cfg && : >haproxy/haproxy.cfg.tollgate-new && : "
			">haproxy/tollgate/spoe.cfg.tollgate-new" },
		{ "no file of the person changed",
			"cp haproxy/haproxy.cfg.before-tollgate haproxy/haproxy.cfg && cp "
			"default/haproxy.before-tollgate default/haproxy" },
		{ "EXTRAOPTS alone changed",
			"cp haproxy/haproxy.cfg.before-tollgate haproxy/haproxy.cfg" },
		{ "some of the files", "rm haproxy/tollgate/503.http tollgate/default.yaml" },
		{ "the key without its public half",
			"mv tollgate/audit.key.pub tollgate/audit.key.tollgate-new.pub" },
		{ "neither in its place",
			"mv tollgate/audit.key tollgate/audit.key.tollgate-new && mv "
			"tollgate/audit.key.pub tollgate/audit.key.tollgate-new.pub" },
		{ "a folder aside", "rm -r tollgate && mkdir tollgate.tollgate-new" },
	};
	char cmd[1024];

	(void)state;
	put_tree(SITE PROVIDERS, "# none\n");
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	put("first", whole("etc/haproxy/haproxy.cfg"));
	for (size_t i = 0; i < COUNT_OF(left); i++) {
		snprintf(cmd, sizeof(cmd), "cd %s/etc && %s", dir, left[i].command);
		assert_int_equal(system(cmd), 0);
		if (INIT("--host", "ai.example.com", "--write") != 0)
			fail_msg("%s: %s", left[i].name, cmd_err);
		snprintf(cmd, sizeof(cmd),
			"cd %s/etc && cmp haproxy/haproxy.cfg ../first && "
			"grep -q tollgate.cfg default/haproxy && test -e tollgate/keys.yaml && "
			"test -e tollgate/audit.key.pub && test -e haproxy/tollgate/503.http "
			"&& "
			"test -z \"$(find . -name '*.tollgate-new*' -o -name '*-tollgate.*')\"",
			dir);
		if (system(cmd) != 0)
			fail_msg("%s: not finished", left[i].name);
		assert_int_equal(tollgate("", "check", "-c", path("etc/tollgate/tollgate.yaml"),
					 "--policy", path("etc/tollgate/default.yaml"), NULL),
			0);
		assert_int_equal(INIT("--host", "ai.example.com"), 0);
		if (!strstr(cmd_out, "Nothing to do.\n"))
			fail_msg("%s: %s", left[i].name, cmd_out);
	}
}

static void
public_key_without_its_private_key_is_not_replaced(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	put("pub", whole("etc/tollgate/audit.key.pub"));
	assert_int_equal(unlink(path("etc/tollgate/audit.key")), 0);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 2);
	assert_non_null(
		strstr(cmd_err, "audit.key.pub exists but /etc/tollgate/audit.key does not"));
	assert_string_equal(whole("pub"), whole("etc/tollgate/audit.key.pub"));
}

/* Files cannot grow beyond this size, so a write fails as on a full disk. */
static void
failed_write_changes_nothing(void **state)
{
	struct rlimit small = { 6000, RLIM_INFINITY }, before;

	(void)state;
	put_tree(SITE PROVIDERS, "# none\n");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int code = INIT("--host", "ai.example.com", "--write");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(code, 2);
	assert_non_null(strstr(cmd_err, "cannot write: File too large"));
	assert_string_equal(whole("etc/haproxy/haproxy.cfg"), SITE PROVIDERS);
	assert_string_equal(whole("etc/default/haproxy"), "# none\n");
	assert_int_not_equal(access(path("etc/haproxy/haproxy.cfg.tollgate-new"), F_OK), 0);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
}

static void
changed_file_keeps_its_other_content(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	FILE *f = fopen(path("etc/haproxy/haproxy.cfg"), "a");
	assert_non_null(f);
	fputs("backend late\n    http-request set-header api-key x\n", f);
	fclose(f);
	put("second", whole("etc/haproxy/haproxy.cfg"));
	assert_int_equal(INIT("--backend", "one=openai", "--write"), 0);
	assert_string_equal(whole("etc/haproxy/haproxy.cfg.before-tollgate"), SITE PROVIDERS);
	assert_string_equal(
		whole("etc/haproxy/haproxy.cfg.before-tollgate.2"), whole("second"));
}

static void
files_and_folders_form_one_configuration(void **state)
{
	char cmd[256];

	(void)state;
	put_tree("global\n    group haproxy\ndefaults\n    mode http\n", NULL);
	snprintf(cmd, sizeof(cmd), "mkdir %s/etc/haproxy/conf.d", dir);
	assert_int_equal(system(cmd), 0);
	put("etc/haproxy/conf.d/20-back.cfg", PROVIDERS);
	put("etc/haproxy/conf.d/10-front.cfg",
		"frontend web2\n    bind :81\n    default_backend one\nfrontend web\n    bind "
		":80\n    default_backend one");
	put("etc/haproxy/conf.d/notes.txt", "frontend web\n");
#define CONF_D "--haproxy", "/etc/haproxy/haproxy.cfg", "--haproxy", "/etc/haproxy/conf.d"
	assert_int_equal(INIT(CONF_D, "--host", "ai.example.com"), 2);
	assert_non_null(strstr(cmd_err, "    --frontend web2\n    --frontend web\n"));
	assert_int_equal(
		INIT(CONF_D, "--host", "ai.example.com", "--frontend", "web", "--write"), 0);
	const char *front = whole("etc/haproxy/conf.d/10-front.cfg");
	assert_non_null(strstr(strstr(front, "frontend web\n"), "filter spoe engine tollgate"));
	assert_true(strstr(front, "filter spoe") > strstr(front, "frontend web\n"));
	assert_non_null(
		strstr(whole("etc/haproxy/conf.d/20-back.cfg"), "did not inspect this request"));
	assert_non_null(strstr(whole("etc/haproxy/haproxy.cfg"), "tune.bufsize"));
	assert_int_equal(INIT(CONF_D, "--host", "ai.example.com", "--write"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
	/* Debian's service names the folder */
	put_tree("global\n    group haproxy\ndefaults\n    mode http\n",
		"EXTRAOPTS=\"-f /etc/haproxy/conf.d\"\n");
	assert_int_equal(system(cmd), 0);
	put("etc/haproxy/conf.d/web.cfg", "frontend web\n    bind :80\n" PROVIDERS);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_non_null(
		strstr(whole("etc/haproxy/conf.d/web.cfg"), "filter spoe engine tollgate"));
	assert_int_equal(INIT("--host", "ai.example.com"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
	/* or has it in place of haproxy.cfg */
	put_tree("", "CONFIG=\"/etc/haproxy/conf.d\"\n");
	assert_int_equal(system(cmd), 0);
	assert_int_equal(unlink(path("etc/haproxy/haproxy.cfg")), 0);
	put("etc/haproxy/conf.d/web.cfg", "global\n    group haproxy\ndefaults\n    mode http\n"
					  "frontend web\n    bind :80\n" PROVIDERS);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_non_null(
		strstr(whole("etc/haproxy/conf.d/web.cfg"), "filter spoe engine tollgate"));
	assert_int_equal(INIT("--host", "ai.example.com"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
}

static void
stanza_is_never_inside_a_condition(void **state)
{
	static const char *const want[] = { "    bind :81\n.endif\n", "    acl x path_beg /x\n",
		"filter spoe", "    use_backend tollgate-relay",
		".if version_atleast(2.5)\n    use_backend two" };

	(void)state;
	put_tree("global\n    group haproxy\n.if version_atleast(2.4)\n    maxconn 9\n.endif\n"
		 "defaults\n    mode http\nfrontend web\n.if version_atleast(2.4)\n    bind "
		 ":80\n.else\n    bind :81\n.endif\n    acl x path_beg /x\n"
		 ".if version_atleast(2.5)\n    use_backend two if x\n.endif\n" PROVIDERS,
		NULL);
	assert_int_equal(tollgate("", "init", "--root", dir, "--host", "h", "--write",
				 "--close-others", "--haproxy-binary", "/bin/true", NULL),
		0);
	in_order(whole("etc/haproxy/haproxy.cfg"), want, COUNT_OF(want));
	assert_non_null(
		strstr(whole("etc/haproxy/haproxy.cfg"), "maxconn 9\n.endif\n    # tollgate: begin global"));
}

static void
routes_before_their_bind_find_the_stanza_too(void **state)
{
	static const char *const want[] = { "frontend web\n", "acl tollgate ",
		"use_backend tollgate-relay", "use_backend two if", "bind :80" };

	(void)state;
	put_tree("defaults\n    mode http\nfrontend web\n    use_backend two if { path_beg /x "
		 "}\n"
		 "    bind :80\n" PROVIDERS,
		NULL);
	assert_int_equal(INIT("--host", "h", "--write"), 0);
	in_order(whole("etc/haproxy/haproxy.cfg"), want, COUNT_OF(want));
}

static void
result_that_check_refuses_is_not_written(void **state)
{
#define ORIGIN "    http-response set-header access-control-allow-origin *"
	(void)state;
	put_tree(SITE ORIGIN "\n" PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 1);
	assert_non_null(strstr(cmd_out, "own-origins"));
	assert_non_null(strstr(cmd_err, "the result has 1 error, and nothing was written"));
	assert_string_equal(whole("etc/haproxy/haproxy.cfg"), SITE ORIGIN "\n" PROVIDERS);
	assert_int_not_equal(access(path("etc/tollgate"), F_OK), 0);
	put_tree(SITE ORIGIN " unless { var(txn.tollgate.via) -m found }\n" PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
}

static void
wildcard_host_is_accepted(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "*.ai.example.com"), 0);
	assert_non_null(strstr(cmd_out, "+    acl tollgate req.hdr(host),host_only,rtrim(.) -m "
					"end -i .ai.example.com  # requests to these hosts pass the gate\n"));
}

static void
listen_section_without_a_key_is_gated(void **state)
{
#define LISTEN "defaults\n    mode http\nlisten web\n    bind :80\n    server a :1\n"
	(void)state;
	put_tree(LISTEN PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com"), 0);
	assert_non_null(strstr(cmd_out, "+    filter spoe engine tollgate"));
	put_tree(LISTEN "    http-request set-header x-api-key k\n" PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com"), 2);
	assert_non_null(strstr(cmd_err, "listen web accepts clients and holds a "
					"credential (line 6)"));
}

static void
last_extraopts_line_counts(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS,
		"EXTRAOPTS=\"-f "
		"/etc/haproxy/tollgate/tollgate.cfg\"\n#EXTRAOPTS=x\nEXTRAOPTS='-de' "
		"\nA=1\n");
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_string_equal(whole("etc/default/haproxy"),
		"EXTRAOPTS=\"-f "
		"/etc/haproxy/tollgate/tollgate.cfg\"\n#EXTRAOPTS=x\nEXTRAOPTS=\"-de "
		"-f /etc/haproxy/tollgate/tollgate.cfg\"\nA=1\n");
}

static void
symbolic_link_is_kept(void **state)
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
lines_with_other_ends_are_read(void **state)
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
result_that_haproxy_refuses_is_not_written(void **state)
{
	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(tollgate("", "init", "--root", dir, "--haproxy-binary", "/bin/false",
				 "--host", "ai.example.com", "--close-others", "--write", NULL),
		1);
	assert_non_null(strstr(cmd_err, "haproxy -c refuses the result, and nothing was written"));
	assert_string_equal(whole("etc/haproxy/haproxy.cfg"), SITE PROVIDERS);
	assert_int_not_equal(access(path("etc/tollgate"), F_OK), 0);
	assert_int_equal(INIT("--host", "h", "--backend", "one=klingon"), 2);
	assert_int_equal(INIT("--haproxy", "/etc/none.cfg", "--host", "h"), 2);
	/* before step 1 has made the group */
	put("refuses", "#!/bin/sh\necho \"[ALERT] config : unknown group name 'tollgate'\"\n"
		       "exit 1\n");
	assert_int_equal(chmod(path("refuses"), 0755), 0);
	assert_int_equal(tollgate("", "init", "--root", dir, "--haproxy-binary",
				 path("refuses"), "--host", "ai.example.com",
				 "--close-others", NULL),
		1);
	assert_non_null(strstr(cmd_err, "systemd-sysusers tollgate.conf (README, step 1)"));
	/* Debian's own file has no frontend, so there is none to choose */
	put_tree("global\n    group haproxy\ndefaults\n    mode http\n", NULL);
	assert_int_equal(INIT("--host", "h"), 2);
	assert_non_null(strstr(cmd_err, "tollgate: init: no frontend speaks HTTP"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unclear_choices_are_asked_for),
		cmocka_unit_test(other_ways_to_a_guarded_backend_are_asked_about),
		cmocka_unit_test(later_run_adds_hosts_and_backends),
		cmocka_unit_test(stanza_is_placed_below_refusing_rules),
		cmocka_unit_test(response_lines_have_their_own_defaults),
		cmocka_unit_test(error_shows_the_difference_and_the_operators_lines),
		cmocka_unit_test(older_tollgate_cfg_is_not_overwritten),
		cmocka_unit_test(routing_of_the_operator_is_kept),
		cmocka_unit_test(rule_that_the_policy_cannot_repeat_is_asked_about),
		cmocka_unit_test(nothing_is_written_without_the_option),
		cmocka_unit_test(difference_is_readable_for_patch),
		cmocka_unit_test(result_passes_check_and_a_second_run_changes_nothing),
		cmocka_unit_test(dialect_gets_its_route),
		cmocka_unit_test(undo_removes_the_added_lines),
		cmocka_unit_test(missing_guard_is_added),
		cmocka_unit_test(pages_state_how_many_lines_are_laid),
		cmocka_unit_test(hundreds_of_backends_get_their_guards),
		cmocka_unit_test(backend_without_a_route_is_reported),
		cmocka_unit_test(second_backend_of_a_dialect_is_named),
		cmocka_unit_test(sockets_are_placed_where_haproxy_looks),
		cmocka_unit_test(kept_files_are_no_more_readable_than_before),
		cmocka_unit_test(secrets_are_not_printed),
		cmocka_unit_test(killed_run_is_completed),
		cmocka_unit_test(public_key_without_its_private_key_is_not_replaced),
		cmocka_unit_test(failed_write_changes_nothing),
		cmocka_unit_test(changed_file_keeps_its_other_content),
		cmocka_unit_test(files_and_folders_form_one_configuration),
		cmocka_unit_test(listen_section_without_a_key_is_gated),
		cmocka_unit_test(last_extraopts_line_counts),
		cmocka_unit_test(stanza_is_never_inside_a_condition),
		cmocka_unit_test(routes_before_their_bind_find_the_stanza_too),
		cmocka_unit_test(result_that_check_refuses_is_not_written),
		cmocka_unit_test(wildcard_host_is_accepted),
		cmocka_unit_test(symbolic_link_is_kept),
		cmocka_unit_test(lines_with_other_ends_are_read),
		cmocka_unit_test(result_that_haproxy_refuses_is_not_written),
	};

	return cmocka_run_group_tests_name("lay", tests, temp_dir_make, temp_dir_remove);
}

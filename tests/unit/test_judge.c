/* check --haproxy: a complete configuration as in the README gives no finding. One change of it
 * gives one finding of one rule, at its line, with the line to paste. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator/edge/judge.h"
#include "operator/edge/judge_private.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/target.h"
#include "scan/dialect/dialect.h"
#include "support/judge_apart_rows.h"
#include "support/judge_provider_rows.h"
#include "support/judge_silent.h"
#include "support/judge_target_rows.h"
#include "support/older_stanza.h"
#include "support/temp_dir.h"

static const char head[] = "global\n"
			   "\tchroot /var/lib/haproxy\n"
			   "\tuser haproxy\n"
			   "\tgroup haproxy\n";
static const char defaults[] = "defaults\n"
			       "\tlog global\n"
			       "\tmode http\n"
			       "\ttimeout connect 5s\n"
			       "\ttimeout client 50s\n"
			       "\ttimeout server 50s\n"
			       "\terrorfile 503 /etc/haproxy/errors/503.http\n"
			       "frontend web\n"
			       "\tbind :443 ssl crt /etc/haproxy/web.pem alpn h2,http/1.1\n";
static const char own[] = "\tuse_backend admin if { path_beg /admin }\n"
			  "\tdefault_backend site\n"
			  "backend site\n"
			  "\tserver a 127.0.0.1:8000\n"
			  "backend admin\n"
			  "\tserver a 127.0.0.1:8001\n";
static const char provider[] =
	"\ttimeout server 10m\n"
	"\thttp-request set-header host api.openai.com\n"
	"\thttp-request set-header authorization \"Bearer %[env(OPENAI_API_KEY)]\"\n"
	"\terrorfile 502 /etc/haproxy/tollgate/503.http\n"
	"\terrorfile 503 /etc/haproxy/tollgate/503.http\n"
	"\tserver o api.openai.com:443 ssl verify required ca-file "
	"/etc/ssl/certs/ca-certificates.crt\n";

/* The lines that the README asks an operator to add to a Debian haproxy.cfg, in this and
 * earlier versions. The relay's second pass has a frontend of its own, is in the same frontend,
 * or each line has its own ACL. */
enum layout { APART, JOINT, OLDER };

static void
laid_as(struct buf *out, enum layout layout)
{
	buf_init(out, 0);
	buf_str(out, head);
	if (layout == APART)
		buf_span(out, shipped_piece(PIECE_GLOBAL));
	else
		buf_str(out, "    tune.bufsize 262144\n    tune.maxrewrite 16384\n");
	buf_str(out, defaults);
	if (layout == OLDER) {
		put_older(out, FORM_LAST_UNDECIDED, "your frontend", false);
		put_older(out, FORM_LAST_UNDECIDED, "the same frontend", false);
	} else {
		buf_span(out, shipped_piece(layout == JOINT ? PIECE_JOINT_STANZA : PIECE_STANZA));
		buf_span(out, shipped_piece(layout == JOINT ? PIECE_JOINT_ROUTES : PIECE_ROUTES));
	}
	buf_str(out, own);
	buf_str(out, "backend openai\n");
	buf_span(out, shipped_piece(PIECE_GUARD));
	buf_str(out, provider);
	buf_str(out, "backend anthropic\n");
	buf_span(out, shipped_piece(PIECE_GUARD));
	buf_str(out, provider);
}

static void
laid(struct buf *out)
{
	laid_as(out, JOINT);
}

static const struct config *cfg;

/* The targets of judge_target_rows.h; NULL for tests without its rows. */
static const struct target chat_targets[] = { { .name = "a", .backend = "openai", .external = true },
	{ .name = "b", .backend = "anthropic", .external = true } };
static const struct provider_credential credential = {
	.provider = "c", .kind = BY_SIGV4, .host = "h.example"
};
static const struct target site_targets[] = {
	{ .name = "c", .backend = "site", .credential = &credential }
};
static struct route routes[] = {
	{ .name = "sites", .targets = site_targets, .ntargets = 1, .retry = { .attempts = 1 } },
	{ .name = "chat", .targets = chat_targets, .ntargets = 2, .retry = { .attempts = 2 } },
};
static struct policy attempts = { .routes = routes, .nroutes = COUNT_OF(routes) };
static const struct policy *policy;

/* Checks the operator's file together with the shipped tollgate.cfg. */
static void
judged(struct span text, struct span ours, const char *version, struct judged *out)
{
	struct haproxy h;

	haproxy_init(&h);
	assert_true(haproxy_set_version(&h, span_str(version)));
	assert_int_equal(haproxy_read_text(&h, "haproxy/mine.cfg", text), 0);
	assert_int_equal(haproxy_read_text(&h, "haproxy/tollgate.cfg", ours), 0);
	haproxy_resolve(&h);
	judge(&h, cfg, policy, out);
	buf_putc(&out->errors, 0);
	buf_putc(&out->advice, 0);
	haproxy_free(&h);
}

static void
configuration_of_the_readme_has_no_finding(void **state)
{
	static const char *const versions[] = { "2.6.12", "3.0.11", "3.2.26" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		struct judged j;
		struct buf text;
		for (enum layout layout = APART; layout <= JOINT; layout++) {
			laid_as(&text, layout);
			judged(buf_view(&text), shipped("haproxy/tollgate.cfg"), versions[i],
				&j);
			assert_string_equal(j.errors.p, "");
			assert_string_equal(j.advice.p, "");
			judged_free(&j);
			buf_free(&text);
		}
		judged(shipped("haproxy/haproxy.cfg"), shipped("haproxy/tollgate.cfg"),
			versions[i], &j);
		assert_string_equal(j.errors.p, "");
		assert_string_equal(j.advice.p, "");
		judged_free(&j);
	}
}

static void
change(struct buf *text, const char *from, const char *to)
{
	struct span v = buf_view(text);
	const char *p = *from ? memmem(v.p, v.n, from, strlen(from)) : v.p;
	struct buf out;

	if (!p)
		fail_msg("not in the text: %s", from);
	buf_init(&out, 0);
	buf_put(&out, v.p, (size_t)(p - v.p));
	buf_str(&out, to);
	buf_put(&out, p + strlen(from), v.n - (size_t)(p - v.p) - strlen(from));
	buf_free(text);
	*text = out;
}

static unsigned
line_of(struct span text, const char *at)
{
	const char *p = memmem(text.p, text.n, at, strlen(at));
	unsigned line = 1;

	for (const char *q = text.p; p && q < p; q++)
		line += *q == '\n';
	return p ? line : 0;
}

static void
judge_row(const struct row *r, enum layout layout)
{
	struct buf mine, ours;
	struct judged j;
	char want[160];
	bool error = false;

	if (layout == JOINT && !strcmp(r->rule, "inner-lines")) {
		buf_init(&mine, 0);
		buf_span(&mine, shipped("haproxy/haproxy.cfg"));
	} else {
		laid_as(&mine, !strcmp(r->rule, "scope-changed") ||
					       !strcmp(r->rule, "stanza-older")
				       ? OLDER
				       : layout);
	}
	buf_init(&ours, 0);
	buf_span(&ours, shipped("haproxy/tollgate.cfg"));
	if (!strcmp(r->rule, "compression-overflow"))
		change(&mine, SPOE, "compression algo gzip\n    filter compression\n    " SPOE);
	change(r->ours ? &ours : &mine, r->from, r->to);
	judged(buf_view(&mine), buf_view(&ours), r->version ? r->version : "2.6.12", &j);
	for (size_t i = 0; i < judge_rules_count; i++)
		if (!strcmp(judge_rules[i].name, r->rule))
			error = judge_rules[i].error;
	unsigned line = line_of(buf_view(&mine), r->at);
	snprintf(want, sizeof(want), "haproxy/mine.cfg:%u:1: %s: ", line, r->rule);
	if (!line) {
		line = line_of(buf_view(&ours), r->at);
		snprintf(want, sizeof(want), "haproxy/tollgate.cfg:%u:1: %s: ", line, r->rule);
	}
	const char *text = error ? j.errors.p : j.advice.p, *found_at = strstr(text, want);
	if (!found_at || (r->paste && !strstr(found_at, r->paste)))
		fail_msg("%s: %s: no %s in\n%s%s", r->rule, r->name, want, j.errors.p,
			j.advice.p);
	judged_free(&j);
	buf_free(&mine);
	buf_free(&ours);
}

/* Only findings of the row's rule are looked for. */
static void
correct_change_has_no_finding(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(silent); i++) {
		struct buf mine;
		struct judged j;
		char rule[64];
		laid(&mine);
		if (!strcmp(silent[i].rule, "compression-overflow"))
			change(&mine, SPOE,
				"compression algo gzip\n    filter compression\n    " SPOE);
		change(&mine, silent[i].from, silent[i].to);
		judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"),
			silent[i].version ? silent[i].version : "2.6.12", &j);
		snprintf(rule, sizeof(rule), ": %s: ", silent[i].rule);
		if (strstr(j.errors.p, rule) || strstr(j.advice.p, rule))
			fail_msg("%s: %s:\n%s%s", silent[i].rule, silent[i].name, j.errors.p,
				j.advice.p);
		judged_free(&j);
		buf_free(&mine);
	}
}

static void
other_engine_that_sets_the_variables_is_reported(void **state)
{
	static const struct {
		const char *spoe;
		bool seen;
	} engines[] = {
		{ "[waf]\nspoe-agent a\n option var-prefix waf\n", false },
		{ "[waf]\nspoe-agent a\n option var-prefix tollgate\n", true },
		{ "[waf]\nspoe-agent tollgate\n", true },
		{ "[waf]\nspoe-agent tollgate\n option var-prefix waf\n", false },
		{ "[other]\nspoe-agent tollgate\n[waf]\nspoe-agent waf\n", false },
		{ "[waf]\nspoe-agent waf\nspoe-message m\n args "
		  "x=str(direct),set-var(txn.tollgate.via)\n",
			true },
		{ "[waf]\nspoe-agent waf\nspoe-message m\n args x=path\n event "
		  "on-frontend-http-request if { bool(0),set-var(txn.tollgate_gated) -m found "
		  "}\n",
			true },
		{ "[waf]\nspoe-agent waf\nspoe-message m\n args "
		  "x=path,set-var(txn.mine)\n[other]\nspoe-message m\n args "
		  "x=str(direct),set-var(txn.tollgate.via)\n",
			false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(engines); i++) {
		struct judged j;
		struct buf mine;
		char filter[512];
		put("waf.cfg", engines[i].spoe);
		snprintf(filter, sizeof(filter), "filter spoe engine waf config %s\n    " SPOE,
			path("waf.cfg"));
		laid(&mine);
		change(&mine, SPOE, filter);
		judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"), "2.6.12", &j);
		if ((strstr(j.errors.p, "the engine waf writes") != NULL) != engines[i].seen)
			fail_msg("%s: %s", engines[i].spoe, j.errors.p);
		judged_free(&j);
		buf_free(&mine);
	}
}

/* An older engine file is reported only if a route is for MCP or WebSockets. */
static void
engine_without_origins_is_reported(void **state)
{
	static const char told[] = " origin=var(txn.tollgate.origin)";
	struct buf spoe;
	char filter[512];

	(void)state;
	for (int n = 0; n < 3; n++) { /* both messages send it, one does, none does */
		for (int kind = 0; kind < 4; kind++) { /* no policy; neither; MCP; WebSockets */
			struct judged j;
			struct buf mine;
			buf_init(&spoe, 0);
			buf_span(&spoe, shipped("haproxy/spoe.cfg"));
			for (int k = 0; k < n; k++)
				change(&spoe, told, "");
			buf_putc(&spoe, 0);
			put("spoe.cfg", buf_view(&spoe).p);
			snprintf(filter, sizeof(filter),
				"filter spoe engine tollgate config %s", path("spoe.cfg"));
			laid(&mine);
			change(&mine, SPOE, filter);
			policy = kind ? &attempts : NULL;
			routes[0].dialect =
				dialect_find(span_str(kind == 2 ? "mcp" : "openai"));
			routes[1].websocket = kind == 3 ? 1 << 20 : 0;
			judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"), "2.6.12", &j);
			const char *at = strstr(j.advice.p, ": login-lines: ");
			if ((at != NULL) != (kind > 1 && n))
				fail_msg("%d %d: %s", n, kind, j.advice.p);
			if (at)
				assert_non_null(
					strstr(at, "    origin=var(txn.tollgate.origin)\n"));
			judged_free(&j);
			buf_free(&mine);
			buf_free(&spoe);
		}
	}
	policy = NULL;
}

static void
one_change_gives_one_finding(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		judge_row(&rows[i], JOINT);
	for (size_t i = 0; i < COUNT_OF(provider_rows); i++)
		judge_row(&provider_rows[i], JOINT);
}

/* Cases in which no rule of the operator answers the second pass, and cases in which one
 * may. */
static void
second_pass_in_its_own_frontend_is_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(apart_rows); i++)
		judge_row(&apart_rows[i], APART);
	for (size_t i = 0; i < COUNT_OF(apart_silent); i++) {
		struct buf mine;
		struct judged j;
		char rule[64];
		laid_as(&mine, APART);
		change(&mine, apart_silent[i].from, apart_silent[i].to);
		judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"), "2.6.12", &j);
		snprintf(rule, sizeof(rule), ": %s: ", apart_silent[i].rule);
		if (strstr(j.errors.p, rule) || strstr(j.advice.p, rule))
			fail_msg("%s: %s:\n%s%s", apart_silent[i].rule, apart_silent[i].name,
				j.errors.p, j.advice.p);
		judged_free(&j);
		buf_free(&mine);
	}
}

/* A route that leaves the backend to HAProxy's own routing has none in the second pass. */
static void
route_without_a_backend_is_reported(void **state)
{
	static const struct target anywhere[] = { { .name = "d" } };
	static const struct route loose = { .name = "loose", .targets = anywhere, .ntargets = 1 };
	static const struct policy p = { .routes = &loose, .nroutes = 1 };

	(void)state;
	policy = &p;
	for (size_t i = 0; i < COUNT_OF(route_rows); i++)
		judge_row(&route_rows[i], APART);
	for (enum layout layout = APART; layout <= JOINT; layout++) {
		struct judged j;
		struct buf mine;
		laid_as(&mine, layout);
		policy = layout == APART ? &attempts : &p;
		judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"), "2.6.12", &j);
		assert_null(strstr(j.errors.p, ": inner-routes: "));
		judged_free(&j);
		buf_free(&mine);
	}
	policy = NULL;
}

/* Two frontends with the stanza of 0.2: the second pass of both arrives at one of them. */
static void
rules_only_met_by_the_second_pass_are_reported(void **state)
{
	static const char rule[] =
		"\tacl acme path_beg /.well-known/acme-challenge/\n"
		"\thttp-request redirect scheme https code 301 unless acme\n";
	static const char both[] = "\thttp-request deny deny_status 410 if { path /old }\n";
	struct judged j;
	struct buf mine;
	char text[2048];

	(void)state;
	for (int met = 0; met < 2; met++) {
		laid_as(&mine, JOINT);
		snprintf(text, sizeof(text), "%s%s    bind unix@", rule + (met ? sizeof(rule) - 1 : 0),
			both);
		change(&mine, "    bind unix@", text);
		snprintf(text, sizeof(text),
			"\nfrontend https\n\tbind :8443\n%s%s\tacl tollgate req.hdr(host) -i "
			"b.example.com\n\t" SPOE "\n\tdefault_backend site\nbackend site\n",
			both, "\thttp-request deny if { path /admin }\n");
		change(&mine, "\nbackend site\n", text);
		judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"), "2.6.12", &j);
		const char *at = strstr(j.errors.p, ": inner-answered: ");
		if (met && at)
			fail_msg("%s", j.errors.p);
		if (!met) {
			snprintf(text, sizeof(text),
				"inner-answered: every relayed request is answered 301 by line "
				"%u: ",
				line_of(buf_view(&mine), "code 301 unless acme"));
			assert_non_null(strstr(j.errors.p, text));
			assert_non_null(strstr(at, "frontend https have not met this rule"));
			assert_non_null(strstr(at, "unless acme or { so_name tollgate-inner }"));
			assert_null(strstr(at, "path /old"));
		}
		judged_free(&j);
		buf_free(&mine);
	}
}

static void
attempts_and_credentials_of_the_policy_are_checked(void **state)
{
	(void)state;
	policy = &attempts;
	routes[0].dialect = dialect_find(SPAN_LIT("mcp"));
	attempts.logs_in = true;
	for (size_t i = 0; i < COUNT_OF(target_rows); i++)
		judge_row(&target_rows[i], JOINT);
	for (size_t i = 0; i < COUNT_OF(target_silent); i++) {
		struct buf mine;
		struct judged j;
		char rule[64];
		laid(&mine);
		if (strstr(target_silent[i].to, "redispatch")) /* two servers in each */
			for (int n = 0; n < 2; n++)
				change(&mine, "\tserver o api.",
					"\tserver p :1\n\tserver q api.");
		change(&mine, target_silent[i].from, target_silent[i].to);
		judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"), "2.6.12", &j);
		snprintf(rule, sizeof(rule), ": %s: ", target_silent[i].rule);
		if (strstr(j.errors.p, rule) || strstr(j.advice.p, rule))
			fail_msg("%s: %s:\n%s%s", target_silent[i].rule, target_silent[i].name,
				j.errors.p, j.advice.p);
		judged_free(&j);
		buf_free(&mine);
	}
	policy = NULL;
}

/* A target with a credential whose backend is left to HAProxy. */
static void
credential_without_a_backend_is_refused(void **state)
{
	static const struct target anywhere[] = { { .name = "d", .credential = &credential } };
	static const struct route loose = {
		.name = "loose", .targets = anywhere, .ntargets = 1
	};
	static const struct policy p = { .routes = &loose, .nroutes = 1 };
	struct judged j;
	struct buf mine;

	(void)state;
	policy = &p;
	laid(&mine);
	judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"), "2.6.12", &j);
	assert_non_null(strstr(j.errors.p, ": credential-twice: provider d "));
	judged_free(&j);
	buf_free(&mine);
	policy = NULL;
}

/* The complete example keeps, deletes and sets fields in this order. */
static void
second_frontend_has_its_order(void **state)
{
	struct judged j;
	struct buf mine;

	(void)state;
	buf_init(&mine, 0);
	buf_span(&mine, shipped("haproxy/haproxy.cfg"));
	change(&mine, "    http-request set-var(txn.tollgate.set_authorization) ",
		"    http-request del-header ^x[-_]tollgate[-_] -m reg\n    http-request "
		"set-var(txn.tollgate.set_authorization) ");
	judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"), "2.6.12", &j);
	assert_non_null(strstr(j.errors.p, ": inner-lines: this line of the stanza must stand below "));
	judged_free(&j);
	buf_free(&mine);
}

static bool
has_row(const struct row *v, size_t n, const char *rule)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(v[i].rule, rule))
			return true;
	return false;
}

static void
each_rule_has_a_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < judge_rules_count; i++) {
		const char *rule = judge_rules[i].name;
		if (!has_row(rows, COUNT_OF(rows), rule) &&
			!has_row(provider_rows, COUNT_OF(provider_rows), rule) &&
			!has_row(target_rows, COUNT_OF(target_rows), rule) &&
			!has_row(route_rows, COUNT_OF(route_rows), rule))
			fail_msg("no row for %s", rule);
	}
}

static void
each_rule_is_in_the_manual(void **state)
{
	struct buf manual;

	(void)state;
	buf_init(&manual, 1 << 20);
	assert_true(buf_file(&manual, "docs/man/tollgate.1"));
	buf_putc(&manual, 0);
	for (size_t i = 0; i < judge_rules_count; i++) {
		char item[256];
		snprintf(item, sizeof(item), ".It Ic %s\n%s\n", judge_rules[i].name,
			judge_rules[i].about);
		if (!strstr(manual.p, item))
			fail_msg("docs/man/tollgate.1 lacks: %s", item);
	}
	buf_free(&manual);
}

static struct arena arena;

static int
load_config(void **state)
{
	struct diag d;

	(void)state;
	arena_init(&arena, 0, false);
	diag_init(&d);
	cfg = config_load(&arena, "policies/tollgate.yaml", &d);
	diag_free(&d);
	return cfg ? temp_dir_make(state) : -1;
}

static int
free_config(void **state)
{
	arena_reset(&arena);
	return temp_dir_remove(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configuration_of_the_readme_has_no_finding),
		cmocka_unit_test(one_change_gives_one_finding),
		cmocka_unit_test(second_pass_in_its_own_frontend_is_checked),
		cmocka_unit_test(route_without_a_backend_is_reported),
		cmocka_unit_test(rules_only_met_by_the_second_pass_are_reported),
		cmocka_unit_test(correct_change_has_no_finding),
		cmocka_unit_test(engine_without_origins_is_reported),
		cmocka_unit_test(attempts_and_credentials_of_the_policy_are_checked),
		cmocka_unit_test(credential_without_a_backend_is_refused),
		cmocka_unit_test(second_frontend_has_its_order),
		cmocka_unit_test(other_engine_that_sets_the_variables_is_reported),
		cmocka_unit_test(each_rule_has_a_row),
		cmocka_unit_test(each_rule_is_in_the_manual),
	};

	return cmocka_run_group_tests_name("judge", tests, load_config, free_config);
}

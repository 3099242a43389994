/* tollgate init on a file that has a stanza: an older one is renewed in place, and each of
 * several frontends has its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/codec/credentials.h"
#include "operator/edge/haproxy_file.h"
#include "operator/edge/shipped.h"
#include "support/lay_rig.h"
#include "support/older_stanza.h"

#define OWN_NOTE   "    # of the first rule\n"
#define OWN_RULE   "    http-request set-header x-own rule\n"
#define OWN_ANSWER "    http-after-response set-header x-own answer\n"

/* Writes an operator's file with an earlier form of the stanza, and own rules in and after it.
 * Form 0: the file without a stanza. */
static void
older_text(unsigned form, struct buf *text)
{
	struct buf stanza;
	unsigned n = 0, first = 99; /* the stanza's first rule */

	buf_init(&stanza, 0);
	if (form)
		put_older(&stanza, form, "your frontend", true);
	buf_str(text, "global\n    group haproxy\n");
	if (form)
		put_older(text, form, "your global", true);
	buf_str(text, "defaults\n    mode http\n    timeout server 50s\n"
		      "frontend web\n    bind :80\n");
	for (struct span rest = buf_view(&stanza); rest.n; n++) {
		struct span line = span_next(&rest, '\n');
		if (n == first)
			buf_str(text, OWN_NOTE);
		if (n == first + 2)
			buf_str(text, OWN_RULE);
		if (memmem(line.p, line.n, "filter spoe", 11))
			first = n + 1;
		buf_printf(text, "%.*s\n", SPAN_ARG(line));
	}
	if (!form)
		buf_str(text, OWN_NOTE OWN_RULE);
	buf_str(text, "    http-request set-header host api.example.net\n" OWN_ANSWER);
	if (form)
		put_older(text, form, "the same frontend", true);
	buf_str(text, "    default_backend one\nbackend one\n");
	if (form)
		put_older(text, form, "each backend", true);
	buf_str(text, "    http-request set-header authorization \"Bearer x\"\n"
		      "    timeout server 10m\n    server a api.openai.com:443 check\n"
		      "backend two\n");
	if (form)
		put_older(text, form, "each backend", true);
	buf_str(text, "    http-request set-header x-api-key x\n    timeout server 10m\n"
		      "    server a api.anthropic.com:443 check\n");
	buf_putc(text, 0);
	buf_free(&stanza);
}

static void
put_form(unsigned form)
{
	struct buf text;

	buf_init(&text, 0);
	older_text(form, &text);
	put_tree(text.p, NULL);
	buf_free(&text);
}

static void
put_older_tree(void)
{
	put_form(FORM_LAST_UNDECIDED);
}

/* The same with the stanza of 0.2, in which the relay's second pass arrives at the frontend
 * itself. */
static void
put_joint_tree(void)
{
	static const char *const names[] = { "one", "two" };
	static const char *const keys[] = { "authorization \"Bearer x\"\n    server a api.openai.com:443",
		"x-api-key x\n    server a api.anthropic.com:443" };
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text,
		"global\n    group haproxy\n    tune.bufsize 262144\n    tune.maxrewrite 16384\n"
		"defaults\n    mode http\n    timeout server 50s\nfrontend web\n    bind :80\n"
		"%.*s%.*s    default_backend one\n",
		SPAN_ARG(shipped_piece(PIECE_JOINT_STANZA)),
		SPAN_ARG(shipped_piece(PIECE_JOINT_ROUTES)));
	for (size_t i = 0; i < COUNT_OF(names); i++)
		buf_printf(&text, "backend %s\n%.*s    timeout server 10m\n    http-request set-header %s\n", names[i],
			SPAN_ARG(shipped_piece(PIECE_GUARD)), keys[i]);
	buf_putc(&text, 0);
	put_tree(text.p, NULL);
	buf_free(&text);
}

static const char *const later_in_order[] = { "set-var(txn.tollgate.id) ",
	"set-var(txn.tollgate.set_authorization) ", "set-var(txn.tollgate.set_api_key) ",
	"set-var(txn.tollgate.set_x_amz_security_token) ", "del-header ^x[-_]tollgate[-_]",
	"del-header " CREDENTIAL_BEGINS "(authorization|", "set-header authorization %[", "set-header api-key %[",
	"set-header x-amz-security-token %[", "http-response del-header ^(set-cookie",
	"http-response set-header x-tollgate-said provider",
	"http-after-response set-header x-tollgate-why " };

static void
older_stanza_is_renewed_in_place(void **state)
{
	static const char *const want[] = { "\tacl tollgate req.hdr(host)",
		"\tacl tollgate-inner so_name", "\tacl tollgate-gated var(txn.tollgate_gated)",
		"\tfilter spoe", "\thttp-request set-var(txn.tollgate_gated) bool(false)\n",
		"\thttp-request set-var(txn.tollgate_gated) bool(true) if tollgate "
		"!tollgate-inner\n",
		OWN_NOTE "\thttp-request return status 503 ",
		"x-tollgate-leaving",
		"\thttp-request send-spoe-group tollgate request if "
		"tollgate-gated ",
		"    http-request set-header host api.example.net\n",
		"\tuse_backend tollgate-deny if tollgate-gated ", "default_backend one" };

	(void)state;
	put_older_tree();
	put("older", whole("etc/haproxy/haproxy.cfg"));
	assert_int_equal(tollgate("", "check", "--haproxy-only", "--haproxy", path("older"), "--haproxy",
				 "haproxy/tollgate.cfg", "--haproxy-version", "2.6.12", NULL),
		1);
	assert_non_null(strstr(cmd_err, ": scope-changed: "));
	assert_non_null(strstr(cmd_out, ": stanza-older: "));
	assert_int_equal(INIT("--write"), 0);
	in_order(whole("etc/haproxy/haproxy.cfg"), want, COUNT_OF(want));
	in_order(whole("etc/haproxy/haproxy.cfg"), later_in_order, COUNT_OF(later_in_order));
	assert_null(strstr(whole("etc/haproxy/haproxy.cfg"), "request if tollgate !"));
	assert_string_equal(whole("etc/haproxy/haproxy.cfg.before-tollgate"), whole("older"));
	assert_int_equal(tollgate("", "check", "--haproxy-only", "--haproxy", path("etc/haproxy/haproxy.cfg"),
				 path("etc/haproxy/tollgate/tollgate.cfg"), "--haproxy-version",
				 "2.6.12", NULL),
		0);
	assert_string_equal(cmd_err, "");
	assert_null(strstr(cmd_out, "stanza-"));
	assert_int_equal(INIT("--write"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
	assert_non_null(
		strstr(cmd_out, "tollgate.cfg: it is already the file of this version\n"));
	put("etc/haproxy/tollgate/tollgate.cfg", "# older\n");
	put("etc/haproxy/tollgate/origins.lst", "https://a.example.com\n");
	assert_int_equal(INIT("--write"), 0);
	assert_non_null(
		strstr(cmd_out, "tollgate.cfg: it differs from the file of this version"));
	assert_non_null(strstr(cmd_out, "origins.lst: it already exists\n"));
}

static void
new_lines_are_not_put_into_a_condition(void **state)
{
	static const char *const want[] = { "maxconn 9\n.endif\n",
		"\thttp-request set-var(txn.tollgate_gated) bool(false)\n" };

	(void)state;
	put_older_tree();
	struct buf text;
	struct span rest = span_str(whole("etc/haproxy/haproxy.cfg"));
	buf_init(&text, 0);
	while (rest.n) {
		struct span line = span_next(&rest, '\n');
		if (memmem(line.p, line.n, "x-tollgate-leaving", 18))
			buf_str(&text, ".if version_atleast(2.4)\n    maxconn 9\n.endif\n");
		buf_printf(&text, "%.*s\n", SPAN_ARG(line));
	}
	buf_putc(&text, 0);
	put("etc/haproxy/haproxy.cfg", text.p);
	buf_free(&text);
	assert_int_equal(INIT("--write"), 0);
	in_order(whole("etc/haproxy/haproxy.cfg"), want, COUNT_OF(want));
}

static void
older_stanza_is_only_reported_without_the_option(void **state)
{
	(void)state;
	put_older_tree();
	char *text = whole("etc/haproxy/haproxy.cfg");
	char *own = strstr(text, "    http-request set-header host");
	memset(own, ' ', strcspn(own, "\n"));
	put("older", text);
	assert_int_equal(tollgate("", "check", "--haproxy-only", "--haproxy", path("older"), "--haproxy",
				 "haproxy/tollgate.cfg", "--haproxy-version", "2.6.12", NULL),
		0);
	assert_string_equal(cmd_err, "");
	assert_non_null(strstr(cmd_out, "advice: "));
	assert_non_null(strstr(cmd_out, ": stanza-older: "));
}

static void
operators_words_are_kept_in_a_renewed_line(void **state)
{
	(void)state;
	put_older_tree();
	char *text = whole("etc/haproxy/haproxy.cfg"), *time = strstr(text, "time 15s");
	memcpy(time, "time 31s", 8);
	put("etc/haproxy/haproxy.cfg", text);
	assert_int_equal(INIT("--write"), 0);
	assert_non_null(strstr(whole("etc/haproxy/haproxy.cfg"),
		"\thttp-request wait-for-body time 31s if tollgate-gated !{"));
}

static unsigned
times(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

/* Writes the rules of the section `frontend web` that are not in the current joint stanza. */
static void
lines_beside_todays(const char *text, struct buf *out)
{
	struct span rest = span_str(strstr(text, "frontend web\n"));

	span_next(&rest, '\n');
	while (rest.n) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t");
		bool today = false;
		if (span_starts(line, SPAN_LIT("backend ")))
			break;
		for (enum shipped_piece i = PIECE_JOINT_STANZA; i <= PIECE_JOINT_ROUTES; i++)
			for (struct span piece = shipped_piece(i); piece.n;) {
				struct span l = span_trim(span_next(&piece, '\n'), " ");
				l = span_trim(span_cut(l, 0, unquoted_at(l, "#")), " ");
				today |= span_eq(l, span_trim(span_cut(line, 0, unquoted_at(line, "#")), " "));
			}
		if (!today)
			buf_printf(out, "%.*s\n", SPAN_ARG(line));
	}
}

/* The result is valid, has each current line, no line of the older form, and all lines of the
 * operator. A second run changes nothing, and --undo restores the operator's file. */
static void
each_earlier_form_is_renewed(void **state)
{
	struct buf before, beside;

	(void)state;
	buf_init(&before, 0);
	buf_init(&beside, 0);
	older_text(0, &before);
	for (unsigned form = 1; form <= FORM_LAST_JOINT; form++) {
		put_form(form);
		put("etc/haproxy/haproxy.cfg.before-tollgate", before.p);
		if (INIT("--write") != 0)
			fail_msg("form %u: %s\n%s", form, cmd_err, cmd_out);
		const char *text = whole("etc/haproxy/haproxy.cfg");
		buf_clear(&beside);
		lines_beside_todays(text, &beside);
		buf_putc(&beside, 0);
		if (strcmp(beside.p, "bind :80\nhttp-request set-header x-own rule\n"
				     "http-request set-header host api.example.net\n"
				     "http-after-response set-header x-own answer\ndefault_backend one\n") != 0)
			fail_msg("form %u: beside the lines of today:\n%s", form, beside.p);
		for (enum shipped_piece i = PIECE_JOINT_STANZA; i <= PIECE_JOINT_ROUTES; i++)
			for (struct span piece = shipped_piece(i); piece.n;) {
				struct span l = span_trim(span_next(&piece, '\n'), " ");
				char line[4096];
				snprintf(line, sizeof(line), "\t%.*s\n", SPAN_ARG(l));
				if (l.n && *l.p != '#' && !span_starts(l, SPAN_LIT("acl tollgate ")) &&
					!(form < 9 && span_is(l, "option idle-close-on-response")) &&
					times(text, line) != 1)
					fail_msg("form %u has %u times\n%s", form, times(text, line), line);
			}
		assert_int_equal(tollgate("", "check", "--haproxy-only", "--haproxy",
					 path("etc/haproxy/haproxy.cfg"), path("etc/haproxy/tollgate/tollgate.cfg"),
					 "--haproxy-version", "2.6.12", NULL),
			0);
		assert_string_equal(cmd_err, "");
		for (const char *rule[] = { "stanza-", "answer-lines", "-lines: " }, **p = rule; p < rule + 3; p++)
			if (strstr(cmd_out, *p))
				fail_msg("form %u: %s", form, cmd_out);
		assert_int_equal(INIT("--write"), 0);
		if (!strstr(cmd_out, "Nothing to do.\n"))
			fail_msg("form %u, the second time: %s", form, cmd_out);
		assert_int_equal(INIT("--undo", "--write"), 0);
		if (strcmp(whole("etc/haproxy/haproxy.cfg"), before.p) != 0)
			fail_msg("form %u, undone: %s", form, whole("etc/haproxy/haproxy.cfg"));
	}
	buf_free(&beside);
	buf_free(&before);
}

/* If this fails, bolt-on.cfg has changed. forms.lst describes what to add to it and to
 * laid.lst, so that init renews and removes the lines in operators' files. */
static void
last_form_equals_the_current_stanza(void **state)
{
	static const char *const marks[] = { "your global", "your frontend", "the same frontend",
		"each backend" };
	struct buf form, today;

	(void)state;
	buf_init(&form, 0);
	buf_init(&today, 0);
	for (unsigned i = PIECE_GLOBAL; i <= PIECE_GUARD; i++) {
		put_older(&form, FORM_TODAY, marks[i], false);
		for (struct span piece = shipped_piece(i); piece.n;) {
			struct span l = span_next(&piece, '\n');
			l = span_trim(span_cut(l, 0, unquoted_at(l, "#")), " ");
			if (l.n)
				buf_printf(&today, "    %.*s\n", SPAN_ARG(l));
		}
	}
	buf_putc(&form, 0);
	buf_putc(&today, 0);
	assert_string_equal(form.p, today.p);
	buf_free(&form);
	buf_free(&today);
}

/* A line of the stanza that an operator changed belongs to the operator and is not renewed. */
static void
line_changed_by_the_operator_is_kept(void **state)
{
	static const char own[] = "\thttp-after-response set-header x-tollgate-policy hidden\n";
	struct buf text;

	(void)state;
	put_form(FORM_0_1);
	buf_init(&text, 0);
	for (struct span rest = span_str(whole("etc/haproxy/haproxy.cfg")); rest.n;) {
		struct span line = span_next(&rest, '\n');
		if (memmem(line.p, line.n, "set-header x-tollgate-policy", 28))
			buf_str(&text, own);
		else
			buf_printf(&text, "%.*s\n", SPAN_ARG(line));
	}
	buf_putc(&text, 0);
	put("etc/haproxy/haproxy.cfg", text.p);
	assert_int_equal(INIT("--write"), 0);
	assert_non_null(strstr(whole("etc/haproxy/haproxy.cfg"), own));
	assert_int_equal(times(whole("etc/haproxy/haproxy.cfg"), "set-header x-tollgate-policy"), 1);
	assert_int_equal(times(whole("etc/haproxy/haproxy.cfg"), "set-header x-tollgate-receipt"), 1);
	buf_free(&text);
}

/* The expression of versions older than MCP would delete arguments in header fields. */
static void
credential_expression_is_renewed(void **state)
{
	struct buf text;
	char *is;

	(void)state;
	put_tree(SITE PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	is = whole("etc/haproxy/haproxy.cfg");
	char *at = strstr(is, CREDENTIAL_BEGINS);
	assert_non_null(at);
	buf_init(&text, 0);
	buf_put(&text, is, (size_t)(at - is));
	buf_str(&text, at + strlen(CREDENTIAL_BEGINS));
	buf_putc(&text, 0);
	put("etc/haproxy/haproxy.cfg", text.p);
	put("laid", is);
	assert_int_equal(INIT("--write"), 0);
	assert_string_equal(whole("etc/haproxy/haproxy.cfg"), whole("laid"));
	buf_free(&text);
}

/* Writes the text without the lines that were added later. */
static void
put_before(struct buf *out, struct span text)
{
	while (text.n) {
		struct span line = span_next(&text, '\n');
		if (!shipped_later(line))
			buf_printf(out, "%.*s\n", SPAN_ARG(line));
	}
}

/* Lines that are newer than the stanza are added in their place, and nothing else changes. */
static void
newer_lines_are_added_in_place(void **state)
{
	struct buf text, before;

	(void)state;
	put_joint_tree();
	assert_int_equal(INIT("--write"), 0);
	assert_null(strstr(whole("etc/haproxy/haproxy.cfg"), "setenv TOLLGATE_INNER"));
	buf_init(&before, 0);
	put_before(&before, span_str(whole("etc/haproxy/haproxy.cfg")));
	buf_putc(&before, 0);
	assert_null(strstr(before.p, "x-tollgate-said"));
	put("etc/haproxy/haproxy.cfg", before.p);
	assert_int_equal(INIT("--write"), 0);
	in_order(whole("etc/haproxy/haproxy.cfg"), later_in_order, COUNT_OF(later_in_order));
	buf_init(&text, 0); /* no line of the operator is lost or changed */
	put_before(&text, span_str(whole("etc/haproxy/haproxy.cfg")));
	buf_putc(&text, 0);
	assert_string_equal(text.p, before.p);
	assert_int_equal(tollgate("", "check", "--haproxy-only", "--haproxy", path("etc/haproxy/haproxy.cfg"),
				 path("etc/haproxy/tollgate/tollgate.cfg"), "--haproxy-version",
				 "2.6.12", NULL),
		0);
	assert_string_equal(cmd_err, "");
	assert_null(strstr(cmd_out, "-lines: "));
	assert_int_equal(INIT("--write"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
	buf_free(&text);
	buf_free(&before);
}

static void
second_frontend_of_the_complete_example_is_renewed(void **state)
{
	struct buf before;

	(void)state;
	buf_init(&before, 0);
	put_before(&before, shipped("haproxy/haproxy.cfg"));
	buf_putc(&before, 0);
	put_tree(before.p, NULL);
	buf_free(&before);
	assert_int_equal(INIT("--host", "h", "--backend", "local=openai", "--write"), 0);
	const char *text = strstr(whole("etc/haproxy/haproxy.cfg"), "frontend egress ");
	assert_non_null(text);
	in_order(text, later_in_order, COUNT_OF(later_in_order));
	assert_int_equal(tollgate("", "check", "--haproxy-only", "--haproxy", path("etc/haproxy/haproxy.cfg"),
				 path("etc/haproxy/tollgate/tollgate.cfg"), "--haproxy-version",
				 "2.6.12", NULL),
		0);
	assert_string_equal(cmd_err, "");
	assert_int_equal(INIT("--host", "h", "--backend", "local=openai", "--write"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
}

static void
each_named_frontend_gets_the_stanza(void **state)
{
#define TWO                                                                                    \
	"global\n    group haproxy\ndefaults\n    mode http\nfrontend plain\n    bind :80\n"    \
	"    default_backend one\nfrontend tls\n    bind :443\n    default_backend one\n"
	(void)state;
	put_tree(TWO PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--frontend", "plain", "--frontend",
				 "tls", "--write"),
		0);
	const char *text = whole("etc/haproxy/haproxy.cfg");
	assert_int_equal(times(text, "filter spoe engine tollgate"), 2);
	assert_int_equal(times(text, "inner.sock"), 0);
	assert_int_equal(times(text, "    setenv TOLLGATE_INNER "), 1);
	assert_int_equal(times(text, "use_backend tollgate-deny"), 2);
	assert_int_equal(times(text, "    tune.bufsize"), 1);
	assert_int_equal(INIT("--host", "ai.example.com", "--write"), 0);
	assert_non_null(strstr(cmd_out, "Nothing to do.\n"));
	/* naming the frontends one after the other gives the same result */
	put("both", text);
	put_tree(TWO PROVIDERS, NULL);
	assert_int_equal(INIT("--host", "ai.example.com", "--frontend", "plain", "--write"), 0);
	assert_int_equal(INIT("--host", "ai.example.com", "--frontend", "tls", "--write"), 0);
	assert_string_equal(whole("etc/haproxy/haproxy.cfg"), whole("both"));
	/* an option that may occur once is refused the second time */
	assert_int_equal(INIT("--person", "a", "--person=b"), 2);
	assert_non_null(strstr(cmd_err, "--person: is given more often than allowed"));
	/* an unknown frontend is reported, whatever the others are */
	put_tree(TWO PROVIDERS, NULL);
	assert_int_equal(
		INIT("--host", "h", "--frontend", "plain", "--frontend", "tsl", "--write"), 2);
	assert_non_null(strstr(cmd_err, "--frontend tsl: no such frontend"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(older_stanza_is_renewed_in_place),
		cmocka_unit_test(new_lines_are_not_put_into_a_condition),
		cmocka_unit_test(each_earlier_form_is_renewed),
		cmocka_unit_test(last_form_equals_the_current_stanza),
		cmocka_unit_test(line_changed_by_the_operator_is_kept),
		cmocka_unit_test(older_stanza_is_only_reported_without_the_option),
		cmocka_unit_test(credential_expression_is_renewed),
		cmocka_unit_test(newer_lines_are_added_in_place),
		cmocka_unit_test(second_frontend_of_the_complete_example_is_renewed),
		cmocka_unit_test(operators_words_are_kept_in_a_renewed_line),
		cmocka_unit_test(each_named_frontend_gets_the_stanza),
	};

	return cmocka_run_group_tests_name("lay_renew", tests, temp_dir_make, temp_dir_remove);
}

/* HAProxy's report on a response: each way in which HAProxy answers itself, as 2.6, 3.0 and 3.2
 * write it (tests/e2e/inner-bind.sh has the reports of each), and reports that HAProxy does not
 * write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "net/relay_said.h"
#include "support/guard.h"

static const struct {
	const char *name, *said, *why; /* NULL: absent */
	enum relay_said want;
} rows[] = {
	{ "a provider's answer", "provider", NULL, SAID_BY_PROVIDER },
	{ "an edge of an earlier version", NULL, NULL, SAID_NOTHING },
	/* never sent */
	{ "down, unresolved", NULL, "503 -1 -1 -1 0 openai <NOSRV> ", SAID_NEVER_SENT },
	{ "the blank at its end is trimmed", NULL, "503 -1 -1 -1 0 openai <NOSRV>",
		SAID_NEVER_SENT },
	{ "an unknown backend", NULL, "503 -1 -1 -1 0 tollgate-deny <NOSRV> 0",
		SAID_NEVER_SENT },
	{ "no backend at all", NULL, "503 -1 -1 -1 0 egress <NOSRV> 0", SAID_NEVER_SENT },
	{ "queue timeout", NULL, "503 10000 -1 -1 0 openai <NOSRV> ", SAID_NEVER_SENT },
	{ "refused", NULL, "503 0 -1 -1 0 openai openai ", SAID_NEVER_SENT },
	{ "refused by both servers", NULL, "503 0 -1 -1 +1 openai b 27", SAID_NEVER_SENT },
	{ "refused thrice", NULL, "503 0 -1 -1 2 openai openai 27", SAID_NEVER_SENT },
	{ "connect timeout", NULL, "503 0 -1 -1 0 openai openai 26", SAID_NEVER_SENT },
	{ "bad certificate", NULL, "503 0 -1 -1 0 openai openai 34", SAID_NEVER_SENT },
	{ "HAProxy's own failure", NULL, "500 -1 -1 -1 0 openai <NOSRV> 0", SAID_NEVER_SENT },
	{ "a rule that tarpits", NULL, "500 1000 -1 -1 0 openai <NOSRV> 0", SAID_NEVER_SENT },
	/* a rule of the operator */
	{ "a rule that denies", NULL, "403 -1 -1 -1 0 openai <NOSRV> 0", SAID_BY_RULE },
	{ "one that limits a rate", NULL, "429 -1 -1 -1 0 openai <NOSRV> 0", SAID_BY_RULE },
	{ "one that answers", NULL, "200 -1 -1 -1 0 openai <NOSRV> 0", SAID_BY_RULE },
	{ "the relay's body came too slowly", NULL, "408 -1 -1 -1 0 openai <NOSRV> 0",
		SAID_BY_RULE },
	{ "a redirect of a frontend", NULL, "301 -1 -1 -1 0 www <NOSRV> ", SAID_BY_RULE },
	/* a rule of the operator on a response */
	{ "a rule denies the provider's answer", NULL, "502 0 1 20 0 openai openai 0",
		SAID_INSTEAD },
	{ "a rule answers in its place", NULL, "200 0 1 20 0 openai openai", SAID_INSTEAD },
	{ "the answer came at once", NULL, "502 0 0 0 0 openai openai 0", SAID_INSTEAD },
	/* may have been billed */
	{ "cut before the head", NULL, "502 0 1 -1 0 openai openai ", SAID_PERHAPS_BILLED },
	{ "garbage in place of a head", NULL, "502 0 0 -1 0 openai openai 0",
		SAID_PERHAPS_BILLED },
	{ "no head in time", NULL, "504 0 1 -1 0 openai openai 0", SAID_PERHAPS_BILLED },
	{ "a 503 of HAProxy after it was connected", NULL, "503 0 0 -1 0 openai openai 0",
		SAID_PERHAPS_BILLED },
	{ "a head and no connection", NULL, "503 0 -1 5 0 openai openai 0",
		SAID_PERHAPS_BILLED },
	/* reports that HAProxy does not write */
	{ "both", "provider", "503 -1 -1 -1 0 a <NOSRV> ", SAID_PERHAPS_BILLED },
	{ "another word", "relay", NULL, SAID_PERHAPS_BILLED },
	{ "a word in capitals", "Provider", NULL, SAID_PERHAPS_BILLED },
	{ "an empty word", "", NULL, SAID_PERHAPS_BILLED },
	{ "nothing in it", NULL, "", SAID_PERHAPS_BILLED },
	{ "blanks", NULL, "       ", SAID_PERHAPS_BILLED },
	{ "no server", NULL, "503 -1 -1 -1 0 openai", SAID_PERHAPS_BILLED },
	{ "no backend", NULL, "503 -1 -1 -1 0", SAID_PERHAPS_BILLED },
	{ "an empty backend", NULL, "503 -1 -1 -1 0  <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "a status of a letter", NULL, "5o3 -1 -1 -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "no status", NULL, "-1 -1 -1 -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "a large status", NULL, "600 -1 -1 -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "a small status", NULL, "99 -1 -1 -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "a time before all", NULL, "503 -1 -2 -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "a wait before all", NULL, "503 -2 -1 -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "negative retries", NULL, "503 0 -1 -1 -1 a b 0", SAID_PERHAPS_BILLED },
	{ "a time that overflows", NULL, "503 4294967296 -1 -1 0 a <NOSRV> 0",
		SAID_PERHAPS_BILLED },
	{ "a sign alone", NULL, "503 -1 - -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "two signs", NULL, "503 -1 --1 -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "an error that is none", NULL, "503 -1 -1 -1 0 a <NOSRV> x", SAID_PERHAPS_BILLED },
	{ "more after it", NULL, "503 -1 -1 -1 0 a <NOSRV> 0 0", SAID_PERHAPS_BILLED },
	{ "two blanks", NULL, "503  -1 -1 -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "a blank before", NULL, " 503 -1 -1 -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "a tab", NULL, "503\t-1 -1 -1 0 a <NOSRV> 0", SAID_PERHAPS_BILLED },
	{ "the format itself", NULL, "%ST %Tw %Tc %Tr %rc %b %s %[bc_err]",
		SAID_PERHAPS_BILLED },
};

static void
each_report_of_haproxy_is_classified(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span said = { NULL, 0 }, why = said;
		if (rows[i].said)
			said = span_str(rows[i].said);
		if (rows[i].why)
			why = span_str(rows[i].why);
		enum relay_said got = relay_said(said, why);
		if (got != rows[i].want)
			fail_msg("%s: %d, not %d", rows[i].name, got, rows[i].want);
	}
}

/* Cut at every place, before an inaccessible page: never sent only while the report that states
 * so is complete. */
static void
cut_report_is_not_read_beyond_its_end(void **state)
{
	static const char why[] = "503 0 -1 -1 0 openai openai 34";
	const size_t whole = sizeof("503 0 -1 -1 0 openai o") - 1;

	(void)state;
	for (size_t n = 0; n <= strlen(why); n++) {
		char *p = guard_dup(why, n);
		enum relay_said got = relay_said(span_of(NULL, 0), span_of(p, n));
		assert_int_equal(got == SAID_NEVER_SENT, n >= whole);
		guard_free(p, n);
	}
}

static void
duplicate_field_is_ignored(void **state)
{
	struct http_field fields[] = { { SPAN_LIT("X-Tollgate-Said"), SPAN_LIT("provider") },
		{ SPAN_LIT("content-type"), SPAN_LIT("a/b") },
		{ SPAN_LIT("x-tollgate-said"), SPAN_LIT("provider") },
		{ SPAN_LIT("x-tollgate-why"), { NULL, 0 } } };
	struct http_head head = { .fields = fields, .nfields = 2 };

	(void)state;
	assert_int_equal(relay_said_in(&head), SAID_BY_PROVIDER);
	head.nfields = 3;
	assert_int_equal(relay_said_in(&head), SAID_PERHAPS_BILLED);
	head.fields = fields + 1;
	head.nfields = 1;
	assert_int_equal(relay_said_in(&head), SAID_NOTHING);
	head.fields = fields + 3; /* an empty value still is a field */
	assert_int_equal(relay_said_in(&head), SAID_PERHAPS_BILLED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_report_of_haproxy_is_classified),
		cmocka_unit_test(cut_report_is_not_read_beyond_its_end),
		cmocka_unit_test(duplicate_field_is_ignored),
	};

	return cmocka_run_group_tests_name("relay_said", tests, NULL, NULL);
}

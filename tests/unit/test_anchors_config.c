/* The sections anchors and witness of tollgate.yaml: every key, and every error with its
 * place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/config/config.h"
#include "support/config_fix.h"
#include "support/temp_dir.h"

#define BASE  "policy: p.yaml\nnode: gw-1\nagent: {listen: unix@/a.sock}\n"
#define AUDIT BASE "audit: {journal: j/, key: audit.key}\n"

static void
every_kind_of_anchor_is_read_with_its_defaults(void **state)
{
	struct arena a;
	struct diag d;
	const struct config *c = config_fix_load(&a, &d,
		AUDIT "anchors:\n"
		      "  - {file: notes}\n"
		      "  - {syslog: 'tls://[::1]:6514', tls_ca: ca.pem, every: 5m}\n"
		      "  - {url: 'https://x.example/y?z=1'}\n"
		      "  - {tsa: 'unix:/run/tsa.sock:/tsr', ca: tsa.pem, every: 1s}\n"
		      "  - {witness: 'http://127.0.0.1:1', key: /abs/w.pub}\n"
		      "witness: {listen: unix@/w.sock, key: w.key, logs: [{origin: o, key: "
		      "o.pub}]}\n");

	(void)state;
	if (!c)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	assert_int_equal(c->nanchors, 5);
	const struct anchor_place *p = c->anchors;
	assert_int_equal(p[0].kind, ANCHOR_FILE);
	assert_string_equal(p[0].place, path("notes"));
	assert_int_equal(p[0].every_us, 60000000);
	assert_int_equal(p[1].kind, ANCHOR_SYSLOG);
	assert_string_equal(p[1].tls_ca, path("ca.pem"));
	assert_int_equal(p[1].every_us, 300000000);
	assert_int_equal(p[2].kind, ANCHOR_URL);
	assert_int_equal(p[3].kind, ANCHOR_TSA);
	assert_string_equal(p[3].ca, path("tsa.pem"));
	assert_int_equal(p[3].every_us, 1000000);
	assert_int_equal(p[4].kind, ANCHOR_WITNESS);
	assert_string_equal(p[4].key, "/abs/w.pub");
	assert_string_equal(c->witness_name, "tollgate/gw-1/witness");
	assert_string_equal(c->witness_state, path("j.witness"));
	/* a log and that of the node's second instance, with the same file of keys */
	assert_int_equal(c->nwitness_logs, 2);
	assert_string_equal(c->witness_logs[0].origin, "o");
	assert_string_equal(c->witness_logs[1].origin, "o_b");
	assert_string_equal(c->witness_logs[1].key, c->witness_logs[0].key);
	config_fix_done(&a, &d);
}

/* clang-format off */
static const struct { const char *name, *text, *want; } mistakes[] = {
	{ "no record", BASE "anchors: [{file: x}]\n", "c.yaml:4:10: anchors: needs the section audit" },
	{ "no list", AUDIT "anchors: {file: x}\n", "c.yaml:5:10: anchors" },
	{ "no place", AUDIT "anchors: [{every: 5s}]\n", "one of file, syslog, url, tsa and witness is expected" },
	{ "two places", AUDIT "anchors: [{file: x, url: 'http://y'}]\n", "anchors: url: the entry already has a place: write a second entry" },
	{ "an unknown key", AUDIT "anchors: [{file: x, evry: 5s}]\n", "did you mean every?" },
	{ "too often", AUDIT "anchors: [{file: x, every: 500ms}]\n", "c.yaml:5:28" },
	{ "too seldom", AUDIT "anchors: [{file: x, every: 2d}]\n", "c.yaml:5:28" },
	{ "a URL that is none", AUDIT "anchors: [{url: 'ftp://x'}]\n", "anchors: url: it must begin with http://, https:// or unix:/" },
	{ "a URL with a password", AUDIT "anchors: [{url: 'https://u:p@x'}]\n", "the URL must not contain a user or password" },
	{ "a TSA without authorities", AUDIT "anchors: [{tsa: 'https://x'}]\n", "anchors: tsa: ca is missing" },
	{ "a witness without a key", AUDIT "anchors: [{witness: 'https://x'}]\n", "anchors: witness: key is missing" },
	{ "what has no meaning", AUDIT "anchors: [{file: x, ca: y}]\n", "anchors: ca: is not for file: remove it" },
	{ "syslog without a port", AUDIT "anchors: [{syslog: 'tcp://x'}]\n", "HOST:PORT is expected" },
	{ "syslog with port 0", AUDIT "anchors: [{syslog: 'tcp://x:0'}]\n", "HOST:PORT is expected" },
	{ "syslog of a scheme", AUDIT "anchors: [{syslog: 'udp://x:514'}]\n", "tls://HOST:PORT, tcp://HOST:PORT or unix:/PATH is expected" },
	{ "authorities without TLS", AUDIT "anchors: [{syslog: 'tcp://x:514', tls_ca: y}]\n", "tls_ca needs TLS: use tls://HOST:PORT" },
	{ "a place twice", AUDIT "anchors: [{file: x}, {file: x, every: 5s}]\n", "is listed twice" },
	{ "more than sixteen", AUDIT "anchors: [{file: 1},{file: 2},{file: 3},{file: 4},{file: 5},{file: 6},{file: 7},{file: 8},"
		"{file: 9},{file: 10},{file: 11},{file: 12},{file: 13},{file: 14},{file: 15},{file: 16},{file: 17}]\n", "anchors: more than 16" },
	{ "a witness without socket", AUDIT "witness: {key: k, logs: []}\n", "witness.listen: is missing" },
	{ "a witness without logs", AUDIT "witness: {listen: unix@/w, key: k}\n", "witness.logs: is missing" },
	{ "a witness without key", AUDIT "witness: {listen: unix@/w, logs: []}\n", "witness.key: is missing" },
	{ "a witness on TCP", AUDIT "witness: {listen: '127.0.0.1:1', logs: [], key: k}\n", "witness.listen: unix@/path is expected" },
	{ "a witness with the record's key", AUDIT "witness: {listen: unix@/w, logs: [], key: audit.key}\n", "witness.key: is the same as audit.key" },
	{ "a log without origin", AUDIT "witness: {listen: unix@/w, key: k, logs: [{key: x}]}\n", "witness.logs: origin is missing" },
	{ "a log without key", AUDIT "witness: {listen: unix@/w, key: k, logs: [{origin: x}]}\n", "witness.logs: key is missing" },
	{ "an origin twice", AUDIT "witness: {listen: unix@/w, key: k, logs: [{origin: x, key: a}, {origin: x, key: b}]}\n", "origin x is listed twice" },
	{ "a name with a space", AUDIT "witness: {listen: unix@/w, key: k, logs: [{origin: x, key: a}], name: 'a b'}\n", "witness.name: a name of up to 255 bytes" },
	{ "no place for the state", BASE "witness: {listen: unix@/w, key: k, logs: [{origin: x, key: a}]}\n", "witness: needs state, or audit.journal" },
};
/* clang-format on */

static void
errors_in_anchors_have_their_position(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		struct arena a;
		struct diag d;
		const struct config *c = config_fix_load(&a, &d, mistakes[i].text);
		buf_putc(&d.text, '\0');
		if (c || !strstr(buf_view(&d.text).p, mistakes[i].want))
			fail_msg("%s: not \"%s\": %s", mistakes[i].name, mistakes[i].want,
				buf_view(&d.text).p);
		config_fix_done(&a, &d);
	}
}

static void
change_of_anchors_needs_a_restart(void **state)
{
	static const char one[] =
		AUDIT "anchors: [{file: x}]\n"
		      "witness: {listen: unix@/w, key: k, logs: [{origin: x, key: a}]}\n";
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ one, "" },
		{ AUDIT "anchors: [{file: x, every: 5s}]\n"
			"witness: {listen: unix@/w, key: k, logs: [{origin: x, key: a}]}\n",
			"anchors" },
		{ AUDIT "anchors: [{file: x}]\n"
			"witness: {listen: unix@/w, key: k, logs: [{origin: x, key: b}]}\n",
			"witness.logs" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena a, b;
		struct diag d, e;
		struct buf out;
		const struct config *x = config_fix_load(&a, &d, one),
				    *y = config_fix_load(&b, &e, rows[i].text);
		assert_true(x && y);
		buf_init(&out, 0);
		config_fixed_changes(x, y, &out);
		assert_true(span_is(buf_view(&out), rows[i].want));
		buf_free(&out);
		config_fix_done(&a, &d);
		config_fix_done(&b, &e);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_anchor_is_read_with_its_defaults),
		cmocka_unit_test(errors_in_anchors_have_their_position),
		cmocka_unit_test(change_of_anchors_needs_a_restart),
	};

	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}

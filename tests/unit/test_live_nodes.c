/* Retired nodes as live entries: valid ones, that they are permanent, and that a node that was
 * admitted may serve again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/codec/json_text.h"
#include "base/err.h"
#include "support/live_rig.h"

#define NODE(rest) "{\"kind\":\"node\",\"id\":\"3e23e8160039594a\",\"serial\":7" rest "}"
#define B	   ",\"name\":\"b\""
#define WHY	   ",\"why\":\"broken\""
#define AT	   ",\"retired\":\"2026-11-30T14:15:32Z\""
#define FAR_NS	   (INT64_C(4000000000) * 1000000000)

static void
invalid_node_is_refused(void **state)
{
	static const struct {
		const char *json, *want; /* NULL: valid */
	} rows[] = {
		{ NODE(B WHY AT), NULL },
		{ NODE(B WHY AT ",\"admitted\":\"2026-11-30T15:15:32Z\""), NULL },
		{ NODE(B WHY AT ",\"settled\":\"2026-11-30T14:15:32Z\""), NULL },
		{ NODE(WHY AT), "name: expected the name of a node" },
		{ NODE(",\"name\":\"b c\"" WHY AT), "name: expected the name of a node" },
		{ NODE(",\"name\":\"c\"" WHY AT), "id: is not the id of this node" },
		{ NODE(B AT), "why: is missing: give the reason" },
		{ NODE(B WHY), "retired: is missing: expected a time" },
		{ NODE(B WHY ",\"retired\":7"),
			"retired: expected a time such as 2026-11-20T08:00:00Z" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf why;
		struct live_entry *e = make(rows[i].json, &why);
		if (!e == !rows[i].want ||
			(rows[i].want && !span_is(buf_view(&why), rows[i].want)))
			fail_msg("%s: %.*s", rows[i].json, SPAN_ARG(buf_view(&why)));
		live_entry_unref(&e);
		buf_free(&why);
	}
}

/* Puts the node's entry with these members and returns its serial. */
static int64_t
put_node(struct live *l, const char *name, const char *admitted, int64_t serial)
{
	char id[LIVE_NODE_ID + 1];
	struct buf why;

	live_node_id(span_str(name), id);
	json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s*}", "id", id, "name", name, "why", "broken",
		"retired", "2026-11-30T14:15:32Z", "settled", "2026-11-30T14:15:33Z", "admitted",
		admitted);
	buf_init(&why, 1024);
	int err = live_put(l, LIVE_NODE, o, serial, &why);
	if (err)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	int64_t is = json_int_in(o, "serial");
	json_decref(o);
	return is;
}

static void
retired_node_is_refused_until_it_is_admitted(void **state)
{
	struct live *l = opened();
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	assert_false(live_node_retired(l, "gw-2", &why));
	assert_int_equal(live_node_settled(l, "gw-2"), 0);
	int64_t serial = put_node(l, "gw-2", NULL, 0);
	put_node(l, "gw-3", NULL, 0);
	assert_true(live_node_retired(l, "gw-2", &why));
	assert_true(span_is(buf_view(&why), "node gw-2 was retired at 2026-11-30T14:15:32Z (broken)"));
	assert_false(live_node_retired(l, "gw-20", NULL));
	/* an entry of a node never ends */
	struct buf fields;
	buf_init(&fields, 1024);
	assert_int_equal(live_purge(l, FAR_NS, 100, &fields), 0);
	buf_free(&fields);
	/* the next start knows it */
	live_close(&l);
	l = opened();
	assert_true(live_node_retired(l, "gw-2", NULL));
	put_node(l, "gw-2", "2026-11-30T16:00:00Z", serial);
	assert_false(live_node_retired(l, "gw-2", NULL));
	assert_true(live_node_retired(l, "gw-3", NULL));
	/* the time of the settlement stays */
	assert_int_equal(live_node_settled(l, "gw-2") / 1000000000, 1796048133);
	live_close(&l);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invalid_node_is_refused),
		cmocka_unit_test(retired_node_is_refused_until_it_is_admitted),
	};

	return cmocka_run_group_tests(tests, live_rig_make, temp_dir_remove);
}

/* Changes that the admin server's calls make and refuse: keys, overrides of limits, approvals
 * of tools, and reports of readings. Without a server or a journal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/attr.h"
#include "base/log.h"
#include "gate/snapshot.h"
#include "gate/toolpins/tool_pins.h"
#include "policy/identity_entry.h"
#include "policy/limit.h"
#include "policy/policy.h"
#include "support/change_rig.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

static struct config cfg = { .node = "gw-1" };
static struct policy policy;

static int
begin(void **state UNUSED)
{
	static const unsigned char key[SHA256_BYTES] = { 1 };
	static struct limit limits[] = { { .name = "usd-day", .of = LIMIT_USD },
		{ .name = "requests", .of = LIMIT_REQUESTS } };
	static const struct identity_entry identities[] = { { .kind = ID_NONE }, { .kind = ID_API_KEY } };
	policy = (struct policy){ .label = "p",
		.limits = limits,
		.nlimits = 2,
		.identities = identities,
		.nidentities = 2 };
	static struct snapshot snap = { .refs = 1, .policy = &policy };
	static unsigned turn;
	char name[16];
	struct buf why;

	buf_init(&why, 1024);
	snprintf(name, sizeof(name), "live-%u", turn++);
	memset(&server, 0, sizeof(server));
	peer = (struct admin_peer){
		.by = BY_TOKEN, .name = "operator", .roles = ROLE_OPERATOR, .uid = (uid_t)-1
	};
	server.shared_cfg = &cfg;
	server.snap = &snap;
	server.live = live_open(path(name), NULL, "gw-1", key, &server.metrics, &why);
	server.pinning.pins = tool_pins_new();
	if (!server.live)
		print_error("%.*s\n", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return server.live && server.pinning.pins ? 0 : -1;
}

static int
end(void **state UNUSED)
{
	live_close(&server.live);
	tool_pins_free(&server.pinning.pins);
	return 0;
}

/* A tool as it is listed. */
static unsigned
show_find(void)
{
	json_auto_t *in = json_pack("{ss ss}", "server", "crm", "name", "find");
	struct buf out;

	buf_init(&out, 0);
	unsigned status = admin_tool_show(&server, &peer, in, &out);
	take_answer(&out);
	return status;
}

/* Returns a member of the response; in a list, a member of the entry with this id. */
static char *
member(const char *of, const char *id, const char *name, char text[128])
{
	json_t *all = json_loads(got, 0, NULL), *one = all, *v;
	size_t i;

	json_array_foreach(json_object_get(all, of), i, v)
	{
		if (!strcmp(json_string_value(json_object_get(v, "id")), id))
			one = v;
	}
	const char *value = json_string_value(json_object_get(one, name));
	snprintf(text, 128, "%s", value ? value : "");
	json_decref(all);
	return text;
}

struct row {
	const char *name, *in;
	unsigned status;
	const char *says;
};

static void
check(const struct change_row *call, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned status = ask(call, "%s", rows[i].in);
		if (status != rows[i].status || !strstr(got, rows[i].says))
			fail_msg("%s: %u %s", rows[i].name, status, got);
	}
}

/* ---- keys ---- */

static void
new_key_has_the_members_of_a_key(void **state UNUSED)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ "a key with a person", "{\"person\":\"ann\"}", 200, "\"key\":\"" },
		{ "a key without a person", "{}", 400, "person: this parameter is missing" },
		{ "an unknown member", "{\"person\":\"ann\",\"shade\":\"red\"}", 400, "shade: a key has no such member" },
		{ "a hash of the caller's own", "{\"person\":\"ann\",\"sha256\":\"00\"}", 400, "sha256: a key has no such member" },
		{ "another beginning", "{\"person\":\"ann\",\"created\":\"2020-01-01T00:00:00Z\"}", 400, "created: a key has no such member" },
		{ "an end that is over", "{\"person\":\"ann\",\"expires\":\"2020-01-01T00:00:00Z\"}", 400, "the time is in the past" },
		{ "an end that is now", "{\"person\":\"ann\",\"expires\":\"2026-09-21T14:13:20Z\"}", 400, "the time is in the past" },
		{ "an end that is none", "{\"person\":\"ann\",\"expires\":\"soon\"}", 400, "a time such as" },
		{ "two ends", "{\"person\":\"ann\",\"ttl\":\"1h\",\"expires\":\"2030-01-01T00:00:00Z\"}", 400, "give either this or expires, not both" },
		{ "no time at all", "{\"person\":\"ann\",\"ttl\":\"0s\"}", 400, "give a duration up to 36500d" },
		{ "a hundred years", "{\"person\":\"ann\",\"ttl\":\"36500d\"}", 200, "" },
		{ "and a day", "{\"person\":\"ann\",\"ttl\":\"36501d\"}", 400, "give a duration up to 36500d" },
		{ "for ever", "{\"person\":\"ann\",\"ttl\":\"never\"}", 200, "" },
		{ "by a number", "{\"person\":\"ann\",\"by\":7}", 400, "by: send a text" },
	};
	/* clang-format on */
	char id[128];

	fake_wall = 1790000000ll * 1000000000;
	check(&admin_key_new, rows, COUNT_OF(rows));
	/* In the list it has neither its text nor the hash of it. */
	assert_int_equal(ask(&admin_key_new, "{\"person\":\"bob\",\"by\":\"eve\"}"), 200);
	member("", "", "id", id);
	char text[128];
	member("", "", "key", text);
	list(admin_keys);
	assert_null(strstr(got, "sha256"));
	assert_null(strstr(got, text));
	assert_string_equal(member("keys", id, "by", text), "operator");
	assert_string_equal(member("keys", id, "claimed", text), "eve");
	/* The key is kept, but unused until the policy accepts API keys. */
	assert_null(strstr(got, "\"taken\""));
	policy.nidentities = 1;
	assert_int_equal(ask(&admin_key_new, "{\"person\":\"bob\"}"), 200);
	assert_non_null(strstr(got, "\"taken\":false"));
	live_close(&server.live);
	assert_int_equal(ask(&admin_key_new, "{\"person\":\"bob\"}"), 409);
}

static void
ended_key_stays_ended(void **state UNUSED)
{
	char id[128], next[128], ends[128], text[128];

	assert_int_equal(ask(&admin_key_new, "{\"person\":\"ann\",\"ttl\":\"1h\"}"), 200);
	member("", "", "id", id);
	list(admin_keys);
	member("keys", id, "expires", ends);
	assert_int_equal(strlen(ends), 20);
	/* The next key is valid beside it until the first one ends, and no longer than the
	 * first one was valid. */
	assert_int_equal(
		ask(&admin_key_rotate, "{\"id\":\"%s\",\"overlap\":\"24h\"}", id), 200);
	member("", "", "id", next);
	assert_string_not_equal(next, id);
	list(admin_keys);
	assert_string_equal(member("keys", id, "expires", text), ends);
	assert_string_equal(member("keys", next, "person", text), "ann");
	assert_int_equal(
		ask(&admin_key_rotate, "{\"id\":\"%s\",\"overlap\":\"1s\"}", next), 200);
	list(admin_keys);
	assert_true(strcmp(member("keys", next, "expires", text), ends) < 0);
	fake_pass_us(3600000000);
	list(admin_keys);
	assert_string_equal(member("keys", id, "state", text), "expired");
	assert_int_equal(ask(&admin_key_rotate, "{\"id\":\"%s\"}", id), 409);
	assert_non_null(strstr(got, "the key has expired or is revoked"));
	/* A revoked key can be neither changed nor rotated. */
	assert_int_equal(ask(&admin_key_new, "{\"person\":\"bob\"}"), 200);
	member("", "", "id", id);
	assert_int_equal(ask(&admin_key_change, "{\"id\":\"%s\",\"team\":\"t\"}", id), 200);
	assert_int_equal(
		ask(&admin_key_revoke, "{\"id\":\"%s\",\"reason\":\"lost\"}", id), 200);
	assert_int_equal(ask(&admin_key_revoke, "{\"id\":\"%s\"}", id),
		200); /* the key is already revoked */
	assert_int_equal(ask(&admin_key_change, "{\"id\":\"%s\",\"team\":\"u\"}", id), 409);
	assert_non_null(strstr(got, "the key is revoked, which is final"));
	assert_int_equal(ask(&admin_key_rotate, "{\"id\":\"%s\"}", id), 409);
	list(admin_keys);
	assert_string_equal(member("keys", id, "state", text), "revoked");
	assert_string_equal(member("keys", id, "team", text), "t");
	assert_int_equal(ask(&admin_key_change, "{\"id\":\"none\",\"team\":\"u\"}"), 404);
	assert_int_equal(ask(&admin_key_change, "{\"team\":\"u\"}"), 400);
}

/* ---- limits ---- */

static void
override_needs_an_existing_limit(void **state UNUSED)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ "dollars", "{\"limit\":\"usd-day\",\"for\":{\"person\":\"ann\"},\"to\":\"0.25\"}", 200, "" },
		{ "a limit of another name", "{\"limit\":\"usd-dya\",\"for\":{},\"to\":1}", 404, "has no such limit" },
		{ "without a person", "{\"limit\":\"usd-day\",\"to\":1}", 400, "limit and for are missing" },
		{ "an override with an unknown member", "{\"limit\":\"usd-day\",\"for\":{},\"to\":1,\"amount\":2}", 400, "amount: an override has no such member" },
		{ "dollars that are none", "{\"limit\":\"usd-day\",\"for\":{},\"to\":\"much\"}", 400, "US dollars such as" },
		{ "less than none", "{\"limit\":\"usd-day\",\"for\":{},\"to\":\"-1\"}", 400, "US dollars such as" },
		{ "requests", "{\"limit\":\"requests\",\"for\":{},\"to\":576460752303423487}", 200, "" },
		{ "more of them than is counted", "{\"limit\":\"requests\",\"for\":{\"person\":\"x\"},\"to\":576460752303423488}", 400, "a whole number" },
		{ "fewer than none", "{\"limit\":\"requests\",\"for\":{},\"to\":-1}", 400, "a whole number" },
		{ "half of one", "{\"limit\":\"requests\",\"for\":{},\"to\":0.5}", 400, "a whole number" },
		{ "an end that is over", "{\"limit\":\"requests\",\"for\":{},\"to\":1,\"until\":\"2020-01-01T00:00:00Z\"}", 400, "the time is in the past" },
	};
	/* clang-format on */
	char id[128], text[128];

	check(&admin_limit_set, rows, COUNT_OF(rows));
	assert_int_equal(ask(&admin_limit_set, "{\"limit\":\"requests\",\"for\":{\"person\":"
					       "\"cid\"},\"to\":3,\"ttl\":\"1h\"}"),
		200);
	member("", "", "id", id);
	list(admin_limits);
	assert_string_equal(member("overrides", id, "state", text), "live");
	fake_pass_us(3600000000);
	list(admin_limits);
	assert_string_equal(member("overrides", id, "state", text), "expired");
	/* An ended override is in no list and cannot be ended again. */
	assert_int_equal(ask(&admin_limit_clear, "{\"id\":\"%s\",\"colour\":1}", id), 400);
	assert_int_equal(ask(&admin_limit_clear, "{\"id\":\"%s\"}", id), 200);
	assert_int_equal(ask(&admin_limit_clear, "{\"id\":\"%s\"}", id), 404);
	assert_int_equal(ask(&admin_limit_clear, "{\"id\":\"0123456789abcdef\"}"), 404);
	list(admin_limits);
	assert_null(strstr(got, id));
}

/* ---- tools ---- */

static void
see(const char *name, int version)
{
	const struct tool_pin_of of = { PIN_TOOL, SPAN_LIT("crm"), span_str(name) };
	char text[128];

	snprintf(text, sizeof(text), "{\"name\":\"%s\",\"description\":\"text %d\"}", name,
		version);
	tool_pins_see(server.pinning.pins, &of, span_str(text));
}

static unsigned
approve(const char *hash, int digits, const char *more)
{
	return ask(&admin_tool_approve,
		"{\"server\":\"crm\",\"name\":\"find\",\"hash\":\"%.*s\"%s}", digits, hash,
		more);
}

static void
tool_description_is_approved_by_its_hash(void **state UNUSED)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ "without a server", "{\"name\":\"find\",\"none\":true}", 400, "server: this parameter is missing" },
		{ "a tool that was not listed", "{\"server\":\"crm\",\"name\":\"fnd\",\"none\":true}", 404, "has not listed such a tool" },
		{ "another server's", "{\"server\":\"cr\",\"name\":\"find\",\"none\":true}", 404, "has not listed such a tool" },
		{ "another kind", "{\"server\":\"crm\",\"name\":\"find\",\"kind\":\"prompt\",\"none\":true}", 404, "has not listed such a prompt" },
		{ "a kind that is none", "{\"server\":\"crm\",\"name\":\"find\",\"kind\":\"spell\"}", 400, "tool, prompt or instructions" },
		{ "instructions of a name", "{\"server\":\"crm\",\"name\":\"find\",\"kind\":\"instructions\"}", 400, "instructions have no name" },
		{ "without a hash", "{\"server\":\"crm\",\"name\":\"find\"}", 400, "hash: send 32 to 64" },
	};
	/* clang-format on */
	static const char other[] =
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	char hash[128], capital[130];

	see("find", 0);
	check(&admin_tool_approve, rows, COUNT_OF(rows));
	assert_int_equal(show_find(), 200);
	member("", "", "hash", hash);
	assert_int_equal(strlen(hash), 64);
	/* With fewer digits, a server could make two descriptions with the same prefix. */
	assert_int_equal(approve(hash, 31, ""), 400);
	assert_int_equal(approve(other, 64, ""), 409);
	assert_non_null(strstr(got, "no text of this pin has the hash"));
	snprintf(capital, sizeof(capital), "%s", hash);
	for (char *p = capital; *p; p++)
		*p = (char)(*p >= 'a' ? *p - 32 : *p);
	assert_int_equal(approve(capital, 64, ""), strcmp(capital, hash) ? 400 : 200);
	snprintf(capital, sizeof(capital), "%s0", hash);
	assert_int_equal(approve(capital, 65, ""), 400);
	assert_int_equal(approve(hash, 64, ",\"none\":true"), 400);
	assert_int_equal(approve(hash, 32, ""), 200);
	/* Eight approvals are kept. A ninth is refused, or replaces them if the call asks for
	 * it. */
	for (int i = 1; i < CAP_TOOL_PIN_HASHES; i++) {
		see("find", i);
		assert_int_equal(show_find(), 200);
		assert_int_equal(approve(member("", "", "hash", hash), 64, ""), 200);
	}
	assert_int_equal(approve(hash, 64, ""), 200); /* an existing hash */
	see("find", CAP_TOOL_PIN_HASHES);
	assert_int_equal(show_find(), 200);
	member("", "", "hash", hash);
	assert_int_equal(approve(hash, 64, ""), 409);
	assert_non_null(strstr(got, "8 texts of this pin are approved"));
	assert_int_equal(approve(hash, 64, ",\"only\":true"), 200);
	assert_int_equal(show_find(), 200);
	json_t *shown = json_loads(got, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(shown, "approved_hashes")), 1);
	json_decref(shown);
}

/* ---- readings ---- */

/* Without a journal, a valid report is a conflict, because it cannot be recorded. */
static void
report_of_a_reading_has_valid_members(void **state UNUSED)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ "a command", "{\"command\":\"audit list\",\"asked\":{},\"records\":0}", 409, "the daemon writes no records" },
		{ "of 32 letters", "{\"command\":\"abcdefghijklmnopqrstuvwxyzabcdef\",\"asked\":{},\"records\":0}", 409, "" },
		{ "of one more", "{\"command\":\"abcdefghijklmnopqrstuvwxyzabcdefg\",\"asked\":{},\"records\":0}", 400, "words of a command" },
		{ "with an option", "{\"command\":\"audit list --x\",\"asked\":{},\"records\":0}", 400, "words of a command" },
		{ "that ends a line", "{\"command\":\"audit\\nlist\",\"asked\":{},\"records\":0}", 400, "words of a command" },
		{ "none", "{\"command\":\"\",\"asked\":{},\"records\":0}", 400, "words of a command" },
		{ "asked for a list", "{\"command\":\"x\",\"asked\":[],\"records\":0}", 400, "asked: send an object" },
		{ "eight deep", "{\"command\":\"x\",\"asked\":{\"a\":[[[[[[1]]]]]]},\"records\":0}", 409, "" },
		{ "nine deep", "{\"command\":\"x\",\"asked\":{\"a\":[[[[[[[1]]]]]]]},\"records\":0}", 400, "nested at most 8 deep" },
		{ "fewer than none", "{\"command\":\"x\",\"asked\":{},\"records\":-1}", 400, "records: send a whole number" },
		{ "without an end or beginning", "{\"command\":\"x\",\"asked\":{},\"records\":0,\"follow\":\"middle\"}", 400, "begin or end" },
	};
	/* clang-format on */
	static char in[(32 << 10) + 128];

	check(&admin_read, rows, COUNT_OF(rows));
	for (int over = 0; over < 2; over++) { /* {"a":"…"} of 32 KB, and of one byte more */
		struct buf out;
		int n = snprintf(
			in, sizeof(in), "{\"command\":\"x\",\"records\":0,\"asked\":{\"a\":\"");
		memset(in + n, 'x', (size_t)((32 << 10) - 8 + over));
		snprintf(in + n + (32 << 10) - 8 + over, 8, "\"}}");
		json_t *o = json_loads(in, 0, NULL);
		assert_non_null(o);
		buf_init(&out, 0);
		assert_int_equal(
			change_call(&admin_read, &server, &peer, o, &out), over ? 400 : 409);
		buf_free(&out);
		json_decref(o);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(new_key_has_the_members_of_a_key),
		T(ended_key_stays_ended),
		T(override_needs_an_existing_limit),
		T(tool_description_is_approved_by_its_hash),
		T(report_of_a_reading_has_valid_members),
	};
#undef T

	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}

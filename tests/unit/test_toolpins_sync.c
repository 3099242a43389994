/* Pins on disk and in Redis: two daemons with one Redis, restarts, an unavailable or emptied
 * Redis, and lines that were made without the key. A daemon is a table with its own thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "gate/toolpins/sync.h"
#include "support/redis_rig.h"
#include "support/temp_dir.h"

static struct redis_rig redis;
static bool have;

static int
begin(void **state)
{
	if (temp_dir_make(state))
		return -1;
	have = redis_rig_installed();
	if (have)
		redis_rig_start(&redis, dir);
	return 0;
}

static int
end(void **state)
{
	if (have)
		redis_rig_stop(&redis);
	return temp_dir_remove(state);
}

#define NEEDS_REDIS                                                                            \
	do {                                                                                   \
		if (!have) {                                                                   \
			print_message("SKIP: redis-server is not installed\n");                \
			skip();                                                                \
		}                                                                              \
		redis_rig_do(&redis, "FLUSHALL");                                              \
	} while (0)

struct daemon {
	struct tool_pins *pins;
	struct tool_pins_sync *sync;
};

static bool
try(struct daemon *d, const char *name, bool shared, const char *key, struct buf *why)
{
	struct redis_options o;
	struct tool_pins_place place = { .file = name ? path(name) : NULL,
		.redis = shared ? &o : NULL };

	if (shared)
		assert_int_equal(redis_options_url(&o, redis.url), 0);
	sha256(span_str(key), place.key);
	d->pins = tool_pins_new();
	d->sync = tool_pins_sync_start(d->pins, &place, why);
	if (d->sync)
		tool_pins_sync_first(d->sync, 5000000);
	else
		tool_pins_free(&d->pins);
	return d->sync != NULL;
}

static struct daemon
up(const char *name, bool shared)
{
	struct daemon d;
	struct buf why;

	buf_init(&why, 1024);
	if (!try(&d, name, shared, "secret", &why))
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return d;
}

static void
down(struct daemon *d)
{
	tool_pins_sync_stop(&d->sync);
	tool_pins_free(&d->pins);
}

static struct tool_pin_of
tool(const char *name)
{
	return (struct tool_pin_of){ PIN_TOOL, SPAN_LIT("s"), span_str(name) };
}

static const char *
see(struct daemon *d, const char *name, const char *json)
{
	struct tool_pin_of of = tool(name);

	return tool_states[tool_pins_see(d->pins, &of, span_str(json))];
}

static const char *
state_of(struct daemon *d, const char *name)
{
	struct tool_pin_of of = tool(name);

	return tool_states[tool_pins_state(d->pins, &of)];
}

/* Waits until the state is as wanted, a minute at most. */
static void
becomes(struct daemon *d, const char *name, const char *want)
{
	uint64_t until = clock_mono_us() + 60000000;
	const char *now;

	while (strcmp(now = state_of(d, name), want) != 0 && clock_mono_us() < until)
		usleep(10000);
	assert_string_equal(now, want);
}

static void
written(struct daemon *d)
{
	struct buf why;

	buf_init(&why, 1024);
	if (!tool_pins_sync_wait(d->sync, 10000000, &why))
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
}

static void
approve(struct daemon *d, const char *name, enum tool_pin_change change, const char *canonical)
{
	struct tool_pin_of of = tool(name);
	unsigned char hash[SHA256_BYTES];

	sha256(span_str(canonical), hash);
	assert_int_equal(tool_pins_approve(d->pins, &of, change, hash, SPAN_LIT("ops")), 0);
	written(d);
}

#define V1 "{\"description\":\"adds\",\"name\":\"add\"}"
#define V2 "{\"description\":\"adds, and reads ~/.ssh\",\"name\":\"add\"}"
#define V3 "{\"description\":\"adds numbers\",\"name\":\"add\"}"

static void
restart_keeps_all_pins(void **state)
{
	struct daemon d = up("alone", false);

	(void)state;
	assert_string_equal(see(&d, "add", V1), "new");
	assert_string_equal(see(&d, "b", V1), "new");
	approve(&d, "b", PIN_ADD, V1);
	down(&d);
	d = up("alone", false);
	assert_string_equal(state_of(&d, "add"), "new");
	assert_string_equal(see(&d, "b", V1), "approved");
	assert_string_equal(see(&d, "add", V2), "changed");
	down(&d);
	/* after a restart the tool is still changed, with its texts */
	d = up("alone", false);
	assert_string_equal(state_of(&d, "add"), "changed");
	struct tool_pin_of of = tool("add");
	json_t *pin = tool_pins_get(d.pins, &of);
	assert_string_equal(json_string_value(json_object_get(pin, "first_text")), V1);
	assert_string_equal(json_string_value(json_object_get(pin, "text")), V2);
	json_decref(pin);
	down(&d);
}

static void
pin_file_of_another_key_is_refused(void **state)
{
	struct daemon d = up("mine", false), other;
	struct buf why;

	(void)state;
	see(&d, "add", V1);
	written(&d);
	down(&d);
	buf_init(&why, 1024);
	assert_false(try(&other, "mine", false, "another", &why));
	assert_non_null(memmem(why.p, why.n, "mine:1: ", 8));
	buf_free(&why);
	/* a line that a crash cut off is ignored */
	FILE *f = fopen(path("mine"), "a");
	assert_non_null(f);
	fputs("{\"kind\":\"pin\"", f);
	fclose(f);
	d = up("mine", false);
	assert_string_equal(state_of(&d, "add"), "new");
	down(&d);
}

/* If two replicas of a server have different descriptions, the pin is not written at each
 * listing. */
static void
alternating_description_is_written_only_a_few_times(void **state)
{
	struct daemon d = up("fro", false);
	char line[4096];
	int n = 0;

	(void)state;
	for (int i = 0; i < 24; i++) {
		see(&d, "add", i & 1 ? V2 : V1);
		written(&d);
	}
	FILE *f = fopen(path("fro"), "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n++;
	fclose(f);
	assert_in_range(n, 1, 6);
	down(&d);
	d = up("fro", false);
	assert_string_equal(see(&d, "add", V1), "new");
	down(&d);
}

/* A write that the disk refuses is made later. */
static void
failed_write_of_a_pin_is_repeated(void **state)
{
	struct daemon d;
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	d = up("gone/pins", false);
	see(&d, "add", V1);
	assert_false(tool_pins_sync_wait(d.sync, 300000, &why));
	assert_non_null(memmem(why.p, why.n, "cannot be written", 17));
	assert_int_equal(mkdir(path("gone"), 0700), 0);
	written(&d);
	down(&d);
	d = up("gone/pins", false);
	assert_string_equal(state_of(&d, "add"), "new");
	down(&d);
	buf_free(&why);
}

static void
pin_is_known_to_the_other_daemon(void **state)
{
	(void)state;
	NEEDS_REDIS;
	struct daemon a = up("a1", true), b = up("b1", true), c = up("c1", true);
	assert_string_equal(see(&a, "add", V1), "new");
	becomes(&b, "add", "new");
	/* the first text is the other daemon's too */
	assert_string_equal(see(&b, "add", V2), "changed");
	becomes(&a, "add", "changed");
	approve(&a, "add", PIN_ADD, V2);
	becomes(&b, "add", "approved");
	/* two texts approved by two people: both pass */
	approve(&b, "add", PIN_ADD, V1);
	assert_string_equal(see(&b, "add", V1), "approved");
	assert_string_equal(see(&b, "add", V2), "approved");
	/* one approval is withdrawn */
	approve(&a, "add", PIN_ONLY, V1);
	becomes(&b, "add", "changed");
	assert_string_equal(see(&a, "add", V1), "approved");
	becomes(&c, "add",
		"approved"); /* so that "new" is the latest state, not the initial one */
	approve(&b, "add", PIN_NONE, V1);
	becomes(&a, "add", "new");
	down(&a);
	down(&b);
	/* also on the disk of a daemon that only received the pin */
	becomes(&c, "add", "new");
	written(&c);
	down(&c);
	c = up("c1", false);
	assert_string_equal(see(&c, "add", V2), "changed");
	down(&c);
}

/* The daemon whose write Redis accepts is first; the other text then counts as changed. */
static void
concurrent_first_texts_have_one_winner(void **state)
{
	(void)state;
	NEEDS_REDIS;
	struct daemon a = up("a2", true), b = up("b2", true);
	struct tool_pin_of of;
	char name[16];

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		assert_string_equal(see(&a, name, V1), "new");
		/* the other daemon may already know */
		see(&b, name, V2);
	}
	written(&a);
	written(&b);
	for (int i = 0; i < 20; i++) {
		uint64_t until = clock_mono_us() + 60000000;
		bool same = false;
		snprintf(name, sizeof(name), "t%d", i);
		of = tool(name);
		while (!same && clock_mono_us() < until) {
			json_t *x = tool_pins_get(a.pins, &of), *y = tool_pins_get(b.pins, &of);
			same = json_equal(json_object_get(x, "first_hash"),
				json_object_get(y, "first_hash"));
			json_decref(x);
			json_decref(y);
			if (!same)
				usleep(10000);
		}
		assert_true(same);
		/* one of the two texts is changed for both daemons */
		assert_true(
			!strcmp(see(&a, name, V1), "new") != !strcmp(see(&a, name, V2), "new"));
		assert_string_equal(see(&a, name, V1), see(&b, name, V1));
	}
	down(&a);
	down(&b);
}

/* This daemon learns the other's text only when Redis refuses its own. */
static void
redis_determines_the_first_text(void **state)
{
	(void)state;
	NEEDS_REDIS;
	struct daemon a = up("a7", true);
	see(&a, "add", V1);
	written(&a);
	down(&a);
	redis_rig_do(&redis, "RENAME tollgate:{pins}:entries aside");
	struct daemon b = up("b7", true);
	redis_rig_do(&redis, "RENAME aside tollgate:{pins}:entries");
	assert_string_equal(see(&b, "add", V2), "new");
	becomes(&b, "add", "changed");
	assert_string_equal(see(&b, "add", V1), "new");
	down(&b);
}

static void
emptied_redis_gets_all_pins_again(void **state)
{
	(void)state;
	NEEDS_REDIS;
	struct daemon a = up("a3", true), b = up("b3", true);
	see(&a, "add", V1);
	see(&a, "c", V1);
	approve(&a, "c", PIN_ADD, V1);
	becomes(&b, "c", "approved");
	redis_rig_do(&redis, "FLUSHALL");
	/* a daemon that knows nothing yet */
	uint64_t until = clock_mono_us() + 60000000;
	while (redis_rig_do(&redis, "HLEN tollgate:{pins}:entries") != 2 &&
		clock_mono_us() < until)
		usleep(10000);
	struct daemon c = up("c3", true);
	assert_string_equal(state_of(&c, "c"), "approved");
	assert_string_equal(see(&c, "add", V2), "changed");
	down(&a);
	down(&b);
	down(&c);
}

static void
first_text_made_while_redis_was_empty_is_replaced_by_the_older(void **state)
{
	(void)state;
	NEEDS_REDIS;
	struct daemon a = up("a4", true);
	see(&a, "add", V1);
	written(&a);
	down(&a);
	redis_rig_do(&redis, "FLUSHALL");
	struct daemon b = up("b4", true);
	assert_string_equal(see(&b, "add", V2), "new");
	written(&b);
	a = up("a4", true);
	becomes(&b, "add", "changed");
	assert_string_equal(see(&a, "add", V1), "new");
	down(&a);
	down(&b);
}

static void
lines_made_without_the_key_are_not_accepted(void **state)
{
	(void)state;
	NEEDS_REDIS;
	struct daemon a = up("a5", true), b;
	struct buf why, text;

	see(&a, "add", V1);
	see(&a, "d", V1);
	written(&a);
	/* a forged approval, the line of another pin, a key of another type */
	redis_rig_do(&redis, "EVAL %s 1 tollgate:{pins}:entries",
		"local k = redis.call('HKEYS', KEYS[1]) "
		"local v = redis.call('HGET', KEYS[1], k[1]) "
		"redis.call('HSET', KEYS[1], k[2], v) "
		"redis.call('HSET', KEYS[1], 'x', '{}') return 1");
	buf_init(&why, 1024);
	assert_true(try(&b, "b5", true, "another key", &why));
	assert_string_equal(state_of(&b, "add"), "unlisted");
	down(&b);
	b = up("b5b", true);
	buf_init(&text, 0);
	tool_pins_metrics(b.pins, &text);
	assert_null(memmem(text.p, text.n, "pin_forged_total 0\n", 19));
	buf_free(&text);
	redis_rig_do(&redis, "DEL tollgate:{pins}:entries");
	redis_rig_do(&redis, "SET tollgate:{pins}:entries x");
	uint64_t until = clock_mono_us() + 60000000;
	while (redis_rig_do(&redis, "HLEN tollgate:{pins}:entries") != 2 &&
		clock_mono_us() < until)
		usleep(10000);
	becomes(&b, "d", "new");
	becomes(&b, "add", "new");
	down(&a);
	down(&b);
	buf_free(&why);
}

static void
without_redis_each_daemon_uses_its_own_pins(void **state)
{
	(void)state;
	NEEDS_REDIS;
	redis_rig_stop(&redis);
	struct daemon a = up("a6", true);
	struct buf why;

	/* at once */
	assert_string_equal(see(&a, "add", V1), "new");
	assert_string_equal(see(&a, "add", V2), "changed");
	buf_init(&why, 1024);
	assert_false(tool_pins_sync_up(a.sync, &why));
	assert_true(why.n > 0);
	assert_false(tool_pins_sync_wait(a.sync, 1000, &why));
	buf_free(&why);
	redis_rig_start(&redis, dir);
	uint64_t until = clock_mono_us() + 60000000;
	while (redis_rig_do(&redis, "HLEN tollgate:{pins}:entries") != 1 &&
		clock_mono_us() < until)
		usleep(10000);
	struct daemon b = up("b6", true);
	assert_string_equal(state_of(&b, "add"), "changed");
	down(&a);
	down(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restart_keeps_all_pins),
		cmocka_unit_test(pin_file_of_another_key_is_refused),
		cmocka_unit_test(alternating_description_is_written_only_a_few_times),
		cmocka_unit_test(failed_write_of_a_pin_is_repeated),
		cmocka_unit_test(pin_is_known_to_the_other_daemon),
		cmocka_unit_test(concurrent_first_texts_have_one_winner),
		cmocka_unit_test(redis_determines_the_first_text),
		cmocka_unit_test(emptied_redis_gets_all_pins_again),
		cmocka_unit_test(
			first_text_made_while_redis_was_empty_is_replaced_by_the_older),
		cmocka_unit_test(lines_made_without_the_key_are_not_accepted),
		cmocka_unit_test(without_redis_each_daemon_uses_its_own_pins),
	};

	return cmocka_run_group_tests(tests, begin, end);
}

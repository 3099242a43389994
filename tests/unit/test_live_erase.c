/* Erasures as live entries: valid ones, that they are permanent, who is notified of a new one,
 * and the notes in Redis on who has carried it out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "gate/changes/sync.h"
#include "support/live_rig.h"
#include "support/redis_rig.h"

#define TAG    "0f3c00000000000000000000000000000000000000000000000000000000ab12"
#define ID     "0f3c000000000000"
#define FAR_NS (INT64_C(4000000000) * 1000000000)

#define ERASE(serial, rest)                                                                    \
	"{\"kind\":\"erase\",\"id\":\"" ID "\",\"serial\":" serial ",\"tag\":\"" TAG "\"" rest \
	"}"
#define WHY ",\"why\":\"asked\""

static struct redis_rig redis;

static struct live *
begun(void)
{
	unlink(file);
	return opened();
}

static void
invalid_erasure_is_refused(void **state)
{
	static const struct {
		const char *json, *want; /* NULL: valid */
	} rows[] = {
		{ ERASE("7", WHY), NULL },
		{ ERASE("7", WHY ",\"ticket\":\"DSR-12\",\"by\":\"ann\""), NULL },
		{ ERASE("7", WHY ",\"cache_tag\":\"0011223344556677\""), NULL },
		{ ERASE("7", WHY ",\"placeholders_tag\":\"00112233\""),
			"placeholders_tag: expected 16 hexadecimal digits" },
		{ ERASE("7", ""), "why: is missing: give the reason for the erasure" },
		{ ERASE("7", WHY ",\"ticket\":\"a\\nb\""),
			"ticket: expected text without control characters" },
		{ "{\"kind\":\"erase\",\"id\":\"" ID "\",\"serial\":7" WHY "}",
			"tag: expected 64 hexadecimal digits" },
		{ "{\"kind\":\"erase\",\"id\":\"0f3c000000000001\",\"serial\":7,\"tag\":\"" TAG
		  "\"" WHY "}",
			"id: is not the beginning of the tag" },
		{ "{\"kind\":\"erase\",\"id\":\"0f3c\",\"serial\":7,\"tag\":\"" TAG "\"" WHY
		  "}",
			"id: is not the beginning of the tag" },
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

/* A tag belongs to one holder and one key, and does not reveal the name. */
static void
tag_depends_on_holder_and_key(void **state)
{
	unsigned char x[SHA256_BYTES], y[SHA256_BYTES], other[SHA256_BYTES] = { 1 };
	struct live *l = begun();

	(void)state;
	live_tag(l, SPAN_LIT("alice"), x);
	live_erase_tag(secret, SPAN_LIT("alice"), y);
	assert_memory_equal(x, y, sizeof(x));
	live_tag(l, SPAN_LIT("alic"), y);
	assert_memory_not_equal(x, y, sizeof(x));
	live_erase_tag(other, SPAN_LIT("alice"), y);
	assert_memory_not_equal(x, y, sizeof(x));
	/* HMAC-SHA-256(key, "tollgate-erase-v1" ‖ 0x00 ‖ holder) */
	hmac_sha256(secret, SPAN_LIT("tollgate-erase-v1\0alice"), y);
	assert_memory_equal(x, y, sizeof(x));
	live_close(&l);
}

/* ---- one daemon ---- */

static unsigned came;

static void
count_it(void *arg)
{
	json_decref(live_list(arg, LIVE_ERASE)); /* the callback runs without the lock */
	came++;
}

static int64_t
put_erasure(struct live *l, const char *holder, int64_t serial)
{
	unsigned char tag[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1], field[LIVE_FIELD_MAX];
	struct buf why;

	live_tag(l, span_str(holder), tag);
	sodium_bin2hex(hex, sizeof(hex), tag, sizeof(tag));
	json_t *o = json_pack(
		"{s:s%,s:s,s:s}", "id", hex, LIVE_ERASE_ID, "tag", hex, "why", "asked");
	buf_init(&why, 1024);
	int err = live_put(l, LIVE_ERASE, o, serial, &why);
	buf_free(&why);
	json_decref(o);
	snprintf(field, sizeof(field), "erase:%.16s", hex);
	o = err ? NULL : live_get(l, field);
	int64_t is = json_int_in(o, "serial");
	json_decref(o);
	return is;
}

static void
worker_knows_later_erasures(void **state)
{
	struct live *l = begun();
	uint64_t before = live_erasures_came(l);

	(void)state;
	assert_false(live_erased_since(l, 0, SPAN_LIT("alice"), before));
	int64_t serial = put_erasure(l, "alice", 0);
	uint64_t after = live_erasures_came(l);
	assert_true(after > before);
	assert_true(live_erased_since(l, 0, SPAN_LIT("alice"), before));
	assert_false(live_erased_since(l, 0, SPAN_LIT("bob"), before));
	assert_false(live_erased_since(l, 0, SPAN_LIT("alice"), after));
	/* a repeated erasure */
	assert_true(put_erasure(l, "alice", serial) > serial);
	assert_true(live_erased_since(l, 0, SPAN_LIT("alice"), after));
	live_close(&l);
}

static size_t
undone(struct live *l, char id[LIVE_ERASE_ID + 1])
{
	json_t *list = live_undone(l);
	size_t n = json_array_size(list);

	if (n && id)
		snprintf(id, LIVE_ERASE_ID + 1, "%s",
			json_text_in(json_array_get(list, 0), "id"));
	json_decref(list);
	return n;
}

static void
all_parts_done(struct live *l, const char *id, int64_t serial)
{
	for (enum live_part part = 0; part < LIVE_PARTS; part++)
		live_erasure_done(l, id, serial, part, clock_wall_ns(), true);
}

/* Writes the member `left` of the only erasure as text. */
static void
left_of(struct live *l, char out[96])
{
	json_t *list = live_erasures(l), *left = json_object_get(json_array_get(list, 0), "left");
	char *text = json_dumps(left, JSON_COMPACT);

	snprintf(out, 96, "%s%s", text,
		json_is_null(json_object_get(json_array_get(list, 0), "done")) ? "" : " done");
	free(text);
	json_decref(list);
}

static void
erasure_is_done_when_all_parts_are_done(void **state)
{
	static const struct {
		enum live_part done;
		const char *want;
	} rows[] = {
		{ LIVE_PLACEHOLDERS, "[\"shares\",\"cache\"]" },
		{ LIVE_SHARES, "[\"cache\"]" },
		{ LIVE_SHARES, "[\"cache\"]" },
		{ LIVE_CACHE, "[] done" },
	};
	char id[LIVE_ERASE_ID + 1], left[96];
	struct live *l = begun();

	(void)state;
	int64_t serial = put_erasure(l, "alice", 0);
	assert_int_equal(undone(l, id), 1);
	left_of(l, left);
	assert_string_equal(left, "[\"shares\",\"cache\",\"placeholders\"]");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		live_erasure_done(l, id, serial, rows[i].done, clock_wall_ns(), true);
		left_of(l, left);
		assert_string_equal(left, rows[i].want);
	}
	assert_int_equal(undone(l, NULL), 0);
	live_close(&l);
}

static void
erasing_parts_are_notified(void **state)
{
	char id[LIVE_ERASE_ID + 1];
	struct live *l = begun();
	size_t older;

	(void)state;
	came = 0;
	live_on_erasure(l, count_it, l);
	int64_t first = put_erasure(l, "alice", 0);
	assert_true(first > 0);
	assert_int_equal(came, 1);
	assert_int_equal(undone(l, id), 1);
	all_parts_done(l, id, first + 1); /* of another serial, so not this one */
	assert_int_equal(undone(l, NULL), 1);
	all_parts_done(l, id, first);
	assert_int_equal(undone(l, NULL), 0);
	/* The same person again: texts that were sealed since are erased too. */
	assert_int_equal(put_erasure(l, "alice", 0), 0);
	assert_int_equal(came, 1);
	int64_t again = put_erasure(l, "alice", first);
	assert_true(again > first);
	assert_int_equal(came, 2);
	assert_int_equal(undone(l, NULL), 1);
	/* An erasure that arrives by a merge is reported once. */
	struct live_entry *e = must(ERASE("7", WHY));
	struct live_item item = { .field = span_str(e->field), .text = e->text };
	live_merge(l, &item, 1, &older);
	assert_int_equal(came, 3);
	assert_int_equal(undone(l, NULL), 2);
	live_merge(l, &item, 1, &older);
	assert_int_equal(came, 3);
	live_entry_unref(&e);
	/* An older one of the same person changes nothing. */
	e = must(ERASE("6", WHY));
	item = (struct live_item){ .field = span_str(e->field), .text = e->text };
	live_merge(l, &item, 1, &older);
	assert_int_equal(older, 1);
	assert_int_equal(came, 3);
	live_entry_unref(&e);
	live_close(&l);
	/* After a restart all of them are examined again. */
	l = opened();
	assert_int_equal(undone(l, NULL), 2);
	json_t *shown = live_erasures(l);
	assert_int_equal(json_array_size(shown), 2);
	assert_int_equal(json_int_in(json_array_get(shown, 0), "serial"), again);
	assert_true(json_is_null(json_object_get(json_array_get(shown, 0), "done")));
	assert_null(json_object_get(json_array_get(shown, 0), "tag"));
	json_decref(shown);
	live_close(&l);
}

/* A file of shares may be restored from a backup at any time. */
static void
erasure_is_never_purged(void **state)
{
	struct live *l = begun();
	struct buf fields;

	(void)state;
	assert_true(put_erasure(l, "alice", 0) > 0);
	buf_init(&fields, 0);
	assert_int_equal(live_purge(l, FAR_NS, 100, &fields), 0);
	buf_free(&fields);
	assert_int_equal(live_count(l), 1);
	live_close(&l);
}

/* Erasures have their own limit: they take no room from keys, and keys take none from them. */
static void
number_of_erasures_is_limited_separately(void **state)
{
	enum { N = CAP_LIVE_ERASURES };
	struct live *l = begun();
	struct live_item *items = calloc(N, sizeof(*items));
	struct live_entry **e = calloc(N, sizeof(*e));
	char json[256];
	size_t older;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		snprintf(json, sizeof(json),
			"{\"kind\":\"erase\",\"id\":\"%016zx\",\"serial\":1,\"tag\":"
			"\"%016zx%048d\",\"why\":\"w\"}",
			i, i, 0);
		e[i] = must(json);
		items[i] = (struct live_item){ .field = span_str(e[i]->field),
			.text = e[i]->text };
	}
	live_merge(l, items, N, &older);
	assert_int_equal(live_count(l), N);
	assert_int_equal(put_erasure(l, "alice", 0), 0);
	struct live_entry *k = must(ENTRY("7", OWN));
	struct live_item key = { .field = span_str(k->field), .text = k->text };
	live_merge(l, &key, 1, &older);
	assert_int_equal(live_count(l), N + 1);
	live_entry_unref(&k);
	for (size_t i = 0; i < N; i++)
		live_entry_unref(&e[i]);
	free(e);
	free(items);
	live_close(&l);
}

/* ---- by Redis ---- */

struct node {
	struct live *live;
	struct live_sync *sync;
	bool carries_out;
};

static void
carry_out(void *arg)
{
	struct node *n = arg;
	json_t *list = live_undone(n->live), *one;
	size_t i;

	if (n->carries_out)
		json_array_foreach(list, i, one)
			all_parts_done(n->live, json_text_in(one, "id"),
				json_int_in(one, "serial"));
	json_decref(list);
}

static void
node_start(struct node *n, const char *name)
{
	struct redis_options o;
	struct buf why;
	char at[96];

	buf_init(&why, 4096);
	snprintf(at, sizeof(at), "%s/%s", dir, name);
	n->live = live_open(at, NULL, name, secret, &metrics, &why);
	assert_non_null(n->live);
	live_on_erasure(n->live, carry_out, n);
	assert_int_equal(redis_options_url(&o, redis.url), 0);
	n->sync = live_sync_start(n->live, &o, &why);
	assert_non_null(n->sync);
	redis_service_await_first(live_sync_service(n->sync), 5000000);
	carry_out(n);
	buf_free(&why);
}

static void
node_stop(struct node *n)
{
	live_sync_stop(&n->sync);
	live_close(&n->live);
}

/* Reads the note of that node on the erasure from Redis; "": none. */
static void
noted(const char *node, const char *id, char out[64])
{
	struct redis_options o;
	char field[96];
	struct buf why;

	json_t *nodes = json_array(), *done = json_object();
	buf_init(&why, 4096);
	assert_int_equal(redis_options_url(&o, redis.url), 0);
	assert_int_equal(live_erased_read(&o, 1000000, nodes, done, &why), 0);
	snprintf(field, sizeof(field), "%s/%s", node, id);
	snprintf(out, 64, "%s", json_text_in(done, field));
	json_decref(nodes);
	json_decref(done);
	buf_free(&why);
}

static bool
comes_to_be_noted(const char *node, const char *id, int64_t serial)
{
	char is[64] = "", want[32];

	snprintf(want, sizeof(want), "%lld ", (long long)serial);
	for (int i = 0; i < 300 && strncmp(is, want, strlen(want)) != 0; i++) {
		usleep(50000);
		noted(node, id, is);
	}
	return strncmp(is, want, strlen(want)) == 0;
}

static void
each_node_notes_its_finished_erasures(void **state)
{
	struct node a = { .carries_out = true }, b = { .carries_out = true }, c = { .live = 0 };
	char id[LIVE_ERASE_ID + 1], is[64];
	unsigned char tag[SHA256_BYTES];

	(void)state;
	if (!redis_rig_installed())
		skip();
	redis_rig_start(&redis, dir);
	node_start(&a, "gw-a");
	node_start(&b, "gw-b");
	node_start(&c, "gw-c"); /* a node whose disk fails */
	live_tag(a.live, SPAN_LIT("alice"), tag);
	sodium_bin2hex(id, sizeof(id), tag, LIVE_ERASE_ID / 2);
	int64_t first = put_erasure(a.live, "alice", 0);
	assert_true(redis_service_wait(live_sync_service(a.sync), 5000000));
	assert_true(comes_to_be_noted("gw-a", id, first));
	assert_true(comes_to_be_noted("gw-b", id, first));
	noted("gw-c", id, is);
	assert_string_equal(is, "");
	for (int i = 0; i < 300 && undone(c.live, NULL) == 0; i++)
		usleep(50000);
	/* Only its caches are done, which is noted as incomplete. */
	char want[64] = "";
	for (enum live_part part = LIVE_CACHE; part < LIVE_PARTS; part++)
		live_erasure_done(c.live, id, first, part, clock_wall_ns(), true);
	for (int i = 0; i < 300 && !is[0]; i++, usleep(50000))
		noted("gw-c", id, is);
	snprintf(want, sizeof(want), "0 %lld shares", (long long)first);
	assert_string_equal(is, want);
	/* The disk recovers after a while. */
	c.carries_out = true;
	carry_out(&c);
	assert_true(comes_to_be_noted("gw-c", id, first));
	/* A node that is down gets the erasure at its start, before redis_service_await_first() ends. */
	node_stop(&b);
	int64_t again = put_erasure(a.live, "alice", first);
	assert_true(again > first);
	assert_true(comes_to_be_noted("gw-a", id, again));
	noted("gw-b", id, is);
	assert_int_equal(strtoll(is, NULL, 10), first);
	node_start(&b, "gw-b");
	assert_int_equal(undone(b.live, NULL), 0);
	assert_true(comes_to_be_noted("gw-b", id, again));
	/* If Redis lost everything, each node that knows the erasure notes it again. */
	freeReplyObject(redisCommand(redis.c, "FLUSHALL"));
	assert_true(comes_to_be_noted("gw-a", id, again));
	assert_true(comes_to_be_noted("gw-b", id, again));
	/* A key of that name with another type is replaced. */
	freeReplyObject(redisCommand(redis.c, "SET " LIVE_ERASED_KEY " x"));
	freeReplyObject(redisCommand(redis.c, "INCR " LIVE_VERSION_KEY));
	int64_t third = 0;
	for (int i = 0; i < 100 && !third; i++, usleep(50000))
		third = put_erasure(a.live, "alice", again);
	usleep(1500000);
	assert_true(comes_to_be_noted("gw-a", id, third));
	node_stop(&a);
	node_stop(&b);
	node_stop(&c);
	redis_rig_stop(&redis);
}

/* ---- the notes of all nodes in Redis ---- */

enum { PATIENT_US = 20000000 }; /* for a busy machine */

/* Reads the notes of the Redis at `url`. Returns 0 or an error. *n is the number of notes. */
static int
read_notes(const char *url, uint64_t most_us, size_t *n, struct buf *why)
{
	struct redis_options o;
	json_auto_t *nodes = json_array(), *done = json_object();

	assert_int_equal(redis_options_url(&o, url), 0);
	int err = live_erased_read(&o, most_us, nodes, done, why);
	*n = json_object_size(done);
	return err;
}

static void
notes_on_several_pages_are_read(void **state)
{
	enum { NOTES = 5000 };
	struct buf why;
	size_t n;

	(void)state;
	if (!redis_rig_installed())
		skip();
	redis_rig_start(&redis, dir);
	buf_init(&why, 4096);
	for (int i = 0; i < NOTES; i++)
		redis_rig_do(&redis, "HSET " LIVE_ERASED_KEY " gw-a/%016x 1", i);
	assert_int_equal(read_notes(redis.url, PATIENT_US, &n, &why), 0);
	assert_int_equal(n, NOTES);
	redis_rig_do(&redis, "ACL SETUSER default -hscan");
	assert_int_equal(read_notes(redis.url, PATIENT_US, &n, &why), ERR_IO);
	if (!span_starts(buf_view(&why), SPAN_LIT("NOPERM")))
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	redis_rig_stop(&redis);
}

/* A server that answers each HSCAN with `page` and every other command with +OK. */
struct liar {
	char url[128];
	int listener;
	const char *page;
	pthread_t thread;
	_Atomic unsigned pages;
};

static void *
run_liar(void *arg)
{
	struct liar *l = arg;
	char in[4096];
	ssize_t n;
	int fd = accept(l->listener, NULL, NULL);

	while ((n = read(fd, in, sizeof(in))) > 0) {
		bool page = memmem(in, (size_t)n, "HSCAN", 5);
		const char *reply = page ? l->page : "+OK\r\n";
		l->pages += page;
		if (send(fd, reply, strlen(reply), MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
	return NULL;
}

static void
liar_start(struct liar *l, const char *page)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	static unsigned n;

	signal(SIGPIPE, SIG_IGN);
	*l = (struct liar){ .page = page };
	snprintf(at.sun_path, sizeof(at.sun_path), "%.80s/liar%u.sock", dir, n++);
	snprintf(l->url, sizeof(l->url), "unix:%s", at.sun_path);
	l->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(l->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(l->listener, 1), 0);
	assert_int_equal(pthread_create(&l->thread, NULL, run_liar, l), 0);
}

static void
liar_end(struct liar *l)
{
	pthread_join(l->thread, NULL);
	close(l->listener);
}

#define EMPTY_PAGE "*2\r\n$1\r\n7\r\n*0\r\n"

static void
reading_of_endless_notes_is_given_up(void **state)
{
	static char large[1 << 20];
	static const struct {
		const char *name, *page, *why;
		uint64_t most_us;
	} rows[] = {
		{ "empty pages", EMPTY_PAGE, "HSCAN did not end in time: try again", 200000 },
		{ "large pages", large, "HSCAN returned more than 64 MB", PATIENT_US },
		{ "no page", "*2\r\n:7\r\n:7\r\n", "HSCAN did not return a list", PATIENT_US },
		{ "a list of numbers", "*2\r\n$1\r\n0\r\n*2\r\n:7\r\n:7\r\n", "", PATIENT_US },
		{ "an odd list", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nx\r\n", "", PATIENT_US },
		{ "an error", "-LOADING data\r\n", "LOADING data", PATIENT_US },
	};
	struct liar l;
	struct buf why;
	size_t n;

	(void)state;
	int head = snprintf(large, sizeof(large),
		"*2\r\n$1\r\n7\r\n*2\r\n$1\r\nk\r\n$1000000\r\n");
	memset(large + head, 'v', 1000000);
	strcpy(large + head + 1000000, "\r\n");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		liar_start(&l, rows[i].page);
		buf_init(&why, 4096);
		int err = read_notes(l.url, rows[i].most_us, &n, &why);
		if (err != (rows[i].why[0] ? ERR_IO : 0) || !span_is(buf_view(&why), rows[i].why))
			fail_msg("%s: %d, %.*s", rows[i].name, err, SPAN_ARG(buf_view(&why)));
		buf_free(&why);
		liar_end(&l);
	}
}

static void
daemon_continues_if_redis_has_endless_entries(void **state)
{
	struct redis_options o;
	struct liar l;
	struct buf why;

	(void)state;
	buf_init(&why, 4096);
	struct live *live = begun();
	liar_start(&l, EMPTY_PAGE);
	assert_int_equal(redis_options_url(&o, l.url), 0);
	struct live_sync *s = live_sync_start(live, &o, &why);
	assert_non_null(s);
	redis_service_await_first(live_sync_service(s), 5000000);
	assert_true(l.pages > 1);
	live_sync_stop(&s);
	live_close(&live);
	liar_end(&l);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invalid_erasure_is_refused),
		cmocka_unit_test(tag_depends_on_holder_and_key),
		cmocka_unit_test(worker_knows_later_erasures),
		cmocka_unit_test(erasure_is_done_when_all_parts_are_done),
		cmocka_unit_test(erasing_parts_are_notified),
		cmocka_unit_test(erasure_is_never_purged),
		cmocka_unit_test(number_of_erasures_is_limited_separately),
		cmocka_unit_test(each_node_notes_its_finished_erasures),
		cmocka_unit_test(notes_on_several_pages_are_read),
		cmocka_unit_test(reading_of_endless_notes_is_given_up),
		cmocka_unit_test(daemon_continues_if_redis_has_endless_entries),
	};

	return cmocka_run_group_tests(tests, live_rig_make, temp_dir_remove);
}

/* Any bytes as a Redis reply, parsed by hiredis within redis_replies.h: refused, or read. The
 * first byte selects the command. */
#include <hiredis/hiredis.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/redis/redis_life.h"
#include "base/redis/redis_private.h"
#include "base/redis/redis_replies.h"
#include "base/redis/redis_sync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_place(const struct redis_place *p)
{
	INVARIANT(p->port > 0 && p->port <= 65535);
	INVARIANT(p->host[0] && strlen(p->host) < sizeof(p->host));
}

static void
as_slots(const redisReply *r)
{
	static struct redis_map m;

	if (redis_slots_read(r, "asked", &m))
		return;
	INVARIANT(m.n > 0 && m.n <= REDIS_NODES_MAX);
	for (size_t i = 0; i < m.n; i++)
		check_place(&m.place[i]);
	for (size_t i = 0; i < REDIS_SLOTS; i++)
		INVARIANT(m.owner[i] < m.n || m.owner[i] == REDIS_NOBODY);
}

static void
as_master(const redisReply *r)
{
	struct redis_place p;
	uint64_t epoch;
	struct buf why;

	buf_init(&why, 4096);
	if (redis_master_read(r, &p, &epoch, &why))
		INVARIANT(why.n > 0);
	else
		check_place(&p);
	buf_free(&why);
}

static void
as_info(const redisReply *r)
{
	struct redis_life l = { .tag = "{12345}" };

	if (redis_life_named(&l, span_of(r->str ? r->str : "", r->len)))
		INVARIANT(span_starts(span_str(l.key), SPAN_LIT("tollgate:epoch:{12345}:")));
}

/* Whatever the reply contains, the clock stays valid. */
static void
as_time(const redisReply *r)
{
	struct redis_life l = { .tag = "" };
	int64_t time[2] = { 0, 0 }, at_us;

	for (size_t i = 0; i < r->elements; i++)
		time[i % 2] = r->element[i]->str ? strtoll(r->element[i]->str, NULL, 10) : 0;
	if (redis_life_time_read(time, &at_us))
		redis_life_saw(&l, 1000, 2000, at_us);
	INVARIANT(l.least_us <= l.offset_us && l.offset_us <= l.most_us);
	redis_life_ms(&l, 3000);
}

static void
as_redirection(const redisReply *r)
{
	struct redis_place p;

	if (r->str && !redis_place_read(span_of(r->str, r->len), "asked", &p)) {
		check_place(&p);
		redis_place_address(&p);
	}
}

static void
as_numbers(const redisReply *r)
{
	struct redis_reply_ints to = { .n = 0 };

	redis_pipe_read(&to, r);
	INVARIANT(to.n <= REDIS_LIST_MAX);
}

static void
as_scan(const redisReply *r)
{
	char cursor[REDIS_CURSOR];
	const redisReply *list = redis_scan_list(r, cursor);

	INVARIANT(list ? list->type == REDIS_REPLY_ARRAY : !strcmp(cursor, "0"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const as[])(const redisReply *) = { as_slots, as_master, as_info, as_time,
		as_redirection, as_numbers, as_scan };
	struct redis_reading reading = { .ac = NULL };
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	if (size && reader) {
		redis_bound(reader, &reading);
		redisReaderFeed(reader, (const char *)data + 1, size - 1);
		while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
			INVARIANT(!reading.broken && reading.elements <= REDIS_REPLY_ELEMENTS);
			as[data[0] % (sizeof(as) / sizeof(as[0]))](reply);
			freeReplyObject(reply);
		}
	}
	redisReaderFree(reader);
	return 0;
}

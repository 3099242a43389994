/* Limits for replies, and reading where Redis is (Sentinel documentation, "SENTINEL MASTER";
 * Redis documentation, "CLUSTER SLOTS"). No I/O: redis_find.c asks, and tests/fuzz/fuzz_redis.c
 * passes arbitrary replies to these functions. */
#include "base/redis/redis_replies.h"

#include <pthread.h>
#include <string.h>

#include "base/err.h"
#include "base/redis/redis_life.h"

/* ---- bounds ---- */

/* The length of a list is an int in hiredis 0.14 and a size_t in 1.x. */
#if HIREDIS_MAJOR >= 1
typedef size_t list_length;
#else
typedef int list_length;
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static redisReplyObjectFunctions hiredis, bounded;
static const char too_large[] =
	"Redis sent a larger reply than any command of the daemon returns";
/* A blocking context is read by one thread until the reply is whole. */
static _Thread_local struct redis_reading blocking;

static struct redis_reading *
reading_of(void *privdata)
{
	return privdata ? privdata : &blocking;
}

/* Returns true if the reply belongs to a command. A server with too many clients sends an error
 * without a command; hiredis then ends the connection. */
static bool
is_asked_for(const redisReadTask *t, const struct redis_reading *r)
{
	return !r->ac || r->ac->replies.head || t->type == REDIS_REPLY_ERROR;
}

/* Counts the elements and bytes of an object that begins. Returns false if the connection must
 * end. */
static bool
reply_allows(const redisReadTask *t, size_t elements, size_t bytes)
{
	struct redis_reading *r = reading_of(t->privdata);

	if (!t->parent) {
		r->elements = r->bytes = 0;
		r->broken = is_asked_for(t, r) ? NULL : "Redis sent a reply without a command";
	}
	if (!r->broken && (elements > REDIS_REPLY_ELEMENTS - r->elements ||
				  bytes > REDIS_REPLY_BYTES - r->bytes))
		r->broken = too_large;
	if (r->broken)
		return false;
	r->elements += elements;
	r->bytes += bytes;
	return true;
}

static void *
bounded_string(const redisReadTask *t, char *s, size_t n)
{
	return reply_allows(t, 0, n) ? hiredis.createString(t, s, n) : NULL;
}

static void *
bounded_list(const redisReadTask *t, list_length n)
{
	return reply_allows(t, (size_t)n, 0) ? hiredis.createArray(t, n) : NULL;
}

static void *
bounded_integer(const redisReadTask *t, long long n)
{
	return reply_allows(t, 0, 0) ? hiredis.createInteger(t, n) : NULL;
}

static void *
bounded_nil(const redisReadTask *t)
{
	return reply_allows(t, 0, 0) ? hiredis.createNil(t) : NULL;
}

#if HIREDIS_MAJOR >= 1
static void *
bounded_double(const redisReadTask *t, double d, char *s, size_t n)
{
	return reply_allows(t, 0, n) ? hiredis.createDouble(t, d, s, n) : NULL;
}

static void *
bounded_bool(const redisReadTask *t, int b)
{
	return reply_allows(t, 0, 0) ? hiredis.createBool(t, b) : NULL;
}
#endif

static void
fill_bounded(void)
{
	redisReader *r = redisReaderCreate();

	INVARIANT(r);
	hiredis = bounded = *r->fn;
	redisReaderFree(r);
	bounded.createString = bounded_string;
	bounded.createArray = bounded_list;
	bounded.createInteger = bounded_integer;
	bounded.createNil = bounded_nil;
#if HIREDIS_MAJOR >= 1
	bounded.createDouble = bounded_double;
	bounded.createBool = bounded_bool;
#endif
}

void
redis_bound(redisReader *r, struct redis_reading *reading)
{
	pthread_once(&once, fill_bounded);
	r->fn = &bounded;
	r->privdata = reading;
}

const char *
redis_bound_broken(void)
{
	return blocking.broken;
}

bool
redis_bound_holds(redisReader *r)
{
	if (r->len - r->pos <= REDIS_REPLY_BYTES)
		return true;
	reading_of(r->privdata)->broken = too_large;
	return false;
}

/* ---- where Redis is ---- */

/* Returns the value of a field in a flat list of fields and values, or NULL. */
static const char *
reply_field(const redisReply *r, const char *name)
{
	for (size_t i = 0; i + 1 < r->elements; i += 2)
		if (r->element[i]->type == REDIS_REPLY_STRING &&
			r->element[i + 1]->type == REDIS_REPLY_STRING &&
			strcmp(r->element[i]->str, name) == 0)
			return r->element[i + 1]->str;
	return NULL;
}

int
redis_master_read(
	const redisReply *r, struct redis_place *out, uint64_t *epoch, struct buf *why)
{
	if (!r || r->type != REDIS_REPLY_ARRAY) {
		bool says = r && r->type == REDIS_REPLY_ERROR && r->str[0];
		buf_str(why, says ? r->str : "no answer");
		return ERR_IO;
	}
	const char *ip = reply_field(r, "ip"), *port = reply_field(r, "port"),
		   *e = reply_field(r, "config-epoch");
	char text[REDIS_URL_HOST_MAX + 8];

	if (!ip || !port || !e || span_u64(span_str(e), epoch) ||
		strlen(ip) + strlen(port) + 2 > sizeof(text)) {
		buf_str(why, "a reply without ip, port or config-epoch");
		return ERR_SYNTAX;
	}
	stpcpy(stpcpy(stpcpy(text, ip), ":"), port);
	int err = redis_place_read(span_str(text), "", out);
	if (err)
		buf_printf(why, "a reply whose ip and port are not an address: %s", text);
	return err;
}

/* ---- clusters ---- */

static int
add_place(struct redis_map *m, const struct redis_place *p, size_t *at)
{
	for (*at = 0; *at < m->n; (*at)++)
		if (m->place[*at].port == p->port && !strcmp(m->place[*at].host, p->host))
			return 0;
	if (m->n == REDIS_NODES_MAX)
		return ERR_LIMIT;
	m->place[m->n++] = *p;
	return 0;
}

/* Reads an element of CLUSTER SLOTS: first slot, last slot, the master (host, port, …), its
 * replicas. */
static int
read_slot_range(const redisReply *r, const char *asked, struct redis_map *out)
{
	struct redis_place p = { .host = "" };
	size_t at;

	if (r->type != REDIS_REPLY_ARRAY || r->elements < 3 ||
		r->element[0]->type != REDIS_REPLY_INTEGER ||
		r->element[1]->type != REDIS_REPLY_INTEGER ||
		r->element[2]->type != REDIS_REPLY_ARRAY || r->element[2]->elements < 2 ||
		r->element[2]->element[1]->type != REDIS_REPLY_INTEGER)
		return ERR_SYNTAX;
	long long from = r->element[0]->integer, to = r->element[1]->integer,
		  port = r->element[2]->element[1]->integer;
	const redisReply *host = r->element[2]->element[0];
	/* NULL or empty means the host that was asked. */
	const char *name =
		host->type == REDIS_REPLY_STRING && host->len && strcmp(host->str, "?")
			? host->str
			: asked;
	if (from < 0 || from > to || to >= REDIS_SLOTS || port < 1 || port > 65535 ||
		strlen(name) >= sizeof(p.host))
		return ERR_SYNTAX;
	strcpy(p.host, name);
	p.port = (unsigned)port;
	int err = add_place(out, &p, &at);
	for (; !err && from <= to; from++)
		out->owner[from] = (uint8_t)at;
	return err;
}

int
redis_slots_read(const redisReply *r, const char *asked, struct redis_map *out)
{
	bool list = r && r->type == REDIS_REPLY_ARRAY && r->elements;
	int err = list ? 0 : ERR_IO;

	out->n = 0;
	memset(out->owner, REDIS_NOBODY, sizeof(out->owner));
	for (size_t i = 0; list && !err && i < r->elements; i++)
		err = read_slot_range(r->element[i], asked, out);
	return err;
}

static bool
error_holds(const redisReply *r, const char *text)
{
	return r->type == REDIS_REPLY_ERROR && memmem(r->str, r->len, text, strlen(text));
}

/* If a command in a script fails, Redis 6.2 puts its error in the middle of the script's error. */
bool
redis_is_full(const redisReply *r)
{
	return error_holds(r, "OOM command not allowed") ||
	       (r->type == REDIS_REPLY_ERROR &&
		       redis_life_refusal(span_of(r->str, (size_t)r->len)) == REDIS_FULL);
}

bool
redis_forbids(const redisReply *r)
{
	return error_holds(r, "NOPERM") || error_holds(r, "unknown command");
}

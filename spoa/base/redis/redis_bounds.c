#include "base/redis/redis_bounds.h"

#include <pthread.h>

#include "base/err.h"

/* A list's length is an int in hiredis 0.14 and a size_t in 1.x. */
#if HIREDIS_MAJOR >= 1
typedef size_t list_length;
#else
typedef int list_length;
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static redisReplyObjectFunctions hiredis, bounded;
/* A blocking context is read until its reply is whole, by one thread. */
static _Thread_local struct redis_reading blocking;

/* An error without a command is what a server says that has too many clients; hiredis ends the connection. */
static bool
is_asked_for(const redisReadTask *t, const struct redis_reading *r)
{
	return !r->ac || r->ac->replies.head || t->type == REDIS_REPLY_ERROR;
}

/* Counts what begins here. False: the connection is to end. */
static bool
allows(const redisReadTask *t, size_t elements, size_t bytes)
{
	struct redis_reading *r = t->privdata ? t->privdata : &blocking;

	if (!t->parent) {
		r->elements = r->bytes = 0;
		r->broken = is_asked_for(t, r) ? NULL : "it sent a reply that nobody asked for";
	}
	if (!r->broken && (elements > REDIS_REPLY_ELEMENTS - r->elements ||
				  bytes > REDIS_REPLY_BYTES - r->bytes))
		r->broken = "its reply is larger than any that is asked for";
	if (r->broken)
		return false;
	r->elements += elements;
	r->bytes += bytes;
	return true;
}

static void *
bounded_string(const redisReadTask *t, char *s, size_t n)
{
	return allows(t, 0, n) ? hiredis.createString(t, s, n) : NULL;
}

static void *
bounded_list(const redisReadTask *t, list_length n)
{
	return n >= 0 && allows(t, (size_t)n, 0) ? hiredis.createArray(t, n) : NULL;
}

static void *
bounded_integer(const redisReadTask *t, long long n)
{
	return allows(t, 0, 0) ? hiredis.createInteger(t, n) : NULL;
}

static void *
bounded_nil(const redisReadTask *t)
{
	return allows(t, 0, 0) ? hiredis.createNil(t) : NULL;
}

#if HIREDIS_MAJOR >= 1
static void *
bounded_double(const redisReadTask *t, double d, char *s, size_t n)
{
	return allows(t, 0, n) ? hiredis.createDouble(t, d, s, n) : NULL;
}

static void *
bounded_bool(const redisReadTask *t, int b)
{
	return allows(t, 0, 0) ? hiredis.createBool(t, b) : NULL;
}
#endif

static void
fill(void)
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
	pthread_once(&once, fill);
	r->fn = &bounded;
	r->privdata = reading;
}

const char *
redis_bound_broken(void)
{
	return blocking.broken;
}

bool
redis_bound_holds(const redisReader *r)
{
	return r->len - r->pos <= REDIS_REPLY_BYTES;
}

/* Epochs of a Redis' data, and its clock against ours. */
#include "base/redis/redis_life.h"

#include <stdio.h>

#include "base/random.h"

enum { RUNID_MAX = 48 };
#define YEAR_9999_S INT64_C(253402300799)

struct span
redis_info_value(struct span info, const char *name)
{
	while (info.n) {
		struct span line = span_trim(span_next(&info, '\n'), "\r");
		if (span_is(span_next(&line, ':'), name))
			return line;
	}
	return (struct span){ NULL, 0 };
}

bool
redis_life_named(struct redis_life *l, struct span info)
{
	struct span id = redis_info_value(info, "run_id");

	if (id.n == 0 || id.n > RUNID_MAX)
		return false;
	snprintf(l->key, sizeof(l->key), "tollgate:epoch:%s%s%.*s", l->tag,
		l->tag[0] ? ":" : "", SPAN_ARG(id));
	return true;
}

struct span
redis_life_evicts(struct span info)
{
	struct span most = redis_info_value(info, "maxmemory"),
		    policy = redis_info_value(info, "maxmemory_policy");

	if (most.n == 0 || span_is(most, "0") || span_is(policy, "noeviction"))
		return (struct span){ NULL, 0 };
	return policy;
}

uint64_t
redis_life_used(struct span info)
{
	uint64_t n = 0;

	return span_u64(redis_info_value(info, "used_memory"), &n) ? 0 : n;
}

/* clang-format off */
static const char *const refusal_words[REDIS_REFUSALS] = {
	[REDIS_FULL] = "OOM",
	[REDIS_UNSAVED] = "MISCONF",
	[REDIS_UNCOPIED] = "NOREPLICAS",
	[REDIS_FORBIDDEN] = "NOPERM",
	[REDIS_REPLICA] = "READONLY",
	[REDIS_LOADING] = "LOADING",
	[REDIS_BUSY] = "BUSY",
};
const char *const redis_refusal_texts[REDIS_REFUSALS] = {
	[REDIS_FULL] = "it is full: raise maxmemory, or remove what else is in it",
	[REDIS_UNSAVED] = "it cannot save to its disk",
	[REDIS_UNCOPIED] = "it has too few replicas (min-replicas-to-write)",
	[REDIS_FORBIDDEN] = "its ACL does not permit them to this user",
	[REDIS_REPLICA] = "it is a replica",
	[REDIS_LOADING] = "it is loading its data",
	[REDIS_BUSY] = "a script holds it",
	[REDIS_REFUSES] = "the log says why (redis.refuses)",
};
/* clang-format on */

enum redis_refusal
redis_life_refusal(struct span error)
{
	struct span word = span_next(&error, ' ');

	for (size_t i = REDIS_FULL; i < REDIS_REFUSES; i++)
		if (span_is(word, refusal_words[i]))
			return (enum redis_refusal)i;
	return span_is(word, "MOVED") || span_is(word, "ASK") || span_is(word, "TRYAGAIN")
		       ? REDIS_TAKES /* elsewhere */
		       : REDIS_REFUSES;
}

uint64_t
redis_life_draw(void)
{
	uint64_t v = 0;

	while (v == 0) {
		random_bytes(&v, sizeof(v));
		v >>= 1;
	}
	return v;
}

bool
redis_life_time_read(const int64_t time[2], int64_t *at_us)
{
	if (time[0] < 0 || time[0] > YEAR_9999_S || time[1] < 0 || time[1] > 999999)
		return false;
	*at_us = time[0] * 1000000 + time[1];
	return true;
}

/* Redis read its clock between the two moments, each known to a microsecond. What these
 * and the former replies allow together is the offset, unless that is nothing: a first
 * reply, a clock that was set, drift. */
void
redis_life_saw(struct redis_life *l, uint64_t sent_us, uint64_t got_us, int64_t at_us)
{
	int64_t least = at_us - (int64_t)got_us - 1, most = at_us - (int64_t)sent_us + 1;

	l->lag_us = (most - least) / 2;
	if (least > l->most_us || most < l->least_us) {
		l->clock++;
		l->least_us = least;
		l->most_us = most;
	}
	l->least_us = least > l->least_us ? least : l->least_us;
	l->most_us = most < l->most_us ? most : l->most_us;
	l->offset_us = l->least_us + (l->most_us - l->least_us) / 2;
}

int64_t
redis_life_ms(const struct redis_life *l, uint64_t mono_us)
{
	return ((int64_t)mono_us + l->offset_us + l->lag_us) / 1000;
}

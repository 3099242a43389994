/* The epoch of a Redis' data, its clock compared with ours, and the memory that it may use.
 * The functions read replies of Redis: INFO, TIME, and the text of an error.
 *
 * redis_life_saw() narrows the offset between both clocks: Redis read its clock between the
 * sending of TIME and the arrival of the reply, so each reply permits a range of offsets.
 * redis_room_read() takes the lower one of two limits: maxmemory, or the limit of the cgroup
 * if Redis runs on this machine. */
#include "base/redis/redis_life.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "base/redis/redis_options.h"
#include "base/scoped.h"

#define YEAR_2200_S INT64_C(7258118400) /* in ns, a time up to this fits in 63 bits */

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

static void
name_keys(struct redis_life *l)
{
	snprintf(l->key, sizeof(l->key), "tollgate:epoch:%s%s%s", l->tag, l->tag[0] ? ":" : "",
		l->run_id);
	l->spare[0] = '\0';
	if (l->spare_tag[0])
		snprintf(l->spare, sizeof(l->spare), "tollgate:epoch:%s:%s", l->spare_tag,
			l->run_id);
}

void
redis_life_tag(struct redis_life *l, const char *tag, const char *spare_tag)
{
	snprintf(l->tag, sizeof(l->tag), "%s", tag);
	snprintf(l->spare_tag, sizeof(l->spare_tag), "%s", spare_tag);
	if (l->run_id[0])
		name_keys(l);
}

bool
redis_life_named(struct redis_life *l, struct span info)
{
	struct span id = redis_info_value(info, "run_id");

	if (id.n == 0 || id.n > REDIS_RUNID_MAX)
		return false;
	memcpy(l->run_id, id.p, id.n);
	l->run_id[id.n] = '\0';
	name_keys(l);
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
	[REDIS_FULL] = "its memory is full: raise maxmemory or remove other data",
	[REDIS_UNSAVED] = "it cannot save to its disk: check the disk and the log of Redis",
	[REDIS_UNCOPIED] = "it has too few replicas for min-replicas-to-write: start replicas",
	[REDIS_FORBIDDEN] = "its ACL does not permit writes by this user: correct the ACL",
	[REDIS_REPLICA] = "it is a replica: set redis.url to the primary",
	[REDIS_LOADING] = "it is loading its data",
	[REDIS_BUSY] = "a script blocks it: wait, or run SCRIPT KILL",
	[REDIS_REFUSES] = "the log has the reason: see the event redis.refuses",
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
		       ? REDIS_TAKES /* the key is on another node */
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
	if (time[0] < 0 || time[0] > YEAR_2200_S || time[1] < 0 || time[1] > 999999)
		return false;
	*at_us = time[0] * 1000000 + time[1];
	return true;
}

/* Redis read its clock between the two moments, each known to a microsecond. The offset is in
 * the range that this reply and the earlier ones permit together. If there is no such range, it
 * begins again with this reply: the first reply, a clock that was set, drift. */
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

/* ---- memory ---- */

enum { FULL_PERCENT = 80, MEGABYTE = 1000000 };

bool
redis_is_here(const struct redis_options *o)
{
	static const char *const own[] = { "127.0.0.1", "localhost", "::1" };

	return o->url.path[0] || SPAN_IN(span_str(o->url.server[0].host), own);
}

static bool
read_one_line(const char *path, char *to, size_t size)
{
	FILE *f = fopen(path, "re");
	bool got = f && fgets(to, (int)size, f);

	if (f)
		fclose(f);
	if (got)
		to[strcspn(to, "\n")] = '\0';
	return got;
}

/* Returns the memory limit of a process' cgroup, if the process is a Redis on this machine. In a
 * container, INFO reports another process id. */
static uint64_t
cgroup_most(uint64_t pid)
{
	char path[512], line[400];
	uint64_t most;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/comm", pid);
	if (!read_one_line(path, line, sizeof(line)) ||
		(!strstr(line, "redis") && !strstr(line, "valkey")))
		return 0;
	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/cgroup", pid);
	if (!read_one_line(path, line, sizeof(line)) || strncmp(line, "0::", 3) != 0)
		return 0;
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", line + 3);
	return read_one_line(path, line, sizeof(line)) && span_u64(span_str(line), &most) == 0
		       ? most
		       : 0;
}

void
redis_room_read(struct span info, bool here, struct redis_room *out)
{
	uint64_t pid, most;

	*out = (struct redis_room){ .bound = "maxmemory" };
	if (span_u64(redis_info_value(info, "used_memory"), &out->used))
		out->used = 0;
	if (span_u64(redis_info_value(info, "maxmemory"), &out->most))
		out->most = 0;
	most = here && span_u64(redis_info_value(info, "process_id"), &pid) == 0
		       ? cgroup_most(pid)
		       : 0;
	if (most && (!out->most || most < out->most)) {
		out->most = most;
		out->bound = "cgroup";
	}
}

bool
redis_room_short(const struct redis_room *r, uint64_t stream, uint64_t stream_most,
	uint64_t filled, struct buf *out)
{
	uint64_t need = r->used - (stream < r->used ? stream : r->used) +
			(stream_most > stream ? stream_most : stream);

	need = need > filled ? need : filled;
	if (!r->most || need / 100 * 100 <= r->most / 100 * FULL_PERCENT)
		return false;
	buf_printf(out,
		"may need %" PRIu64 " MB of its %s of %" PRIu64
		" MB: raise that, or lower audit.stream_bytes (docs/redis.md)",
		need / MEGABYTE, r->bound, r->most / MEGABYTE);
	return true;
}

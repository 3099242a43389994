/* Reading what Sentinels and a cluster's nodes say of where Redis is (Sentinel documentation,
 * "SENTINEL MASTER"; Redis documentation, "CLUSTER SLOTS"). Without I/O: redis_find.c asks, and
 * whatever came is fed to this by tests/fuzz/fuzz_redis.c too. */
#include "base/redis/redis_replies.h"

#include <string.h>

#include "base/err.h"
#include "base/redis/redis_life.h"

/* The value of a field in a flat list of fields and values; NULL: none. */
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
		bool says = r && r->type == REDIS_REPLY_ERROR && r->len;
		buf_str(why, says ? r->str : "no answer");
		return ERR_IO;
	}
	const char *ip = reply_field(r, "ip"), *port = reply_field(r, "port"),
		   *e = reply_field(r, "config-epoch");
	char text[REDIS_URL_HOST_MAX + 8];

	if (!ip || !port || !e || span_u64(span_str(e), epoch) ||
		strlen(ip) + strlen(port) + 2 > sizeof(text)) {
		buf_str(why, "an answer without ip, port or config-epoch");
		return ERR_SYNTAX;
	}
	stpcpy(stpcpy(stpcpy(text, ip), ":"), port);
	int err = redis_place_read(span_str(text), "", out);
	if (err)
		buf_printf(why, "an answer whose ip and port are no address: %s", text);
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

/* One of CLUSTER SLOTS: first slot, last slot, the master (host, port, …), its replicas. */
static int
read_range(const redisReply *r, const char *asked, struct redis_map *out)
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
	/* NULL or empty: the one that was asked. */
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
		err = read_range(r->element[i], asked, out);
	return err;
}

bool
redis_is_full(const redisReply *r)
{
	return r->type == REDIS_REPLY_ERROR &&
	       redis_life_refusal(span_of(r->str, (size_t)r->len)) == REDIS_FULL;
}

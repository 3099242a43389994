/* Blocking connections to Redis, for hiredis 0.14 and 1.x. redis_dial_at() connects to one
 * place, begins TLS, logs in (AUTH), sets the client's name and selects the database.
 * redis_dial() first asks Sentinels or the cluster which server holds the key
 * (redis_find_once()). Replies are read within the limits of redis_replies.c. */
#include "base/redis/redis_sync.h"

#include <errno.h>
#include <netdb.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/err.h"
#include "base/redis/redis_find.h"
#include "base/redis/redis_replies.h"
#include "base/resolve.h"
#include "base/why.h"

redisReply *
redis_reply(redisContext *c)
{
	redisReply *r = NULL;
	int written = 0;

	/* redisGetReply() does not limit the bytes of a string that has not arrived whole. */
	while (redisGetReplyFromReader(c, (void **)&r) == REDIS_OK && !r) {
		while (!written)
			if (redisBufferWrite(c, &written) != REDIS_OK)
				return NULL;
		if (redisBufferRead(c) != REDIS_OK)
			return NULL;
		if (!redis_bound_holds(c->reader)) {
			c->err = REDIS_ERR_OOM;
			return NULL;
		}
	}
	return c->err ? NULL : r;
}

redisReply *
redis_ask(redisContext *c, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int err = redisvAppendCommand(c, format, ap);
	va_end(ap);
	return err == REDIS_OK ? redis_reply(c) : NULL;
}

redisReply *
redis_ask_argv(redisContext *c, int argc, const char **argv, const size_t *lens)
{
	return redisAppendCommandArgv(c, argc, argv, lens) == REDIS_OK ? redis_reply(c) : NULL;
}

const char *
redis_sync_error(const redisContext *c)
{
	if (c->err == REDIS_ERR_OOM && redis_bound_broken())
		return redis_bound_broken();
	if (c->err == REDIS_ERR_IO && !strcmp(c->errstr, strerror(EAGAIN)))
		return "no reply in time";
	return c->errstr[0] ? c->errstr : "no answer";
}

/* Checks the reply of a setup command and frees it. `optional`: an error of Redis is ignored. */
static bool
said_ok(redisContext *c, redisReply *r, const char *what, bool optional, struct buf *why)
{
	bool ok = r && (optional || r->type != REDIS_REPLY_ERROR);

	if (!ok)
		buf_printf(why, "%s: %s", what, r ? r->str : redis_sync_error(c));
	freeReplyObject(r);
	return ok;
}

static bool
log_in_context(redisContext *c, const struct redis_options *o, bool sentinel, struct buf *why)
{
	struct redis_login l;
	bool ok = redis_login(o, sentinel, &l, why) == 0;

	if (ok && l.asked) {
		const char *argv[3] = { "AUTH", l.user, l.password };
		if (!l.user[0])
			argv[1] = l.password;
		ok = said_ok(c, redis_ask_argv(c, l.user[0] ? 3 : 2, argv, NULL), "AUTH",
			false, why);
	}
	sodium_memzero(&l, sizeof(l));
	return ok;
}

static bool
set_up_context(redisContext *c, const struct redis_options *o, struct buf *why)
{
	char db[16];
	const char *name[] = { "CLIENT", "SETNAME", o->client_name };
	const char *sel[] = { "SELECT", db };

	snprintf(db, sizeof(db), "%u", o->url.db);
	return (!o->client_name[0] || said_ok(c, redis_ask_argv(c, 3, name, NULL),
					      "CLIENT SETNAME", true, why)) &&
	       (!o->url.db ||
		       said_ok(c, redis_ask_argv(c, 2, sel, NULL), "SELECT", false, why));
}

static struct timeval
timeval_of(uint64_t us)
{
	return (struct timeval){ (time_t)(us / 1000000), (suseconds_t)(us % 1000000) };
}

/* Sets the first of the addresses that accepts a connection; if none does, the first one. */
static void
choose_address(struct redis_place *p, const struct resolved *r, uint64_t timeout_us)
{
	bool open = false;

	p->address[0] = '\0';
	for (size_t i = 0; i < r->n && !open; i++) {
		char text[sizeof(p->address)];
		if (getnameinfo((const struct sockaddr *)&r->at[i].place, r->at[i].length, text,
			    sizeof(text), NULL, 0, NI_NUMERICHOST))
			continue;
		redisContext *c = r->n == 1 ? NULL
					    : redisConnectWithTimeout(text, (int)p->port,
						      timeval_of(timeout_us));
		open = r->n == 1 || (c && !c->err);
		if (c)
			redisFree(c);
		if (open || !p->address[0])
			strcpy(p->address, text);
	}
}

int
redis_place_resolve(struct redis_place *p, uint64_t timeout_us, struct buf *why)
{
	const char *reason;
	struct resolved r;

	redis_place_address(p);
	if (p->address[0])
		return 0;
	int err = resolve_name(p->host, NULL, timeout_us, &r, &reason);
	if (err)
		return why_err(why, err, "%s: %s", p->host, reason);
	choose_address(p, &r, timeout_us);
	return p->address[0] ? 0 : why_err(why, ERR_NOTFOUND, "%s: no address", p->host);
}

redisContext *
redis_dial_at(const struct redis_options *o, struct redis_tls *tls,
	const struct redis_place *place, enum redis_dial what, uint64_t timeout_us,
	struct buf *why)
{
	const struct timeval tv = timeval_of(timeout_us);
	struct redis_place at = *place;

	if (at.host[0] && !at.address[0] && redis_place_resolve(&at, timeout_us, why))
		return NULL;
	redisContext *c = at.address[0] ? redisConnectWithTimeout(at.address, (int)at.port, tv)
					: redisConnectUnixWithTimeout(o->url.path, tv);
	if (at.address[0])
		buf_printf(why, "%s:%u: ", at.host, at.port);
	else
		buf_printf(why, "unix:%s: ", o->url.path);
	if (!c || c->err) {
		buf_str(why, c ? c->errstr : "out of memory");
		goto fail;
	}
	redis_bound(c->reader, NULL);
	if (redisSetTimeout(c, tv) != REDIS_OK) {
		buf_str(why, "cannot set a timeout");
		goto fail;
	}
	if (o->url.tls && redis_tls_begin(tls, c, place->host, why))
		goto fail;
	if (!log_in_context(c, o, what == REDIS_DIAL_SENTINEL, why) ||
		(what == REDIS_DIAL_SERVER && !set_up_context(c, o, why)))
		goto fail;
	buf_clear(why);
	return c;
fail:
	if (c)
		redisFree(c);
	return NULL;
}

const redisReply *
redis_scan_list(const redisReply *r, char cursor[REDIS_CURSOR])
{
	bool fits = r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
		    r->element[0]->type == REDIS_REPLY_STRING &&
		    r->element[1]->type == REDIS_REPLY_ARRAY;

	snprintf(cursor, REDIS_CURSOR, "%s", fits ? r->element[0]->str : "0");
	return fits ? r->element[1] : NULL;
}

/* Checks the role: a server that Sentinels name as the master may have lost that role, or not
 * have it yet. */
static bool
is_master(redisContext *c, struct buf *why)
{
	reply_auto_t *r = redis_ask(c, "ROLE");
	bool array = r && r->type == REDIS_REPLY_ARRAY && r->elements > 0 &&
		     r->element[0]->type == REDIS_REPLY_STRING;
	bool ok = array && strcmp(r->element[0]->str, "master") == 0;

	if (!ok)
		buf_printf(why, "ROLE: %s",
			array				    ? "not the master"
			: r && r->type == REDIS_REPLY_ERROR ? r->str
							    : "no answer");
	return ok;
}

/* Connects to one of the servers in the map. */
static redisContext *
dial_found(const struct redis_options *o, struct redis_tls *tls, const struct redis_map *map,
	size_t at, uint64_t timeout_us, struct buf *why)
{
	redisContext *c =
		redis_dial_at(o, tls, &map->place[at], REDIS_DIAL_SERVER, timeout_us, why);

	if (c && o->url.kind == REDIS_SENTINEL && !is_master(c, why)) {
		redisFree(c);
		c = NULL;
	}
	return c;
}

int
redis_dial_all(const struct redis_options *o, uint64_t timeout_us,
	redisContext *out[REDIS_NODES_MAX], struct buf *why)
{
	struct redis_map *map = calloc(1, sizeof(*map));
	struct redis_tls *tls = redis_tls_new(o);
	int err = map && tls ? 0 : ERR_NOMEM, n = 0;

	if (err)
		buf_str(why, err_str(err));
	else
		err = redis_find(o, tls, timeout_us, map, why);
	while (!err && (size_t)n < map->n) {
		out[n] = dial_found(o, tls, map, (size_t)n, timeout_us, why);
		if (out[n])
			n++;
		else
			err = ERR_IO;
	}
	while (err && n)
		redisFree(out[--n]);
	redis_tls_free(&tls);
	free(map);
	return err ? err : n;
}

redisContext *
redis_dial(const struct redis_options *o, struct span key, uint64_t timeout_us, struct buf *why)
{
	struct redis_map *map = calloc(1, sizeof(*map));
	struct redis_tls *tls = redis_tls_new(o);
	redisContext *c = NULL;

	if (!map || !tls) {
		buf_str(why, err_str(ERR_NOMEM));
	} else if (redis_find(o, tls, timeout_us, map, why) == 0) {
		unsigned at = o->url.kind == REDIS_CLUSTER ? map->owner[redis_slot(key)] : 0;
		if (at >= map->n)
			buf_str(why, "no node of the cluster has the key's slot");
		else
			c = dial_found(o, tls, map, at, timeout_us, why);
	}
	redis_tls_free(&tls);
	free(map);
	return c;
}

/* Dialling Redis and saying who we are (AUTH, SELECT). hiredis 0.14 and 1.x. */
#include "store/redis_sync.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

static bool
said_ok(redisContext *c, void *reply, const char *what, struct buf *why)
{
	redisReply *r = reply;
	bool ok = r && r->type != REDIS_REPLY_ERROR;

	if (!ok)
		buf_printf(why, "%s: %s", what,
			r	       ? r->str
			: c->errstr[0] ? c->errstr
				       : "no answer");
	if (r)
		freeReplyObject(r);
	return ok;
}

redisContext *
redis_dial(const struct redis_url *u, uint64_t timeout_us, struct buf *why)
{
	struct timeval tv = { (time_t)(timeout_us / 1000000),
		(suseconds_t)(timeout_us % 1000000) };
	char where[REDIS_URL_TEXT_MAX], db[16];
	redisContext *c = u->path[0] ? redisConnectUnixWithTimeout(u->path, tv)
				     : redisConnectWithTimeout(u->host, (int)u->port, tv);

	redis_url_text(u, where);
	if (!c || c->err) {
		buf_printf(why, "%s: %s", where, c ? c->errstr : "out of memory");
		goto fail;
	}
	if (redisSetTimeout(c, tv) != REDIS_OK) {
		buf_printf(why, "%s: %s", where, "cannot set a timeout");
		goto fail;
	}
	if (u->password[0]) {
		const char *argv[3] = { "AUTH", u->user, u->password };
		if (!u->user[0])
			argv[1] = u->password;
		if (!said_ok(c, redisCommandArgv(c, u->user[0] ? 3 : 2, argv, NULL), "AUTH",
			    why))
			goto fail;
	}
	snprintf(db, sizeof(db), "%u", u->db);
	const char *sel[2] = { "SELECT", db };
	if (u->db && !said_ok(c, redisCommandArgv(c, 2, sel, NULL), "SELECT", why))
		goto fail;
	return c;
fail:
	if (c)
		redisFree(c);
	return NULL;
}

/* Starts the pins of tools: chooses where they are stored and the key that authenticates them.
 */
#include "operator/server/pinning.h"

#include <sodium.h>

#include "base/err.h"
#include "base/keyfile.h"
#include "base/log.h"
#include "base/scoped.h"
#include "gate/snapshot.h"
#include "gate/toolpins/sync.h"
#include "operator/server/server.h"
#include "policy/config/load.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "scan/dialect/dialect.h"

#define FIRST_US 2000000 /* a start waits this long for Redis */

static bool
has_mcp(const struct policy *p)
{
	for (size_t i = 0; i < p->nroutes; i++)
		if (p->routes[i].dialect && dialect_is_of_mcp(p->routes[i].dialect))
			return true;
	return false;
}

/* Derives the key from state_key. Without state_key, lines are only this daemon's, and a fixed
 * key distinguishes them from lines of others. */
static int
place_key(const struct config *cfg, unsigned char key[SHA256_BYTES], struct buf *why)
{
	if (cfg->state_key)
		return keyfile_derive(cfg->state_key, "tollgate-tool-pins-v1", key, why);
	sha256(SPAN_LIT("tollgate-tool-pins-of-one-daemon-v1"), key);
	return 0;
}

static int
begin_pinning(struct server *s, struct buf *why)
{
	const struct config *cfg = s->shared_cfg;
	struct tool_pins_place place = { .file = cfg->pins_file,
		.other = config_part(cfg, CONFIG_OTHER)->pins_file };
	struct redis_options redis;

	s->pinning.begun = true;
	if (place_key(cfg, place.key, why) < 0)
		return ERR_IO;
	if (cfg->state_key && cfg->redis_url && config_redis(cfg, &redis) == 0)
		place.redis = &redis;
	if (!place.file && !place.redis)
		return 0;
	struct tool_pins_sync *sync = tool_pins_sync_start(s->pinning.pins, &place, why);
	sodium_memzero(&redis, sizeof(redis));
	sodium_memzero(&place, sizeof(place));
	pthread_mutex_lock(&s->pinning.lock);
	s->pinning.sync = sync;
	pthread_mutex_unlock(&s->pinning.lock);
	tool_pins_sync_first(sync, FIRST_US);
	return sync ? 0 : ERR_IO;
}

int
pinning_start(struct server *s, struct buf *why)
{
	pthread_mutex_init(&s->pinning.lock, NULL);
	s->pinning.pins = tool_pins_new();
	if (!s->pinning.pins)
		return ERR_NOMEM;
	gate_shared_tool_pins(s->shared, s->pinning.pins);
	return has_mcp(s->snap->policy) ? begin_pinning(s, why) : 0;
}

void
pinning_again(struct server *s, const struct snapshot *next)
{
	if (s->pinning.begun || !has_mcp(next->policy))
		return;
	SCOPED_BUF(why, 4096);
	/* The reload stays in force. The first texts are then known only to this process, which
	 * is logged. */
	if (begin_pinning(s, &why) < 0)
		log_event(LOG_ERROR, "pin.failed", LSP("why", buf_view(&why)));
}

struct tool_pins_sync *
pinning_sync(struct server *s)
{
	SCOPED_LOCK(&s->pinning.lock);
	return s->pinning.sync;
}

bool
pinning_away(struct server *s, struct buf *why)
{
	struct tool_pins_sync *sync = pinning_sync(s);

	return sync && !tool_pins_sync_up(sync, why);
}

/* GET and POST /log: how much the log says, while the daemon runs. A change ends by itself
 * where it says when (operator/server/sampling.c looks), and with the process. */
#include <microhttpd.h>

#include "base/json_put.h"
#include "base/log.h"
#include "base/wall.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"
#include "policy/config/read.h"

#define FOR_MOST_US (7 * 86400 * SECOND_US)

void
admin_log(struct server *s, struct buf *out)
{
	json_put_form(out, "{'level':%s,'configured':%s", log_level_names[log_level()],
		log_level_names[s->shared_cfg->log_level]);
	json_put_time(out, "until", atomic_load(&s->log_until_ns));
	buf_str(out, "}\n");
}

/* The level of that name; negative: there is none. */
static int
log_level_of(const char *name)
{
	for (int i = 0; name && log_level_names[i]; i++)
		if (!strcmp(name, log_level_names[i]))
			return i;
	return -1;
}

static bool
change_log_level(struct change *c, json_t **before, json_t **after)
{
	const char *level = change_text(c, "level"), *lasts = change_text(c, "for");
	uint64_t us = 0;

	if (c->status != MHD_HTTP_OK)
		return false;
	if (log_level_of(level) < 0)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"level: one of error, warn, info, debug is expected");
	if (lasts && (duration_parse(span_str(lasts), &us) < 0 || us < SECOND_US ||
			     us > FOR_MOST_US))
		return change_refuse(
			c, MHD_HTTP_BAD_REQUEST, "for: a duration of 1s to 7d is expected");
	*before = json_pack("{s:s}", "level", log_level_names[log_level()]);
	*after = json_pack("{s:s,s:s}", "id", level, "level", level);
	if (lasts)
		change_set_time(*after, "until", wall_now_ns() + (int64_t)us * 1000);
	json_object_set(c->answer, "level", json_object_get(*after, "level"));
	json_object_set(c->answer, "until", json_object_get(*after, "until"));
	return change_sign(c, *after);
}

static void
set(struct change *c, const json_t *after)
{
	int level = log_level_of(json_string_value(json_object_get(after, "level")));

	atomic_store(&c->s->log_until_ns, change_time(after, "until"));
	log_set_level((enum log_level)level);
}

const struct change_row admin_log_set = { "log", 0, "level", change_log_level, set };

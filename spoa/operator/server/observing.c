/* The end of an observation depends only on the clock, so the state is checked each second and
 * logged when it changes. */
#include "operator/server/observing.h"

#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "operator/server/server.h"
#include "policy/policy.h"

void
observing_look(struct server *s)
{
	static const char *const events[] = { [OBSERVE_ON] = "observe",
		[OBSERVE_NEAR] = "observe.near",
		[OBSERVE_OVER] = "observe.over" };
	const struct policy *p = s->snap->policy;
	int64_t now = wall_now_ns(), days;
	enum observe_state state = observe_state(p, now, &days);

	if (state == s->observe_said)
		return;
	s->observe_said = state;
	if (state == OBSERVE_NONE)
		return;
	SCOPED_BUF(says, 4096);
	observe_says(p, now, &says);
	log_event(LOG_WARN, events[state], LSP("note", buf_view(&says)));
}

void
observing_again(struct server *s)
{
	s->observe_said = OBSERVE_NONE;
	observing_look(s);
}

void
observing_ready(const struct policy *p, struct buf *out)
{
	if (!p->observe.backend)
		return;
	buf_str(out, "observe: ");
	observe_says(p, wall_now_ns(), out);
	buf_putc(out, '\n');
}

void
observing_status(const struct policy *p, struct buf *out)
{
	static const char *const words[] = { "", "on", "near its end", "over" };
	const struct observe *o = &p->observe;
	int64_t days;

	if (!o->backend) {
		buf_str(out, "null");
		return;
	}
	json_put_form(out, "{'state':%s", words[observe_state(p, wall_now_ns(), &days)]);
	json_put_time(out, "until", o->until_ns);
	json_put_str(out, "backend", o->backend);
	if (o->nhosts)
		json_put_open(out, "hosts", '[');
	for (size_t i = 0; i < o->nhosts; i++)
		json_put_str(out, NULL, o->hosts[i]);
	buf_str(out, o->nhosts ? "]}" : "}");
}

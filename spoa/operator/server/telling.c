/* Telemetry of a server: who is asked for metrics, who tells of records, who is told of notices. */
#include "operator/server/telling.h"

#include "base/err.h"
#include "gate/engine/gate.h"
#include "operator/server/server.h"
#include "operator/telemetry/notify.h"
#include "operator/telemetry/otlp.h"

#define STOP_US 2000000

static void
metrics_text(void *arg, struct buf *out)
{
	server_metrics(arg, out, true);
}

int
telling_start(struct server *s, const struct config *cfg, struct buf *why)
{
	if (!cfg->otlp.url && !cfg->notify_url)
		return 0;
	s->outbound = http_thread_new(NULL, NULL);
	if (!s->outbound)
		return ERR_NOMEM;
	if (cfg->notify_url && !(s->notify = notify_new(cfg, s->outbound, &s->metrics, why)))
		return ERR_IO;
	if (!cfg->otlp.url)
		return 0;
	s->otlp = otlp_new(cfg, s->outbound, &s->metrics, metrics_text, s, why);
	if (!s->otlp)
		return ERR_IO;
	if (s->audit) {
		audit_tell(s->audit, otlp_told, s->otlp);
		gate_shared_tell(s->shared);
	}
	return 0;
}

int
telling_run(struct server *s, struct buf *why)
{
	if (!s->outbound)
		return 0;
	s->telling = http_thread_start(s->outbound, "tg-outbound") == 0;
	if (s->telling)
		return 0;
	buf_str(why, "telemetry: the thread could not be started");
	return ERR_NOMEM;
}

void
telling_stop(struct server *s)
{
	if (s->telling && s->otlp)
		otlp_flush(s->otlp, STOP_US);
	http_thread_stop(s->outbound);
	notify_free(&s->notify);
	otlp_free(&s->otlp);
	http_thread_free(&s->outbound);
}

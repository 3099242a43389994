/* Runs `audit verify` as a child in the long lane and keeps its result. No connection waits for
 * it. */
#include "operator/admin/verifying.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "operator/admin/reader.h"
#include "operator/server/server.h"

enum { SAID_BYTES = 256 << 10 };

static const struct reader row = {
	.step = { { .command = { "audit", "verify", "--json" } } },
	.records = true,
};

/* The one verification of this process, guarded by `lock`. */
static struct verifying {
	pthread_mutex_t lock;
	bool running;
	int64_t began_ns;
	struct children *children;
	struct reading *r; /* the child while it runs, owned by the children's thread */
	char *last;	   /* result as JSON; NULL: none yet */
} now = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Writes the result: one object for each chain that the output has. If the child did not
 * finish, the reason instead. */
static void
write_last(struct buf *b, const struct child *c, int64_t began_ns)
{
	char *said = malloc(SAID_BYTES);
	ssize_t n = said ? pread(c->out, said, SAID_BYTES, 0) : 0;
	struct span rest = span_of(said, n > 0 ? (size_t)n : 0);
	bool over = c->end == CHILD_EXITED && c->code <= 1;

	json_put_open(b, NULL, '{');
	json_put_time(b, "began", began_ns);
	json_put_time(b, "ended", clock_wall_ns());
	if (over)
		json_put_bool(b, "holds", c->code == 0);
	else
		json_put_null(b, "holds");
	json_put_open(b, "chains", '[');
	while (over && rest.n) {
		struct span line = span_next(&rest, '\n');
		if (span_starts(line, SPAN_LIT("{")))
			json_put_raw(b, NULL, line);
	}
	json_put_close(b, ']');
	if (!over || c->error[0])
		json_put_str(b, "why",
			c->end == CHILD_LATE	  ? "the verification was stopped after an "
						    "hour"
			: c->end == CHILD_STOPPED ? "the daemon is stopping"
			: c->error[0]		  ? c->error
						  : "the child process ended without a result");
	json_put_close(b, '}');
	free(said);
}

static void
keep_verification(struct child *c)
{
	struct reading *r = (struct reading *)c;

	SCOPED_BUF(b, 2 * SAID_BYTES);
	pthread_mutex_lock(&now.lock);
	write_last(&b, c, now.began_ns);
	buf_putc(&b, '\0');
	free(now.last);
	now.last = buf_failed(&b) ? NULL : strdup(buf_view(&b).p);
	now.running = false;
	now.r = NULL;
	pthread_mutex_unlock(&now.lock);
	child_release(now.children, c);
	reading_args_free(r);
	free(r);
}

enum MHD_Result
verifying_begin(struct asking *q)
{
	struct reading *r = calloc(1, sizeof(*r));
	enum MHD_Result ok;
	int err = r ? 0 : ERR_NOMEM;

	SCOPED_BUF(why, 1024);
	if (!err && !q->server->audit)
		err = ERR_NOTFOUND;
	if (!err && !reading_args(r, &row, 0, NULL, q->in, q->server->config_file, &why))
		err = ERR_NOMEM;
	if (!err) {
		r->peer = q->peer;
		r->c.who = r->peer.who;
		r->c.lane = CHILD_LONG;
		r->c.client = -1;
		r->c.done = keep_verification;
		SCOPED_LOCK(&now.lock);
		now.children = admin_children(q->admin);
		err = now.running ? ERR_LIMIT : child_ask(now.children, &r->c);
		if (!err) {
			now.running = true;
			now.r = r;
			now.began_ns = clock_wall_ns();
		}
	}
	if (!err) {
		buf_str(&why, "{\"running\":true}\n");
		ok = asking_answer(q, MHD_HTTP_ACCEPTED, &why);
	} else {
		ok = err == ERR_NOTFOUND ? asking_refuse(q, MHD_HTTP_CONFLICT,
						   "the daemon writes no records: set "
						   "audit.journal in tollgate.yaml")
		     : err == ERR_LIMIT	 ? asking_refuse(q, MHD_HTTP_CONFLICT,
						   "a verification is running: GET /records/verify has its state")
					 : asking_refuse(q, MHD_HTTP_SERVICE_UNAVAILABLE,
						   "the verification could not start: %s", err_str(err));
		if (r)
			reading_args_free(r);
		free(r);
	}
	return ok;
}

void
admin_verifying(struct server *s, struct buf *out)
{
	pthread_mutex_lock(&now.lock);
	json_put_open(out, NULL, '{');
	json_put_bool(out, "running", now.running);
	if (now.running)
		json_put_time(out, "began", now.began_ns);
	json_put_raw(out, "last", span_str(now.last ? now.last : "null"));
	json_put_name(out, "state");
	pthread_mutex_unlock(&now.lock);
	/* The state of this daemon's chain, without reading it. */
	static const char *const members[] = { "node", "audit", "audit_key", "anchors" };

	SCOPED_BUF(text, 0);
	server_status(s, &text);
	json_auto_t *all = json_loadb(buf_view(&text).p, buf_view(&text).n, 0, NULL),
		    *some = json_object();
	for (size_t i = 0; i < COUNT_OF(members); i++)
		json_object_set(some, members[i], json_object_get(all, members[i]));
	char *said = json_dumps(some, JSON_COMPACT);
	buf_str(out, said ? said : "null");
	free(said);
	buf_str(out, "}\n");
}

void
verifying_free(void)
{
	free(now.last);
	now.last = NULL;
}

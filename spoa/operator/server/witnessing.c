/* Serves the witness on libmicrohttpd, separate from the admin server, because strangers can
 * reach this socket. */
#include "operator/server/witnessing.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"
#include "net/listen.h"
#include "record/anchors/witness.h"

/* A body must arrive within this time; otherwise slow clients could hold the few connections
 * for hours. */
enum { SILENCE_S = 10, BODY_US = 20000000 };

struct upload {
	struct buf body;
	uint64_t began_us;
};

/* The witness' server. owner: its thread, except at start and stop */
struct witnessing {
	const struct config *cfg;
	struct witness *witness;
	struct metrics *metrics;
	struct MHD_Daemon *daemon;
	int fd;
};

static enum MHD_Result
answer_stranger(struct MHD_Connection *c, unsigned status, const char *type, struct span body)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		body.n, (void *)(uintptr_t)(body.p ? body.p : ""), MHD_RESPMEM_MUST_COPY);

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "content-type", type);
	MHD_add_response_header(r, "cache-control", "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, "allow", "POST");
	enum MHD_Result ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result
plain_answer(struct MHD_Connection *c, unsigned status, const char *text)
{
	return answer_stranger(c, status, "text/plain; charset=utf-8", span_str(text));
}

static void
witness_completed(void *cls UNUSED, struct MHD_Connection *c UNUSED, void **con,
	enum MHD_RequestTerminationCode why UNUSED)
{
	struct upload *u = *con;

	if (u)
		buf_free(&u->body);
	free(u);
	*con = NULL;
}

/* libmicrohttpd's callback. It calls this function once with the head, once for each part of
 * the body and once after the body. `con` holds the request's struct upload across these calls.
 */
static enum MHD_Result
handle_witness(void *cls, struct MHD_Connection *c, const char *url, const char *method,
	const char *version UNUSED, const char *bytes, size_t *size, void **con)
{
	static const char page[] = "/add-checkpoint";
	struct witnessing *w = cls;
	struct upload *u = *con;
	const char *type;

	if (!u) { /* the call with the head; the response follows the body */
		*con = u = calloc(1, sizeof(*u));
		if (!u)
			return MHD_NO;
		buf_init(&u->body, CAP_WITNESS_REQUEST);
		u->began_us = clock_mono_us();
		return MHD_YES;
	}
	if (clock_mono_us() > u->began_us + BODY_US)
		return MHD_NO; /* MHD_NO closes the connection */
	if (*size) {
		buf_put(&u->body, bytes, *size);
		*size = 0;
		return MHD_YES;
	}
	size_t n = strlen(url);
	if (n < sizeof(page) - 1 || strcmp(url + n - (sizeof(page) - 1), page) != 0)
		return plain_answer(c, MHD_HTTP_NOT_FOUND, "POST /add-checkpoint\n");
	if (strcmp(method, "POST") != 0)
		return plain_answer(c, MHD_HTTP_METHOD_NOT_ALLOWED, "POST only\n");
	if (buf_failed(&u->body)) {
		metric_inc(w->metrics, M_WITNESS_413);
		return plain_answer(c, MHD_HTTP_CONTENT_TOO_LARGE,
			"the body is too long: send at "
			"most one checkpoint with its proof\n");
	}
	SCOPED_BUF(out, 0);
	unsigned status = witness_add(w->witness, buf_view(&u->body), &out, &type);
	return answer_stranger(c, status, type, buf_view(&out));
}

struct witnessing *
witnessing_start(const struct config *cfg, struct metrics *m, struct buf *why)
{
	struct witnessing *w = calloc(1, sizeof(*w));
	struct signkey audit;
	bool record = cfg->audit_key != NULL;

	if (!w) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	w->cfg = cfg;
	w->metrics = m;
	w->fd = -1;
	if (!record || signkey_load(cfg->audit_key, &audit, why) == 0) {
		w->witness = witness_open(cfg, record ? &audit.pub : NULL, m, why);
		if (record)
			signkey_wipe(&audit);
	}
	if (w->witness)
		w->fd = listen_open(&cfg->witness_listen, 0660, cfg->socket_group, why);
	if (w->fd >= 0)
		w->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL,
			handle_witness, w, MHD_OPTION_LISTEN_SOCKET, w->fd,
			MHD_OPTION_CONNECTION_LIMIT, (unsigned)CAP_WITNESS_CONNS,
			MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_S,
			MHD_OPTION_NOTIFY_COMPLETED, witness_completed, NULL, MHD_OPTION_END);
	if (w->daemon)
		return w;
	if (w->fd >= 0)
		buf_printf(why, "%s: the witness cannot start on this address",
			cfg->witness_listen.text);
	witnessing_stop(&w);
	return NULL;
}

void
witnessing_stop(struct witnessing **wp)
{
	struct witnessing *w = *wp;

	if (!w)
		return;
	if (w->daemon)
		MHD_stop_daemon(w->daemon); /* also closes the socket */
	else if (w->fd >= 0)
		close(w->fd);
	if (w->fd >= 0)
		listen_unlink(&w->cfg->witness_listen);
	witness_close(&w->witness);
	free(w);
	*wp = NULL;
}

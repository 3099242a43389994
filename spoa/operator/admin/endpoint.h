/* The table of the admin server's endpoints (endpoints.c). The table dispatches requests,
 * checks parameters, and feeds GET /openapi.json and the texts of 404 and 405. A new endpoint
 * needs only a row.
 *
 * All functions run on an admin thread; each door has one thread. A handler may wait no longer
 * than a record takes to be written. A handler that needs longer suspends its connection
 * (admin_begin_fn). */
#ifndef OPERATOR_ADMIN_ENDPOINT_H
#define OPERATOR_ADMIN_ENDPOINT_H

#include <jansson.h>
#include <microhttpd.h>

#include "base/buf.h"
#include "operator/admin/calls.h"

struct server;
struct admin;
struct door;
struct change_row;

/* ---- parameters: those of a GET's query, or the members of a POST's object ---- */

enum param_kind {
	PARAM_TEXT,    /* min and max: bytes; max 0: 256 */
	PARAM_INTEGER, /* min and max: the value */
	PARAM_BOOLEAN, /* true or false; in a query also 1 and 0 */
	/* 2026-12-01T00:00:00Z, 2026-12-01, or a duration such as 24h, counted back from now */
	PARAM_TIME,
	PARAM_DURATION, /* a duration, for example 90d */
	PARAM_CHOICE,	/* one of `words`, which are separated by spaces */
	/* Only in objects; the handler checks their contents. */
	PARAM_OBJECT,
	PARAM_LIST,
	PARAM_ANY,
};

enum { PARAM_NEEDED = 1, PARAM_MANY = 2 /* may be repeated: the value is a list */ };

/* One parameter of an endpoint. */
struct param {
	const char *name; /* NULL ends the list */
	enum param_kind kind;
	unsigned flags;
	int64_t min, max;
	const char *words; /* the words of PARAM_CHOICE */
	const char *text;  /* the meaning of the parameter, in one sentence */
};

/* ---- a request, as handlers see it ---- */

/* A request. owner: the thread of its door, except while the connection is suspended */
struct asking {
	struct server *server;
	struct admin *admin;
	struct door *door;
	struct MHD_Connection *connection;
	const struct admin_endpoint *endpoint;
	const char *method,
		/* the path as requested; for an endpoint that ends in "/", with the part below
		 * it */
		*path;
	struct admin_peer peer;
	json_t *in; /* the checked parameters, an object */
	/* The handler's state, and how it is freed when the request ends in any way. */
	void *state;
	void (*drop)(void *state);
	/* Fields that asking_fields() sets: */
	unsigned retry_after_s; /* 0: no retry-after field */
	bool closes;		/* close the connection after the response */
	char allow[64], cookie[160];
};

/* Handles a request that takes its time. Called when the request is complete, and again after
 * each MHD_resume_connection() of a connection that the handler has suspended, until the
 * handler has queued a response with asking_answer() or one of its own. MHD_NO closes the
 * connection. */
typedef enum MHD_Result admin_begin_fn(struct asking *q);
/* Writes a response and returns its status. */
typedef unsigned admin_write_fn(struct server *s, struct buf *out);
/* Writes a response of status 200. */
typedef void admin_show_fn(struct server *s, struct buf *out);

/* Queues *b as the response, with the row's content type and the fields that every response
 * has. */
enum MHD_Result asking_answer(struct asking *q, unsigned status, const struct buf *b);
/* Queues {"error": …}. */
enum MHD_Result asking_refuse(struct asking *q, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Sets the fields that every response has, except for content-type and cache-control, on a
 * response of the handler's own. */
void asking_fields(const struct asking *q, struct MHD_Response *r);
/* Returns true if the caller still has access: the token is not revoked and the session is not
 * over. Handlers that stream for long call this now and then. */
bool asking_still(const struct asking *q);

/* GET /decisions/live (decisions.c). */
admin_begin_fn admin_decisions_live;

/* ---- the table ---- */

/* One row of the table. */
struct admin_endpoint {
	const char *method, *path; /* a path that ends in "/" matches everything below it */
	unsigned role;		   /* ROLE_…; 0: open to everyone */
	const char *summary;	   /* one line, for the manual and openapi.json */
	const struct param *params;
	/* Members that are always in the response's object, as "keys:array state_key:boolean".
	 */
	const char *shape;
	const char *type; /* content type; NULL: application/json */
	/* Exactly one of show, write, call, change and begin is set. show and write answer at
	 * once. call and change take an object, which is a POST's body or a GET's parameters.
	 * begin takes its time, for a child process, a stream or a file; `arg` is for it. */
	admin_show_fn *show;
	/* used instead of show if the client accepts OpenMetrics; may be NULL */
	admin_show_fn *open;
	admin_write_fn *write;
	admin_call_fn *call;
	const struct change_row *change; /* a call that makes a change, as a row of change.h */
	admin_begin_fn *begin;
	const void *arg;
	/* the call checks its object itself, with error texts that scripts know */
	bool own;
	/* the table checks the object of a change, which otherwise checks it itself */
	bool checked;
	bool tcp; /* also on admin.tcp: only endpoints that existed before there were roles */
};

extern const struct admin_endpoint admin_endpoints[];
extern const size_t admin_endpoint_count;

/* Returns the row, or NULL. *path_known is true if the path has rows of other methods, which
 * are then listed in *allow ("GET, HEAD"). */
const struct admin_endpoint *admin_endpoint_find(
	const char *method, const char *path, bool *path_known, struct buf *allow);
/* Returns the checked parameters: those of the query if `body` is NULL, otherwise `body`
 * itself, of which it takes ownership. Returns NULL with a message in *why. */
json_t *admin_endpoint_params(const struct admin_endpoint *e, struct MHD_Connection *c,
	json_t *body, struct buf *why);

#endif

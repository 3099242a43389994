/* The table of the admin server's endpoints (endpoints.c): it dispatches, checks parameters,
 * makes GET /openapi.json and the texts of 404 and 405. A row is all that a new one needs.
 * Everything here runs on an admin thread, of which each door has one: a handler never waits
 * longer than a record takes; what takes longer suspends its connection (begin). */
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

/* ---- parameters: of a GET those of the query, of a POST the members of its object ---- */

enum param_kind {
	PARAM_TEXT,	/* min, max: bytes; max 0: 256 */
	PARAM_INTEGER,	/* min, max */
	PARAM_BOOLEAN,	/* true, false; of a query also 1, 0 */
	PARAM_TIME,	/* 2026-12-01T00:00:00Z, 2026-12-01, or a duration ago: 24h */
	PARAM_DURATION, /* 90d */
	PARAM_CHOICE,	/* one of `words`, which blanks part */
	/* of an object alone: what is in them is the handler's to check */
	PARAM_OBJECT,
	PARAM_LIST,
	PARAM_ANY,
};

enum { PARAM_NEEDED = 1, PARAM_MANY = 2 /* may be given more than once: a list */ };

struct param {
	const char *name; /* NULL: the end of the list */
	enum param_kind kind;
	unsigned flags;
	int64_t min, max;
	const char *words; /* of PARAM_CHOICE */
	const char *text;  /* one sentence */
};

/* ---- a request, as a handler that takes its time sees it ---- */

struct asking {
	struct server *server;
	struct admin *admin;
	struct door *door;
	struct MHD_Connection *connection;
	const struct admin_endpoint *endpoint;
	const char *method,
		*path; /* as asked: of an endpoint that ends in / what is below it */
	struct admin_peer peer;
	json_t *in; /* parameters, checked: an object */
	/* The handler's own, which goes with the request, however that ends. */
	void *state;
	void (*drop)(void *state);
	/* For asking_fields(): */
	unsigned retry_after_s; /* 0: none */
	bool closes;		/* its connection ends with the answer */
	char allow[64], cookie[160];
};

/* Is called when the request is there, and again after each MHD_resume_connection() of a
 * connection that it has suspended, until it has queued an answer: asking_answer(), or a
 * response of its own (asking_response()). MHD_NO closes the connection. */
typedef enum MHD_Result admin_begin_fn(struct asking *q);
typedef unsigned admin_write_fn(struct server *s, struct buf *out);
typedef void admin_show_fn(struct server *s, struct buf *out);

/* Queues what is in *b with the row's content type, and the fields that every answer has. */
enum MHD_Result asking_answer(struct asking *q, unsigned status, const struct buf *b);
/* {"error": …}. */
enum MHD_Result asking_refuse(struct asking *q, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Sets the fields that every answer has on a response of the handler's own, but for
 * content-type and cache-control. */
void asking_fields(const struct asking *q, struct MHD_Response *r);
/* Whether the caller still may: his token is not revoked, his session not over. For what
 * streams for long: ask now and then. */
bool asking_still(const struct asking *q);

/* Those that take their time. */
admin_begin_fn admin_decisions_live;

/* ---- the table ---- */

struct admin_endpoint {
	const char *method, *path; /* a path that ends in / has all below it */
	unsigned role;		   /* ROLE_…; 0: nobody is asked who he is */
	const char *summary;	   /* one line, for the manual and openapi.json */
	const struct param *params;
	/* Members of the answer's object that are always there: "keys:array state_key:boolean".
	 */
	const char *shape;
	const char *type; /* content type; NULL: application/json */
	/* One of these six: writes an answer at once, which is 200 or of its own status; takes
	 * an object (a POST's, or of a GET's parameters) and answers at once; takes its time
	 * (reads records by a child, streams events, sends a file). `arg` is for begin. */
	admin_show_fn *show;
	admin_show_fn *open; /* in its place, for who accepts OpenMetrics; else NULL */
	admin_write_fn *write;
	admin_call_fn *call;
	const struct change_row *change; /* the same as a row of change.h; checks its object */
	admin_begin_fn *begin;
	const void *arg;
	bool own;     /* the call checks its object itself, with texts that scripts know */
	bool checked; /* a change does so, too, unless this is said */
	bool tcp; /* admin.tcp has it too: what it had before there were roles, and no more */
};

extern const struct admin_endpoint admin_endpoints[];
extern const size_t admin_endpoint_count;

/* The row; NULL: there is none. *path_known: the path has rows of other methods, whose names
 * are in *allow ("GET, HEAD"). */
const struct admin_endpoint *admin_endpoint_find(
	const char *method, const char *path, bool *path_known, struct buf *allow);
/* The query's parameters, or those of a POST's object, held against the row. NULL after a
 * message in *why. Takes `body` (NULL: a query). */
json_t *admin_endpoint_params(const struct admin_endpoint *e, struct MHD_Connection *c,
	json_t *body, struct buf *why);

#endif

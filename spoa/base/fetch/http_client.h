/* An HTTP client (libcurl's multi interface) on a libev loop, for key sets, data sources and
 * external recognizers. A client belongs to one loop and one thread. Its connections are kept
 * and used again.
 *
 * Certificates are verified (TLS 1.2 or later), redirects are never followed, and proxies of the
 * environment are not used. Only what the caller passes is sent. The loop is never blocked:
 * names are resolved on another thread. */
#ifndef BASE_FETCH_HTTP_CLIENT_H
#define BASE_FETCH_HTTP_CLIENT_H

#include <ev.h>
#include <pthread.h>

#include "base/mailbox.h"
#include "base/span.h"
#include "base/tag.h"

struct http_client;
struct http_call;

/* `idle`: the number of connections kept open between calls. Returns NULL if memory is
 * exhausted. */
struct http_client *http_client_new(struct ev_loop *loop, unsigned idle);
/* For the end of the daemon: calls in flight get ERR_CLOSED, and further ones are refused. Not
 * within a callback. */
void http_client_abort(struct http_client *c);
/* Calls in flight end without their callbacks. Not within a callback. */
void http_client_free(struct http_client **c);
/* Returns the number of calls in flight, whose callbacks have not run. */
size_t http_client_busy(const struct http_client *c);

/* The options of a call, copied before http_call() returns, except `file`. */
struct http_call_options {
	const char *url;	   /* http_url_check() must accept it */
	struct span body;	   /* sent with POST; p NULL: GET */
	/* Bytes that are sent within the body, at this offset, and are not copied: they must live
	 * until the callback or the cancellation. n 0: none */
	struct span file;
	size_t file_at;
	const char *const *fields; /* "Name: value", without line breaks */
	size_t nfields;
	const char *ca_file;  /* PEM file; NULL: the system's certificate authorities */
	uint64_t deadline_us; /* from now to the response's last byte */
	size_t answer_bytes;  /* longest response body; a longer one is ERR_LIMIT */
};

/* The result of a call. Valid during the callback. */
struct http_answer {
	/* 0 if a response arrived, whatever its status. Otherwise ERR_TIMEOUT; ERR_IO (refused,
	 * cut off, unknown name); ERR_AUTH (the certificate); ERR_LIMIT (too long, or more than
	 * CAP_HTTP_CALLS calls); ERR_SYNTAX (not HTTP); ERR_CLOSED; ERR_NOMEM. */
	int err;
	const char *why; /* with an error: a fixed phrase for logs */
	int status;
	struct span body;
	void *handle; /* for http_answer_field() */
};
typedef void http_cb(void *arg, const struct http_answer *a);

/* Starts a call. The callback runs exactly once, on the loop, never within this function.
 * Returns NULL if memory is exhausted or the client was aborted; the callback then never runs. */
struct http_call *http_call(
	struct http_client *c, const struct http_call_options *o, http_cb *cb, void *arg);
/* Cancels a call, whose callback will not run. Sets *call to NULL; *call may be NULL. */
void http_call_cancel(struct http_call **call);
/* Makes one call on a loop of its own, for a command: the callback has run when it returns 0. Returns
 * ERR_NOMEM if the call could not be made. */
int http_call_alone(const struct http_call_options *o, http_cb *cb, void *arg);
/* Returns the last field of that name in the final head, or an empty span. */
struct span http_answer_field(const struct http_answer *a, const char *name);

/* Checks a URL: http://HOST…, https://HOST… or unix:/SOCKET:/PATH, without user, password,
 * fragment and spaces. Returns NULL, or what is wrong with it. */
const char *http_url_check(const char *url);

/* ---- a thread with a client ---- */

/* A thread with a loop and an HTTP client, for data that are fetched from or sent to other
 * services. A service that hangs, lies or is away delays nothing else. The lists of waiting
 * calls and the timers belong to the user of the thread.
 *
 * owner: the user that made it. Other threads use only `mail`. */
struct http_thread {
	struct tag tag;
	struct ev_loop *loop; /* the thread's; the caller's until http_thread_start() */
	struct http_client *client;
	struct mailbox mail; /* run() is called on the thread, with `arg` */
	/* Called by the thread after its mail, and after http_thread_wake(). While the daemon
	 * stops, false means that the thread must not end yet. NULL: at the stop, calls in
	 * flight get ERR_CLOSED. */
	bool (*woken)(void *arg, bool stopping);
	void *arg;
	ev_async wake;
	pthread_t thread;
	_Atomic bool stopping;
	bool running;
};

/* Makes the thread without starting it, so that timers can be started on its loop. `arg` NULL:
 * the thread itself. Returns NULL if memory or descriptors are exhausted. */
struct http_thread *http_thread_new(bool (*woken)(void *arg, bool stopping), void *arg);
/* Starts the thread. Returns 0 or ERR_NOMEM. */
int http_thread_start(struct http_thread *t, const char *name);
/* Makes the thread call `woken`. Any thread. */
void http_thread_wake(struct http_thread *t);
/* Ends the thread. Mail that arrives later is never run. Afterwards, watchers may be removed
 * from the loop, and calls canceled. `t` may be NULL. */
void http_thread_stop(struct http_thread *t);
/* Frees the thread. Calls in flight end without their callbacks. */
void http_thread_free(struct http_thread **t);

#endif

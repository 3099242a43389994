/* An HTTP client (libcurl's multi interface) on a libev loop: key sets, data
 * sources, external recognizers. A client belongs to one loop and one thread;
 * its connections are kept and used again.
 *
 * Certificates are verified (TLS 1.2 or later), redirects are never followed,
 * proxies of the environment are not used, nothing is sent but what the caller
 * gives. The loop is never blocked: names are resolved aside. */
#ifndef BASE_FETCH_HTTP_CLIENT_H
#define BASE_FETCH_HTTP_CLIENT_H

#include <ev.h>

#include "base/span.h"

struct http_client;
struct http_call;

/* `idle`: connections kept open between calls. NULL: out of memory. */
struct http_client *http_client_new(struct ev_loop *loop, unsigned idle);
/* The daemon stops: calls in flight are answered ERR_CLOSED, further ones are refused. Not
 * within a callback. */
void http_client_abort(struct http_client *c);
/* Calls in flight end without their callback. Not within a callback. */
void http_client_free(struct http_client **c);
/* Calls in flight, whose callback has not run. */
size_t http_client_busy(const struct http_client *c);

/* Copied before http_call() returns. */
struct http_call_options {
	const char *url;	   /* http_url_check() accepts it */
	struct span body;	   /* sent with POST; p NULL: GET */
	const char *const *fields; /* "Name: value", without line breaks */
	size_t nfields;
	const char *ca_file;  /* PEM; NULL: the system's */
	uint64_t deadline_us; /* from now to the answer's last byte */
	size_t answer_bytes;  /* a longer body is ERR_LIMIT */
};

/* Valid during the callback. */
struct http_answer {
	/* 0: an answer came, whatever its status. ERR_TIMEOUT; ERR_IO (refused, cut,
	 * no such name); ERR_AUTH (the certificate); ERR_LIMIT (too long, or over
	 * CAP_HTTP_CALLS); ERR_SYNTAX (not HTTP); ERR_CLOSED; ERR_NOMEM. */
	int err;
	const char *why; /* a fixed phrase for logs where err */
	int status;
	struct span body;
	void *handle; /* http_answer_field()'s */
};
typedef void http_cb(void *arg, const struct http_answer *a);

/* Starts a call. The callback runs exactly once, on the loop, never within this
 * function. NULL: out of memory or aborted, and it never runs. */
struct http_call *http_call(
	struct http_client *c, const struct http_call_options *o, http_cb *cb, void *arg);
/* Its callback will not run. Takes NULL; clears it. */
void http_call_cancel(struct http_call **call);
/* The last field of that name of the final head, or empty. */
struct span http_answer_field(const struct http_answer *a, const char *name);

/* http://HOST…, https://HOST… or unix:/SOCKET:/PATH, without user, password,
 * fragment, blanks. NULL where it will do, else what is wrong with it. */
const char *http_url_check(const char *url);

#endif

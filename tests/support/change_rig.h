/* Calls the handlers of the admin server directly, without its listeners. For cmocka tests. */
#ifndef TESTS_CHANGE_RIG_H
#define TESTS_CHANGE_RIG_H

#include <stdio.h>

#include "operator/admin/change.h"
#include "operator/server/server.h"

static struct server server;
static struct admin_peer peer; /* the caller, set by the test */
static char got[1 << 16];      /* the response */

static inline void
take_answer(struct buf *out)
{
	snprintf(got, sizeof(got), "%.*s", SPAN_ARG(buf_view(out)));
	buf_free(out);
}

/* Returns the status. */
__attribute__((format(printf, 2, 3))) static inline unsigned
ask(const struct change_row *row, const char *fmt, ...)
{
	char text[8192];
	struct buf out;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_t *in = json_loads(text, 0, NULL);
	assert_non_null(in);
	buf_init(&out, 0);
	unsigned status = change_call(row, &server, &peer, in, &out);
	take_answer(&out);
	json_decref(in);
	return status;
}

static inline void
list(unsigned (*call)(struct server *s, struct buf *out))
{
	struct buf out;

	buf_init(&out, 0);
	assert_int_equal(call(&server, &out), 200);
	take_answer(&out);
}

#endif

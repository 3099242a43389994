/* HAProxy's side of SPOP for tests: sends and receives frames over one end of a socket pair.
 * The other end belongs to the agent under test. */
#ifndef TESTS_SUPPORT_SPOP_PEER_H
#define TESTS_SUPPORT_SPOP_PEER_H

#include "base/codec/spop.h"

/* Appends a key and its value. */
void peer_kv(struct buf *b, const char *key, struct spop_value v);

/* Returns a string value. */
struct spop_value peer_str(const char *s);

/* HAPROXY-HELLO as HAProxy 2.6 to 3.2 sends it. */
void peer_put_hello(struct buf *b, uint32_t max_frame, bool healthcheck);

/* A NOTIFY with one message "request" of one argument "body". */
void peer_put_notify(struct buf *b, uint64_t stream, uint64_t frame, struct span body);

/* Appends a DISCONNECT frame. */
void peer_put_disconnect(struct buf *b, uint32_t status);

/* Bytes that have arrived from the agent. */
struct peer {
	int fd;
	struct buf in;
	bool eof, reset;
};

/* Reads what has arrived. */
void peer_read(struct peer *p);

/* Returns the next whole frame, which is valid until the next peer_read(). */
bool peer_frame(const struct peer *p, struct spop_frame *f, size_t *bytes);

/* Returns the status-code of an AGENT-DISCONNECT, or -1 for another frame. */
int64_t peer_status(const struct spop_frame *f);

#endif

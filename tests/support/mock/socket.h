/* WebSockets of the simulated provider: socket.c. */
#ifndef MOCK_SOCKET_H
#define MOCK_SOCKET_H

#include "mock.h"

struct mock_socket;

/* Returns whether the request asks for a WebSocket on a path that has one. */
bool mock_socket_asked(const struct mock_request *r);
/* *out is the 101 and the provider's first messages. */
struct mock_socket *mock_socket_new(
	const struct mock_request *r, uint64_t serial, uint64_t connection, struct buf *out);
void mock_socket_free(struct mock_socket *s);
/* The reply is appended to *out. False: the connection ends once *out is written. */
bool mock_socket_feed(struct mock_socket *s, struct span in, struct buf *out);

#endif

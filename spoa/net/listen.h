/* Listening sockets. A unix socket is created with mode 660 (admin: 600), never
 * wider, and takes the place of a stale one only after nobody answers there. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <sys/types.h>

#include "base/buf.h"
#include "policy/config/config.h"

/* A non-blocking, close-on-exec listening socket, or negative with a message in
 * *why. `group` NULL: unchanged. */
int listen_open(const struct address *a, mode_t mode, const char *group, struct buf *why);
/* Whether listen_open() would be refused by the address, by its folder or by what stands there: 0,
 * or its error with its words. No file is made and nothing listens. A daemon that listens there
 * now is no error. */
int listen_try(const struct address *a, struct buf *why);
/* Removes the file of a unix socket, unless another process was given the socket. */
void listen_unlink(const struct address *a);

/* ---- sockets that two processes share, one after the other. owner: main ---- */

/* listen_open() of this address returns `fd`, which another process opened and has too. ERR_FULL. */
int listen_inherit(const char *text, int fd);
/* Closes each inherited socket that listen_open() has not returned, and removes its file. */
void listen_close_unused(void);
/* The socket that listen_open() returned for the address; -1: none. */
int listen_opened(const struct address *a);
/* Whether another process has the socket too. */
void listen_given(const struct address *a, bool given);

#endif

/* A body compressed as gzip (RFC 1952), in place. */
#ifndef TELEMETRY_GZIP_H
#define TELEMETRY_GZIP_H

#include "base/buf.h"

/* 0 or ERR_NOMEM. */
int gzip_buf(struct buf *b);

#endif

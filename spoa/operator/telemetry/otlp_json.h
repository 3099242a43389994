/* Parts of OTLP's JSON (opentelemetry-proto 1.x, JSON Protobuf encoding of OTLP 1.5): 64-bit integers
 * are texts, enums numbers, ids of traces and spans hexadecimal. */
#ifndef OPERATOR_TELEMETRY_OTLP_JSON_H
#define OPERATOR_TELEMETRY_OTLP_JSON_H

#include "base/buf.h"
#include "operator/telemetry/names.h"

/* What is told of the daemon itself. */
struct otlp_resource {
	const char *node, *version;
};

/* ,"attributes":[…] is begun and ended by the caller; *n counts those in it. An empty text is left
 * out, and one that is no UTF-8. */
void otlp_text(struct buf *b, const char *name, struct span value);
void otlp_int(struct buf *b, const char *name, int64_t value);
void otlp_double(struct buf *b, const char *name, double value);
/* A list of one text. */
void otlp_list(struct buf *b, const char *name, struct span value);
/* "name":"nanoseconds" */
void otlp_time(struct buf *b, const char *name, int64_t ns);
/* {"resource":…,"scopeKEY":[{"scope":…,"KEY":[ and its end. */
void otlp_open(struct buf *b, const struct otlp_resource *r, const char *outer,
	const char *scope, const char *inner);
void otlp_close(struct buf *b);

/* A body compressed as gzip (RFC 1952), in place, at the fastest level. 0 or ERR_NOMEM. */
int gzip_buf(struct buf *b);

/* A name that may leave the daemon where others chose it: letters, digits and - _ . : / @ +, up to
 * 128 bytes; else empty. */
struct span otlp_plain(struct span name);

#endif

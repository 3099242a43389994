/* Writes parts of OTLP's JSON (opentelemetry-proto 1.x, JSON Protobuf encoding of OTLP 1.5):
 * 64-bit integers are strings, enums are numbers, ids of traces and spans are hexadecimal. */
#ifndef OPERATOR_TELEMETRY_OTLP_JSON_H
#define OPERATOR_TELEMETRY_OTLP_JSON_H

#include "base/buf.h"
#include "operator/telemetry/names.h"

/* The attributes of the daemon itself. */
struct otlp_resource {
	const char *node, *version;
};

/* Append one attribute. The caller writes "attributes":[ and its end. A text that is empty or
 * not UTF-8 is left out. */
void otlp_text(struct buf *b, const char *name, struct span value);
/* Appends "name":"nanoseconds". */
void otlp_time(struct buf *b, const char *name, int64_t ns);
/* Appends {"resource":…,"scopeKEY":[{"scope":…,"KEY":[ and its end. */
void otlp_open(struct buf *b, const struct otlp_resource *r, const char *outer,
	const char *scope, const char *inner);
void otlp_close(struct buf *b);

/* Compresses the buffer as gzip (RFC 1952) at the fastest level. Returns 0 or ERR_NOMEM. */
int gzip_buf(struct buf *b);

/* Returns the name if it may leave the daemon although others chose it: at most 128 letters,
 * digits and - _ . : / @ +. Otherwise returns an empty span. */
struct span otlp_plain(struct span name);

#endif

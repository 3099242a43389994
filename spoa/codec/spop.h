/* SPOP 2.0 frames: bytes to structures and back (SPOE.txt 3.2). No I/O. */
#ifndef CODEC_SPOP_H
#define CODEC_SPOP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

/* SPOE.txt 3.1: typed data. */
enum spop_type {
	SPOP_NULL,
	SPOP_BOOL,
	SPOP_INT32,
	SPOP_UINT32,
	SPOP_INT64,
	SPOP_UINT64,
	SPOP_IPV4,
	SPOP_IPV6,
	SPOP_STRING,
	SPOP_BINARY,
};

struct spop_value {
	enum spop_type type;
	bool b;
	int64_t i;  /* INT32, INT64 */
	uint64_t u; /* UINT32, UINT64 */
	struct span s; /* STRING, BINARY; IPV4 (4 bytes), IPV6 (16 bytes) */
};

struct spop_arg {
	struct span name; /* may be empty */
	struct spop_value value;
};

struct spop_message {
	struct span name;
	const struct spop_arg *args;
	size_t nargs;
};

/* The argument of that name, NULL where absent. */
const struct spop_value *spop_arg(const struct spop_message *m, const char *name);

enum spop_scope { SPOP_SCOPE_PROC, SPOP_SCOPE_SESS, SPOP_SCOPE_TXN, SPOP_SCOPE_REQ, SPOP_SCOPE_RES };

struct spop_action { /* set-var */
	enum spop_scope scope;
	const char *name;
	struct spop_value value;
};

/* codec/spop.c's further contract (frames, HELLO, errors) follows below. */

#endif
